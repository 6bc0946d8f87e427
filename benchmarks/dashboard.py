"""What the dashboard of deploy/grafana shows of a service under load: a picture, from a real Prometheus.

Run it as `python -m benchmarks.dashboard`; README.md in this folder says what it does.
"""

from __future__ import annotations

import http.client
import json
import random
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from benchmarks.borrowed import BUCKET, swift_with_bucket
from benchmarks.server import Server, running_server
from endotwin.settings import variable

_DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
_PROMETHEUS_PORT = 19_090
_SCRAPE_SECONDS = 2
_CLIENTS = 6
_INCHES_PER_ROW = 0.5
_ASKED_FOR = (
    "n=1",
    "n=16&format=npy",
    "n=160&format=tar",
    "n=64&format=zip",
    "n=20&labels=borders,cells",
    "n=0",
)


def main(
    *,
    seconds: Annotated[float, typer.Option(min=30, help="How long the service is under load.")] = 180.0,
    output: Annotated[Path, typer.Option(help="Folder for the picture and the logs.")] = Path(
        "out/benchmarks"
    ),
) -> None:
    """Put a service under load, with refusals, clients that leave, and jobs, and draw the dashboard."""
    if shutil.which("prometheus") is None:
        sys.exit("Error: prometheus is not installed (Debian: apt-get install prometheus)")
    output.mkdir(parents=True, exist_ok=True)
    dashboard = json.loads((_DEPLOY / "grafana" / "dashboard.json").read_text())
    with TemporaryDirectory() as folder:
        place = Path(folder)
        with swift_with_bucket(place / "swift") as (_, storage):
            settings = {
                **storage,
                variable("jobs_store"): str(place / "jobs.sqlite"),
                variable("storage_allow"): BUCKET,
                variable("max_streams"): "4",
            }
            with (
                running_server(settings, output / "dashboard-server.log") as server,
                _running_prometheus(place, server.port, output / "dashboard-prometheus.log"),
            ):
                began = time.time()
                _load(server, began + seconds)
                answers = {
                    (panel["id"], target["refId"]): _ask(target, began, time.time())
                    for panel in dashboard["panels"]
                    for target in panel.get("targets", ())
                }
    _draw(dashboard, answers, output / "dashboard.png")
    print(output / "dashboard.png")


