"""What /metrics says, and that no client decides how much."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fake_samplers import FakeSampler
from live_server import PATIENCE_SECONDS, Client, LiveServer, wait_for
from prometheus_client.parser import text_string_to_metric_families

from endotwin.image_range import BATCH
from service import metrics
from service.metrics_page import RuntimeCollector

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "operator.md").read_text()


def series(server: Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return all samples by name and labels."""
    text = server.request("/metrics", "GET").body.decode()
    families = text_string_to_metric_families(text)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def value(server: Client, name: str, **labels: str) -> float:
    return series(server)[name, tuple(sorted(labels.items()))]


def ask_for_the_unknown(server: Client, numbers: range) -> None:
    """Send requests whose path, query, method and headers are each other than those before."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    for number in numbers:
        path = ("/models/m%d", "/jobs/j%d", "/%d", "/static_content/%d", "/generate?model=m%d")[number % 5]
        method = ("GET", f"M{number}", "POST", "DELETE")[number % 4]
        headers = {"X-Request-Id": f"r{number}", "Host": f"h{number}", "User-Agent": f"u{number}"}
        connection.request(method, path % number, headers=headers)
        connection.getresponse().read()
    connection.close()


def test_a_thousand_unknown_paths_add_no_series(server: LiveServer) -> None:
    ask_for_the_unknown(server, range(20))  # every pair of a path and a method
    before = set(series(server))
    ask_for_the_unknown(server, range(20, 1020))
    assert set(series(server)) == before
    assert len(before) < 500


def test_requests_are_counted_by_the_template_of_their_route(server: LiveServer) -> None:
    unknown = {"route": "/models/{name}", "method": "GET", "status": "404"}
    server.request("/models/none", "GET")
    before = value(server, "endotwin_http_requests_total", **unknown)
    server.request("/models/another", "GET")
    assert value(server, "endotwin_http_requests_total", **unknown) == before + 1
    assert value(server, "endotwin_http_request_seconds_count", route="/readyz") >= 1


def test_every_metric_of_a_service_is_documented_and_explained(server: LiveServer) -> None:
    server.generate("n=1")
    for family in text_string_to_metric_families(server.request("/metrics", "GET").body.decode()):
        name = family.name + ("_total" if family.type == "counter" else "")
        assert f"`{name}`" in PAGE
        assert family.documentation


def test_the_page_documents_no_metric_that_is_not_there(server: LiveServer) -> None:
    section = PAGE.partition("\n### Metrics\n")[2].partition("\n### ")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    ours = {f"{family.name}_total" for metric in metrics.ALL for family in metric.describe()}
    ours |= {family.name for metric in metrics.ALL for family in metric.describe()}
    served = {name for name, _ in series(server)}
    on_a_gpu = {name for name in documented if name.startswith("endotwin_gpu_")}
    assert len(on_a_gpu) == 3
    assert documented - on_a_gpu <= served | ours


def test_metrics_of_the_process_are_those_of_the_service(server: LiveServer) -> None:
    [process] = server.processes()
    assert value(server, "process_start_time_seconds") == pytest.approx(process.create_time(), abs=2)
    assert value(server, "process_resident_memory_bytes") == pytest.approx(
        process.memory_info().rss, rel=0.2
    )
    assert 3 <= value(server, "process_open_fds") <= value(server, "process_max_fds")


def test_build_info_says_what_runs(server: LiveServer) -> None:
    [labels] = [dict(labels) for name, labels in series(server) if name == "endotwin_build_info"]
    assert labels["torch"] == torch.__version__
    assert labels["device"] == server.generate("n=1").headers["X-Endotwin-Device"]
    assert set(labels) == {"version", "python", "torch", "bentoml", "device"}


def test_a_batch_that_waits_is_counted_with_its_wait(serve_sampler: Callable[..., Client]) -> None:
    started, go_on = threading.Event(), threading.Event()

    class Held(FakeSampler):
        def aligned(self, seed: int, block: int) -> np.ndarray:
            started.set()
            assert go_on.wait(PATIENCE_SECONDS)
            return np.zeros((BATCH, 128, 128), np.uint8)

    client = serve_sampler(Held())
    kind = {"kind": "stream"}
    waits = value(client, "endotwin_queue_seconds_sum", **kind)
    asked = [threading.Thread(target=client.generate, args=("n=1",)) for _ in range(2)]
    for thread in asked:
        thread.start()
        assert started.wait(PATIENCE_SECONDS)
    wait_for(lambda: value(client, "endotwin_queue_length", **kind) == 1, "a batch that waits")
    time.sleep(0.3)
    go_on.set()
    for thread in asked:
        thread.join()
    assert value(client, "endotwin_queue_length", **kind) == 0
    assert value(client, "endotwin_queue_seconds_sum", **kind) - waits >= 0.3


class Gpu:
    """Stands in for torch.cuda: one GPU in use, one that is not, one that is lost."""

    @staticmethod
    def is_initialized() -> bool:
        return True

    @staticmethod
    def device_count() -> int:
        return 3

    @staticmethod
    def memory_reserved(index: int) -> int:
        if index == 2:
            raise RuntimeError("CUDA error: device lost")
        return (4_000, 0)[index]

    @staticmethod
    def mem_get_info(index: int) -> tuple[int, int]:
        assert index == 0, "asking would make a context on a GPU that is not used"
        return 70_000, 80_000


def test_memory_of_gpus_that_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "cuda", Gpu)
    runtime = SimpleNamespace(
        device_name="cuda A", settings=SimpleNamespace(max_streams=16, small_streams=2)
    )
    families = {family.name: family for family in RuntimeCollector(lambda: runtime).collect()}
    assert families["endotwin_max_streams"].samples[0].value == 18
    shown = {
        name: [(sample.labels, sample.value) for sample in family.samples]
        for name, family in families.items()
        if "gpu" in name
    }
    assert shown == {
        "endotwin_gpu_memory_bytes": [({"device": "cuda:0"}, 80_000)],
        "endotwin_gpu_memory_free_bytes": [({"device": "cuda:0"}, 70_000)],
        "endotwin_gpu_memory_held_bytes": [({"device": "cuda:0"}, 4_000)],
    }


def test_a_worker_that_replaces_a_dead_one_counts_and_forgets_its_live_gauges(tmp_path: Path) -> None:
    program = "from service import metrics; metrics.OPEN_STREAMS.inc(); metrics.forget_dead_workers()"
    variables = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    asking = """
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
registry = CollectorRegistry()
MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""
    for restarts in range(3):
        ended = subprocess.run(
            [sys.executable, "-c", program + asking],
            env=variables,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert f"\nendotwin_worker_restarts_total {float(restarts)}\n" in ended.stdout
        assert "\nendotwin_open_streams 1.0\n" in ended.stdout
        assert ("replaces one that has ended" in ended.stderr) == (restarts > 0)
