"""Images per second of `endotwin-training curate`, and the estimate for the paper's 12,000.

Run it as `python -m benchmarks.curation RAW` on a folder of raw images, or without one on made-up mosaics.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
import psutil
import typer
from PIL import Image

from endotwin.files import whole_file
from training.curation.run import CurationSettings, curate
from training.curation.thresholds import read_thresholds
from training.curation.worker_pool import available_cores

PAPER = 12_000
"""Raw images of the paper."""

_Step = TypeVar("_Step")


class Clock:
    """Adds up the seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.counts: dict[str, int] = {}

    def __call__(self, steps: Iterable[_Step], what: str, total: int) -> Iterator[_Step]:
        """Pass on steps, and note how long they take."""
        began = time.perf_counter()
        yield from steps
        self.seconds[what] = self.seconds.get(what, 0.0) + time.perf_counter() - began
        self.counts[what] = self.counts.get(what, 0) + total


def main(
    raw: Annotated[Path | None, typer.Argument(help="Folder of raw images.")] = None,
    n: Annotated[int, typer.Option(min=2, help="Made-up images, without RAW.")] = 300,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: one a core.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for curation-speed.json.")] = Path("out/benchmarks"),
) -> None:
    """Curate a folder into a temporary one and write how long each step took."""
    workers = workers or available_cores()
    with tempfile.TemporaryDirectory() as scratch:
        if raw is None:
            raw = Path(scratch) / "raw"
            _make_up(raw, n)
        clock = Clock()
        began = time.perf_counter()
        curation = curate(
            raw, Path(scratch) / "out", CurationSettings(read_thresholds(), False, workers), clock
        )
        seconds = time.perf_counter() - began
    found = curation.summary.counts["found"]
    report = {
        "images": found,
        "counts": curation.summary.counts,
        "processes": workers,
        "images_per_second": round(found / seconds, 2),
        "seconds": {step: round(taken, 2) for step, taken in clock.seconds.items()},
        "pairs_compared": clock.counts.get("comparing pairs", 0),
        # In proportion: copies grow with the count. Pairs that look alike by chance grow with its square,
        # but they are few (benchmarks/README.md).
        "estimate_minutes_12000": round(seconds * PAPER / found / 60, 1),
        "load_average": round(psutil.getloadavg()[0], 1),
        "mib_of_the_main_process_at_the_end": round(psutil.Process().memory_info().rss / 2**20),
    }
    text = json.dumps(report, indent=1)
    typer.echo(text)
    with whole_file(output / "curation-speed.json") as file:
        file.write(text.encode() + b"\n")


def _make_up(folder: Path, count: int) -> None:
    """Write mosaics of jittered hexagonal cells, 256 × 384 pixels."""
    folder.mkdir()
    y, x = np.mgrid[:384, :256].astype(np.float32)
    for k in range(count):
        rng = np.random.default_rng(k)
        rows, columns = np.mgrid[-1:24, -1:15]
        centres = np.stack([rows * 17.0, (columns + rows % 2 / 2) * 20.0], axis=-1).reshape(-1, 2)
        centres += rng.normal(0, 3, centres.shape)
        first = np.full(y.shape, np.inf, dtype=np.float32)
        second = first.copy()
        for cy, cx in centres:
            distance = np.hypot(y - cy, x - cx)
            second = np.minimum(second, np.maximum(first, distance))
            first = np.minimum(first, distance)
        levels = 130 - 35 * np.exp(-(((second - first) / 3) ** 2)) + rng.normal(0, 3, y.shape)
        Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)).save(folder / f"{k}.png")


if __name__ == "__main__":
    typer.run(main)