@contextmanager
def _running_prometheus(folder: Path, target: int, log: Path) -> Iterator[None]:
    """Run Prometheus with the alert rules."""
    configuration = {
        "global": {"scrape_interval": f"{_SCRAPE_SECONDS}s", "evaluation_interval": f"{_SCRAPE_SECONDS}s"},
        "rule_files": [str(_DEPLOY / "prometheus" / "alerts.yml")],
        "scrape_configs": [
            {"job_name": "endotwin", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
        ],
    }
    file = folder / "prometheus.json"  # which is YAML too
    file.write_text(json.dumps(configuration))
    command = [
        "prometheus",
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'series'}",
        f"--web.listen-address=127.0.0.1:{_PROMETHEUS_PORT}",
    ]
    with log.open("wb") as lines:
        process = subprocess.Popen(command, stdout=lines, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def _load(server: Server, until: float) -> None:
    for number, n in enumerate((64, 100_000)):
        body = json.dumps({"n": n, "seed": 7, "destination": f"s3://{BUCKET}/set-{number}"})
        _send(server, "POST", "/jobs", body, {"Content-Type": "application/json"})

    def be_a_client(seed: int) -> None:
        draws = random.Random(seed)
        while time.time() < until:
            asked = draws.random()
            if asked < 0.1:
                _send(server, "GET", f"/models/{asked}")
            elif asked < 0.2:
                _send(server, "POST", "/generate?n=3000", read=False)
            else:
                _send(server, "POST", f"/generate?{draws.choice(_ASKED_FOR)}")
            time.sleep(draws.random())

    with ThreadPoolExecutor(_CLIENTS) as clients:
        list(clients.map(be_a_client, range(_CLIENTS)))
    time.sleep(2 * _SCRAPE_SECONDS)


def _send(
    server: Server, method: str, target: str, body: str = "", headers: Any = None, *, read: bool = True
) -> None:
    """Send a request; read the answer, or leave in its midst."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)) as connection:
        connection.request(method, target, body or None, headers or {})
        response = connection.getresponse()
        response.read() if read else response.read(1)


def _ask(target: dict[str, Any], began: float, ended: float) -> list[dict[str, Any]]:
    """Return the series that Prometheus answers with."""
    text = target["expr"].replace("$__rate_interval", "15s").replace("$instance", ".*")
    query = {"query": text, "start": began, "end": ended, "step": _SCRAPE_SECONDS, "time": ended}
    path = "query" if target["instant"] else "query_range"
    address = f"http://127.0.0.1:{_PROMETHEUS_PORT}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(address, timeout=60) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return found


def _draw(dashboard: dict[str, Any], answers: dict[tuple[int, str], Any], file: Path) -> None:
    """Draw all panels where the dashboard has them."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
    figure = plt.figure(figsize=(20, rows * _INCHES_PER_ROW))
    for panel in dashboard["panels"]:
        grid = panel["gridPos"]
        left, low = grid["x"] / 24, 1 - (grid["y"] + grid["h"]) / rows
        if panel["type"] == "row":
            figure.text(left + 0.01, low, panel["title"], fontsize=14, weight="bold")
            continue
        height = grid["h"] / rows
        axes = figure.add_axes((left + 0.03, low + 0.2 * height, grid["w"] / 24 - 0.04, 0.6 * height))
        axes.set_title(panel["title"], fontsize=10)
        series = [
            (_legend(target["legendFormat"], one["metric"]), one)
            for target in panel["targets"]
            for one in answers[panel["id"], target["refId"]]
        ]
        unit = panel["fieldConfig"]["defaults"]["unit"]
        if panel["type"] == "timeseries":
            _draw_lines(axes, panel, series)
            axes.yaxis.set_major_formatter(lambda value, _, unit=unit: _shown(value, unit))
        else:
            axes.axis("off")
            text = "No data"
            if series and panel["type"] == "stat":
                values = [float(value) for _, value in series[0][1]["values"] if value != "NaN"]
                text = _shown(values[-1], unit) if values else "No data"
            elif series:
                text = "\n".join(f"{name}: {value}" for name, value in series[0][1]["metric"].items())
            size = 20 if panel["type"] == "stat" else 9
            axes.text(0.5, 0.4, text, ha="center", va="center", fontsize=size)
    figure.savefig(file, dpi=55)


def _draw_lines(axes: Any, panel: dict[str, Any], series: list[tuple[str, dict[str, Any]]]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    stacked = defaults["custom"]["stacking"]["mode"] == "normal"
    times = sorted({at for _, one in series for at, _ in one["values"]})
    below = [0.0] * len(times)
    for name, one in series:
        values = {at: float(value) for at, value in one["values"]}
        clock = [datetime.fromtimestamp(at) for at in times]
        if stacked:
            top = [base + values.get(at, 0.0) for base, at in zip(below, times, strict=True)]
            axes.fill_between(clock, below, top, label=name, alpha=0.6, linewidth=0)
            below = top
        else:
            axes.plot(clock, [values.get(at, float("nan")) for at in times], label=name, linewidth=1)
    if series:
        axes.legend(fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncol=3, frameon=False)
    else:
        axes.text(0.5, 0.5, "No data", transform=axes.transAxes, ha="center")
    axes.set_ylim(defaults.get("min"), defaults.get("max"))
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)


def _legend(pattern: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), pattern) or "value"


def _shown(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit in ("bytes", "Bps"):
        scale, prefix = next(
            ((size, name) for size, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if abs(value) >= size),
            (1.0, ""),
        )
        return f"{value / scale:.3g} {prefix}B{'/s' if unit == 'Bps' else ''}"
    return f"{value:.3g}{' s' if unit == 's' else ''}"


if __name__ == "__main__":
    typer.run(main)
