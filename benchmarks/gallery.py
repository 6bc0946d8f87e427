"""The gallery in a browser: how soon its first image is there, and what memory thousands of images take.

Run it as `python -m benchmarks.gallery`; README.md in this folder says what it measures.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import psutil
import typer
from playwright.sync_api import Browser, Page

from benchmarks.borrowed import browser_path, running_browser, untrained_checkpoint
from benchmarks.server import Server, running_server
from endotwin.settings import variable

_MIB = 1024 * 1024
_KEPT_KIB = 17  # of each image's answer, that Playwright has the browser keep for it to look at
_ROUNDS = 7
_PATIENCE_MS = 600_000
_FIRST = 'performance.getEntriesByName("first-image")[0]?.startTime'
_ASKED = 'performance.getEntriesByType("resource").find(entry => entry.name.includes("/generate?"))'
_GOAL_MS, _GOAL_MB = 300, 300
_SCREENS = """async screens => {
    const grid = document.querySelector(".grid");
    const isThere = () => grid.querySelector(".tile:not(.there)") === null;
    let shown = 0;
    while (shown < screens) {
        while (!isThere()) await new Promise(resolve => setTimeout(resolve, 20));
        if (grid.scrollTop + grid.clientHeight >= grid.scrollHeight - 1) return -1;
        grid.scrollTop += grid.clientHeight;
        await new Promise(requestAnimationFrame);
        await new Promise(requestAnimationFrame);
        shown += 1;
    }
    return shown;
}"""
"""Show so many screens, each once all its images are there; -1 at the end."""


def main(
    *,
    images: Annotated[int, typer.Option(min=100, max=100_000, help="Images to scroll through.")] = 10_000,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="The tests' tiny network for the images: much faster.")
    ] = False,
) -> None:
    """Time the first image beside a bare request for one, then scroll through images and look at memory."""
    path = browser_path()
    if path is None:
        sys.exit("Error: there is no Chromium (Debian: apt-get install chromium)")
    with TemporaryDirectory() as folder, running_browser(path) as browser:
        place = Path(folder)
        with running_server({}, place / "shipped.log") as server:
            _time_first_image(server, browser)
        settings = {}
        if untrained:
            checkpoint = untrained_checkpoint(place / "untrained")
            settings = {variable("checkpoint_dir"): str(checkpoint.parent)}
        with running_server(settings, place / "scrolled.log") as server:
            _scroll(server, browser, images)


def _time_first_image(server: Server, browser: Browser) -> None:
    bare, page_ms, asked, answered, busy = [], [], [], [], []
    for seed in range(_ROUNDS + 1):
        server.fetch(1, 0, "npy")  # behind which nothing of the page before is left
        bare.append(1000 * server.fetch(1, seed, "npy"))
        with _tab(browser) as page:
            before = _processor_ms(server)
            _open(page, server, f"seed={seed + 1000}")
            page_ms.append(float(page.evaluate(_FIRST)))
            asked.append(float(page.evaluate(f"{_ASKED}.startTime")))
            answered.append(float(page.evaluate(f"{_ASKED}.responseStart")) - asked[-1])
            busy.append(_processor_ms(server) - before)
    rows = {
        "bare /generate?n=1": bare,
        f"first image of the page (goal: {_GOAL_MS} ms)": page_ms,
        "of that: until the page asks for it": asked,
        "of that: until the service answers": answered,
        "processor time of service and browser until then": busy,
    }
    for name, taken in rows.items():
        times = sorted(taken[1:])
        print(f"{name}: {statistics.median(times):.0f} ms ({times[0]:.0f} to {times[-1]:.0f})")
    differences = [page - alone for page, alone in zip(page_ms[1:], bare[1:], strict=True)]
    print(f"the page on top of the bare request: {statistics.median(differences):.0f} ms", flush=True)


def _scroll(server: Server, browser: Browser, images: int) -> None:
    largest = {"process": 0.0, "heap": 0.0}
    with _tab(browser) as page:
        _open(page, server, f"seed=7&count={images}")
        renderer = _renderer()
        metrics = page.context.new_cdp_session(page)
        metrics.send("Performance.enable")
        shown = 0
        while shown >= 0:
            largest["process"] = max(largest["process"], renderer.memory_full_info().uss / _MIB)
            largest["heap"] = max(largest["heap"], _heap(metrics) / _MIB)
            shown = page.evaluate(_SCREENS, 10)
        tiles = page.locator(".tile").count()
    print(
        f"{images:,} images scrolled (goal: {_GOAL_MB} MB, which is {_GOAL_MB * 1e6 / _MIB:.0f} MiB): at "
        f"most {largest['process']:.0f} MiB for the page's process alone, of which Playwright keeps some "
        f"{images * _KEPT_KIB / 1024:.0f}; {largest['heap']:.0f} MiB its heap of JavaScript; {tiles} "
        "elements for images at the end"
    )


@contextmanager
def _tab(browser: Browser) -> Iterator[Page]:
    """Yield an empty tab of a browser that has nothing of the page yet."""
    context = browser.new_context(viewport={"width": 1280, "height": 850})
    page = context.new_page()
    page.set_default_timeout(_PATIENCE_MS)
    yield page
    context.close()


def _open(page: Page, server: Server, query: str) -> None:
    """Load the gallery and return when its first image is there."""
    page.goto(f"http://127.0.0.1:{server.port}/gallery?{query}")
    page.locator(".tile.there").first.wait_for()


def _processor_ms(server: Server) -> float:
    """Return the processor time that the service and the browser have taken so far, in milliseconds."""
    total = 0.0
    for process in (psutil.Process(server.pid), *_browser_processes()):
        times = process.cpu_times()
        total += times.user + times.system
    return 1000 * total


def _browser_processes() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [process for process in children if "chrom" in process.name()]


def _renderer() -> psutil.Process:
    """Return the process of the page: of the browser's renderers, the largest."""
    renderers = [one for one in _browser_processes() if "--type=renderer" in " ".join(one.cmdline())]
    return max(renderers, key=lambda process: process.memory_full_info().uss)


def _heap(metrics: Any) -> float:
    found = {one["name"]: one["value"] for one in metrics.send("Performance.getMetrics")["metrics"]}
    return float(found["JSHeapUsedSize"])


if __name__ == "__main__":
    typer.run(main)
