"""`make demo`, with few images of a tiny checkpoint: what it leaves, and that the service is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from waiting import PATIENCE_SECONDS, wait_for

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def variables(tmp_path: Path, tiny_checkpoint: Path) -> dict[str, str]:
    """Return an environment in which the service has the tiny checkpoint and a BentoML home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ENDOTWIN_")}
    own = {"BENTOML_HOME": str(tmp_path / "bentoml"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return {**kept, **own, "ENDOTWIN_CHECKPOINT_DIR": str(tiny_checkpoint.parent)}


@contextmanager
def demo(folder: Path, count: int, variables: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run the demo in a folder, where it writes to `out`; end it with the block."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "demo.py"), "--n", str(count)],
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def contents(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def files_of(count: int) -> set[str]:
    return {f"7-{i:08d}.{kind}" for i in range(count) for kind in ("png", "json")}


def test_it_replaces_the_set_of_an_earlier_run_and_says_so(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    folder = tmp_path / "a path with spaces"
    earlier = [
        "images.tar",
        "contact-sheet.png",
        "server.log",
        *(f"images/{name}" for name in files_of(30)),
    ]
    for name in earlier:
        path = folder / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"of an earlier run")
    with demo(folder, 20, variables) as process:
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, said
    files = files_of(20)
    left = {"images.tar", "contact-sheet.png", "server.log", *(f"images/{name}" for name in files)}
    assert contents(folder / "out") == left
    assert not [name for name in left if (folder / "out" / name).read_bytes() == b"of an earlier run"]
    with tarfile.open(folder / "out" / "images.tar") as tar:
        assert set(tar.getnames()) == files
    assert "20 images, all different" in said
    assert "images/s" in said
    assert "model tiny: recorded FID 123.50 (3,000 generated against 3,000 training crops" in said


def test_ctrl_c_stops_the_service_and_leaves_no_half_set(tmp_path: Path, variables: dict[str, str]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores it
    out = tmp_path / "out"
    with demo(tmp_path, 50_000, variables) as process:
        wait_for(lambda: process.poll() is not None or any(out.glob(".images.*/*.png")), "images")
        assert process.poll() is None
        started = descendants(process)
        assert started
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert said.endswith("demo: stopped\n")
    assert contents(out) == {"server.log"}
    _, alive = psutil.wait_procs(started, timeout=10)
    assert not alive


def test_a_service_that_does_not_start_is_explained(tmp_path: Path, variables: dict[str, str]) -> None:
    with demo(tmp_path, 20, {**variables, "ENDOTWIN_CHECKPOINT_DIR": str(tmp_path)}) as process:
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert "the service ended while it started" in said
    assert "no *.safetensors in" in said
