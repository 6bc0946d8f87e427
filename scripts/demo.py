"""`make demo`: start the service, request 500 images, leave them and a contact sheet in out/, stop it."""

from __future__ import annotations

import argparse
import hashlib
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from tqdm import tqdm

from endotwin.files import OutputError, new_file, new_folder
from endotwin.samples.sample import require_only_samples
from endotwin.samples.sheet import ContactSheetError, draw_contact_sheet, read_images

SEED = 7
HOST = "127.0.0.1"
READY_SECONDS = 300  # torch alone can take a minute to load from a cold disk
SILENCE_SECONDS = 300
STOP_SECONDS = 30


class DemoError(Exception):
    """What stopped the demo, in words for the person who runs it."""


class Received(NamedTuple):
    """What came over HTTP: the headers, how long it took, and how many of the PNG files differ."""

    headers: http.client.HTTPMessage
    seconds: float
    distinct: int


def main() -> None:
    """Run the demo; exit with 1 and one line if it cannot be done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=500, help="number of images (default 500)")
    parser.add_argument(
        "--out", type=Path, default=Path("out"), help="folder for the results (default out)"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        run(arguments.n, arguments.out)
    except KeyboardInterrupt:
        sys.exit("demo: stopped")
    except (DemoError, ContactSheetError, OutputError, OSError, http.client.HTTPException) as error:
        sys.exit(f"demo: {error}")


def run(count: int, out: Path) -> None:
    """Start the service, fetch `count` images into `out`, and say what came."""
    out.mkdir(parents=True, exist_ok=True)
    log = out / "server.log"
    archive, folder, sheet = out / "images.tar", out / "images", out / "contact-sheet.png"
    print(f"==> Starting the service (its log: {log})", flush=True)
    began = time.monotonic()
    with running_service(log) as port:
        ready = time.monotonic() - began
        print(f"==> Ready after {ready:.1f} s; requesting {count} images with seed {SEED}", flush=True)
        received = fetch(port, count, archive, folder)
        card = get_json(port, f"/models/{received.headers['X-Endotwin-Model']}")["card"]
    print("==> Drawing the contact sheet", flush=True)
    with new_file(sheet, replace=True) as file:
        draw_contact_sheet(read_images(folder, count)).save(file, "PNG")
    if received.distinct != count:
        raise DemoError(f"only {received.distinct} of {count} images differ from each other")

    print(f"\n{count} images, all different:")
    print(f"  {folder}/  one PNG and one JSON record for each")
    print(f"  {archive}  the same as it came, in the WebDataset layout")
    print(f"  {sheet}")
    print(f"{count / received.seconds:.1f} images/s over HTTP, on {received.headers['X-Endotwin-Device']}")
    print(f"model {card['name']}: {describe_fid(card['fid'])}")
    print(f"terms: {card['data']['terms']}")


@contextmanager
def running_service(log: Path) -> Iterator[int]:
    """Run `endotwin serve` on a free port while the block runs; yields the port once it is ready."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "endotwin", "serve", "--host", HOST, "--port", str(port)]
    with log.open("wb") as file:
        # In a session of its own: Ctrl-C is for the demo, which then stops the service in order.
        server = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
    try:
        wait_until_ready(server, port, log)
        yield port
    finally:
        try:
            server.terminate()
            with suppress(subprocess.TimeoutExpired):
                server.wait(STOP_SECONDS)
        finally:
            with suppress(ProcessLookupError):  # nothing is left of it, as it should be
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def wait_until_ready(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until the service has generated its first images.

    Raises:
        DemoError: it ended, or takes too long.
    """
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            lines = log.read_text(errors="replace").splitlines()[-10:]
            raise DemoError("the service ended while it started:\n  " + "\n  ".join(lines))
        connection = http.client.HTTPConnection(HOST, port, timeout=10)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.client.OK:
                return
        except (OSError, http.client.HTTPException):
            pass  # it does not listen yet
        finally:
            connection.close()
        time.sleep(0.2)
    raise DemoError(f"the service is not ready after {READY_SECONDS} s; see {log}")


def fetch(port: int, count: int, archive: Path, folder: Path) -> Received:
    """Stream images into a tar file, and unpack them into a folder as they come.

    Raises:
        DemoError: the service refused, or sent another number of images.
    """
    began = time.monotonic()
    connection = http.client.HTTPConnection(HOST, port, timeout=SILENCE_SECONDS)
    connection.request("POST", f"/generate?n={count}&seed={SEED}&format=tar")
    response = connection.getresponse()
    if response.status != http.client.OK:
        raise DemoError(f"the service answered {response.status}: {response.read().decode()}")
    images = 0
    digests = set()
    with (
        new_folder(folder, partial(require_only_samples, replace=True)) as unpacked,
        new_file(archive, replace=True) as file,
    ):
        copy = _Copy(response, file)
        with (
            tarfile.open(fileobj=copy, mode="r|") as tar,
            tqdm(total=count, unit=" images", disable=None) as progress,
        ):
            for member in tar:
                content = tar.extractfile(member)
                assert content is not None, "the service sends files only"
                data = content.read()
                (unpacked / Path(member.name).name).write_bytes(data)
                if member.name.endswith(".png"):
                    images += 1
                    digests.add(hashlib.sha256(data).digest())
                    progress.update()
        while copy.read(1 << 16):
            pass  # what fills the last record of the tar
        seconds = time.monotonic() - began
        if images != count:
            raise DemoError(f"the service sent {images} images instead of {count}")
    connection.close()
    return Received(response.headers, seconds, len(digests))


def get_json(port: int, path: str) -> Any:
    """Return the JSON document at a path of the service."""
    connection = http.client.HTTPConnection(HOST, port, timeout=SILENCE_SECONDS)
    connection.request("GET", path)
    document = json.load(connection.getresponse())
    connection.close()
    return document


def describe_fid(record: dict[str, Any] | None) -> str:
    """Say a recorded FID with the counts it was measured at, and the floor to read it beside."""
    if record is None:
        return "no recorded FID"
    score, floor = record["generated_training"], record["real_real"]
    counts = (
        f"{score['first_count']:,} {score['first']} against {score['second_count']:,} {score['second']}"
    )
    return f"recorded FID {score['fid']:.2f} ({counts}; real against real: {floor['fid']:.2f})"


class _Copy(io.RawIOBase):
    """A stream that keeps a copy of all that is read from it."""

    def __init__(self, source: http.client.HTTPResponse, target: BinaryIO) -> None:
        super().__init__()
        self._source = source
        self._target = target

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._target.write(data)
        return data


if __name__ == "__main__":
    main()
