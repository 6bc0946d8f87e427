"""Many streams for a long time: what memory the service holds, and whether all get the same share.

Run it as `python -m benchmarks.many_streams`; README.md in this folder says what it measures.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import mean
from typing import Annotated

import psutil
import typer

from benchmarks.borrowed import untrained_checkpoint
from benchmarks.server import Server, running_server
from endotwin.settings import variable

_READ_BYTES = 1 << 18
_ENDLESS = 10**9
"""Images of a stream that nobody sees the end of."""

_SAMPLE_SECONDS = 1.0
_SHARES = 10
"""Parts of the time; memory in the second is compared with that in the last."""


class Reader(threading.Thread):
    """A client that reads one endless stream as fast as it comes.

    Attributes:
        received: bytes so far.
        error: why it ended, if it did.
    """

    def __init__(self, port: int, seed: int, kind: str) -> None:
        super().__init__(daemon=True)
        self.received = 0
        self.error: str | None = None
        self._leaving = False
        self._connection = HTTPConnection("127.0.0.1", port)
        self._target = f"/generate?n={_ENDLESS}&seed={seed}&format={kind}"

    def run(self) -> None:
        """Read until the connection is closed, or the client leaves."""
        buffer = bytearray(_READ_BYTES)
        with closing(self._connection):
            self._read(buffer)

    def leave(self) -> None:
        """Close the connection after what is being read: `close` here would wait for a lock."""
        self._leaving = True

    def _read(self, buffer: bytearray) -> None:
        try:
            self._connection.request("POST", self._target)
            response = self._connection.getresponse()
            if response.status != 200:
                self.error = f"{response.status}: {response.read().decode(errors='replace')}"
                return
            while count := response.readinto(buffer):
                self.received += count
                if self._leaving:
                    return
            self.error = "the stream ended"
        except (OSError, HTTPException) as error:
            self.error = f"{type(error).__name__}: {error}"


def main(
    *,
    streams: Annotated[int, typer.Option(min=1, max=1024, help="Streams at the same time.")] = 64,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long they are read.")] = 10.0,
    kind: Annotated[str, typer.Option("--format", help="npy or tar.")] = "npy",
    untrained: Annotated[
        bool, typer.Option("--untrained", help="The tests' tiny network: more batches in the time.")
    ] = False,
    output: Annotated[Path, typer.Option(help="Folder for the report and the server's log.")] = Path(
        "out/benchmarks"
    ),
) -> None:
    """Read streams for some minutes; report the memory of the service and the shares of the clients."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    output.mkdir(parents=True, exist_ok=True)
    settings = {
        variable("max_streams"): str(streams),
        variable("max_streams_per_caller"): str(streams),
        variable("max_connections"): str(streams + 100),
        variable("max_images"): str(_ENDLESS),
    }
    if untrained:
        settings[variable("checkpoint_dir")] = str(untrained_checkpoint(output / "untrained").parent)
    with running_server(settings, output / "many_streams.log") as server:
        report = measure(server, streams, minutes * 60, kind)
    (output / "many_streams.json").write_text(json.dumps(report, indent=2) + "\n")
    typer.echo(json.dumps({name: value for name, value in report.items() if name != "bytes"}, indent=2))


def measure(server: Server, streams: int, seconds: float, kind: str) -> dict[str, object]:
    """Read the streams.

    The shares are what the clients get from the moment on at which each has something.

    Raises:
        SystemExit: a stream ended.
    """
    process = psutil.Process(server.pid)
    readers = [Reader(server.port, seed, kind) for seed in range(streams)]
    with ExitStack() as stack:
        for reader in readers:
            stack.callback(reader.leave)
            reader.start()
        while not all(reader.received for reader in readers):
            _check(readers)
            time.sleep(0.1)
        before = [reader.received for reader in readers]
        memory: list[float] = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            memory.append(process.memory_info().rss / 2**20)
            _check(readers)
            time.sleep(_SAMPLE_SECONDS)
        got = [reader.received - start for reader, start in zip(readers, before, strict=True)]
    part = max(1, len(memory) // _SHARES)
    early, late = mean(memory[part : 2 * part]), mean(memory[-part:])
    return {
        "streams": streams,
        "seconds": seconds,
        "format": kind,
        "megabytes_per_second": round(sum(got) / seconds / 1e6, 2),
        "memory_early_mib": round(early, 1),
        "memory_late_mib": round(late, 1),
        "memory_ratio": round(late / early, 4),
        "least_to_most": round(min(got) / max(got), 4),
        "bytes": got,
    }


def _check(readers: list[Reader]) -> None:
    for reader in readers:
        if reader.error is not None:
            sys.exit(f"a stream ended: {reader.error}")


if __name__ == "__main__":
    typer.run(main)
