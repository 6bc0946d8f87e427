"""`blind-test serve` in a process of its own, which can be killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Server:
    """A running server and the address of its page."""

    process: subprocess.Popen[str]
    address: str

    def kill(self) -> None:
        """End it as a loss of power would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Serve a blind test on a free port of the loopback until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "training", "blind-test", "serve", folder, "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()  # ends also if the process does
        address = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert address is not None, f"no address in {line!r}"
        yield Server(process, address[0])
    finally:
        process.kill()
        process.wait()
