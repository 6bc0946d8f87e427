"""What the tests of sets share: small sets, places to put them, and looks at what is there."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest
from live_server import ROOT, environment, wait_for

from endotwin.generator.batch import BatchMaker
from endotwin.generator.card import Card
from endotwin.generator.checkpoint import Checkpoint
from endotwin.sets.make import SetResult, make_set
from endotwin.sets.manifest import Manifest
from endotwin.sets.plan import Shard
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.bucket import BucketDestination
from endotwin.sets.storage.destination import Destination
from endotwin.sets.storage.record import ShardRecord

Open = Callable[..., BucketDestination]
"""Opens a place in a bucket, with changed settings if need be."""


@dataclass
class Counting:
    """Counts the progress of a set."""

    images: int = 0
    there: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)

    def found(self, shard: Shard) -> None:
        self.there.append(shard.key)

    def generated(self, images: int) -> None:
        self.images += images

    def made(self, shard: Shard, _: ShardRecord) -> None:
        self.new.append(shard.key)


class Mortal(Protocol):
    """A server that can be killed and started again."""

    def start(self) -> None: ...

    def kill(self) -> None: ...


class Killing(Counting):
    """Kills a server at the second new shard and starts it again some seconds later."""

    def __init__(self, server: Mortal, seconds: float) -> None:
        super().__init__()
        self._server = server
        self.restart = threading.Timer(seconds, server.start)

    def made(self, shard: Shard, record: ShardRecord) -> None:
        super().made(shard, record)
        if len(self.new) == 2:
            self._server.kill()
            self.restart.start()


def never() -> None:
    """Never ask to stop."""


def sleep_briefly(seconds: float) -> None:
    """Sleep for a part of the time, so that tests do not wait for retries."""
    time.sleep(seconds / 20)


@dataclass
class Workshop:
    """The tiny checkpoint, ready to make sets."""

    checkpoint: Checkpoint
    maker: BatchMaker

    @property
    def card(self) -> Card:
        return self.checkpoint.card

    def spec(self, **fields: object) -> SetSpec:
        """Return a spec: 100 images in shards of 24 unless given otherwise, so the last has 4."""
        usual = {"name": "test", "n": 100, "seed": 7, "shard_size": 24}
        own = {"model": self.card.name, "generator_sha256": self.checkpoint.generator_sha256}
        return SetSpec(**{**usual, **own, **fields})

    def make(self, spec: SetSpec, destination: Destination, **options: object) -> SetResult:
        arguments = {"progress": Counting(), "stop_if_asked": never, **options}
        return make_set(spec, self.card, destination, lambda: self.maker, **arguments)

    def finished(self, spec: SetSpec, destination: Destination, **options: object) -> Manifest:
        manifest = self.make(spec, destination, **options).manifest
        assert manifest is not None
        return manifest


def digests(destination: Destination) -> dict[str, str]:
    """Return the sha256 of everything that is at a place, by key."""
    return {
        key: hashlib.sha256(b"".join(destination.read(key))).hexdigest()
        for key in sorted(destination.list_keys(""))
    }


def start_command(
    checkpoint: Path, home: Path, *arguments: object, **variables: str
) -> subprocess.Popen[str]:
    """Start `endotwin set` in a process of its own, with the tiny checkpoint as the model."""
    command = [sys.executable, "-m", "endotwin.cli.main", "set", *map(str, arguments)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**environment(home, checkpoint_dir=str(checkpoint.parent)), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def kill_again_and_again(
    kills: int, place: Destination, start: Callable[[], subprocess.Popen[str]]
) -> None:
    """Start the command and kill it at a random moment after its next shard, several times."""
    chance = random.Random()

    def shards() -> int:
        return len(list(place.list_keys("train/")))

    for _ in range(kills):
        before = shards()
        process = start()
        try:
            wait_for(
                lambda process=process, before=before: process.poll() is not None or shards() > before,
                "another shard",
            )
            time.sleep(chance.random())
        finally:
            process.kill()
            process.wait()
        assert process.returncode == -signal.SIGKILL, process.stdout and process.stdout.read()


def make_at_once(workshop: Workshop, open_it: Callable[[], Destination]) -> list[Counting]:
    """Make the usual set in two threads with a destination each; only the storage is common to them."""
    runs, failures = [Counting(), Counting()], []
    meeting = threading.Barrier(2)

    def work(progress: Counting) -> None:
        place = open_it()
        meeting.wait()
        try:
            workshop.make(workshop.spec(), place, progress=progress)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(progress,)) for progress in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    return runs


def clear_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings and the AWS configuration of the user out of the tests."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "ENDOTWIN_"))]:
        monkeypatch.delenv(name)
    for name, value in without_aws_configuration().items():
        monkeypatch.setenv(name, value)


def without_aws_configuration() -> dict[str, str]:
    """Return variables that keep boto3 from finding anything but what a test gives it."""
    return {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": "us-east-1",
    }


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a disk of a size such as `700k`; skip the test where that is not possible."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a small disk here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
