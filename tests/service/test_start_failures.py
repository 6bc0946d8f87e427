"""A service that cannot start says why in one line, before it imports what takes long."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from live_server import PATIENCE_SECONDS, ROOT, environment, free_port
from set_tools import small_disk

Start = Callable[..., str]


@pytest.fixture
def start(tmp_path: Path, tiny_checkpoint: Path) -> Start:
    """Return a function that starts a service which fails, and returns its line."""

    def run(port: int | None = None, descriptors: int | None = None, **settings: str) -> str:
        def limit() -> None:
            if descriptors is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        command = [sys.executable, "-X", "importtime", "-m", "service", "--port", str(port or free_port())]
        ended = subprocess.run(
            command,
            cwd=ROOT,
            env=environment(tmp_path, **{"checkpoint_dir": str(tiny_checkpoint.parent), **settings}),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
            preexec_fn=limit,
        )
        imports = [line for line in ended.stderr.splitlines() if line.startswith("import time:")]
        said = [line for line in ended.stderr.splitlines() if line not in imports]
        modules = {line.rpartition("|")[2].strip() for line in imports}
        assert "pydantic" in modules
        assert not modules & {"torch", "bentoml", "fastapi", "uvicorn", "scipy"}
        assert (ended.returncode, ended.stdout) == (1, "")
        [line] = said
        return line

    return run


def test_a_wrong_setting(start: Start) -> None:
    assert start(max_images="many").startswith("Error: ENDOTWIN_MAX_IMAGES: ")


def test_a_setting_that_does_not_exist(start: Start) -> None:
    wanted = "Error: unknown setting ENDOTWIN_MAX_IMAGE; did you mean ENDOTWIN_MAX_IMAGES? There are "
    assert start(max_image="1").startswith(wanted)


def test_a_file_of_keys_that_is_not_there(start: Start, tmp_path: Path) -> None:
    assert str(tmp_path / "keys") in start(keys_file=str(tmp_path / "keys"))


def test_a_port_in_use(start: Start) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port()))
        other.listen()
        port = other.getsockname()[1]
        line = start(port)
    assert line == f"Error: cannot listen on port {port} of 127.0.0.1: Address already in use"


def test_jobs_on_a_full_disk(start: Start, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "100k") as disk:
        line = start(jobs_store=str(disk / "jobs.sqlite"))
    assert line == (
        f"Error: {disk} cannot be written to: No space left on device; make room, or set "
        "ENDOTWIN_JOBS_STORE to another place"
    )


def test_jobs_in_a_folder_that_is_not_there(start: Start, tmp_path: Path) -> None:
    assert "there is no folder" in start(jobs_store=str(tmp_path / "no" / "jobs.sqlite"))


def test_too_few_descriptors(start: Start) -> None:
    line = start(descriptors=32)
    assert line.startswith("Error: only 32 files and connections may be open at once")
