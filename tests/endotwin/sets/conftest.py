from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from etils import epath
from mlcroissant._src.operation_graph.operations import extract
from set_tools import Open, Workshop, clear_environment, digests, never, sleep_briefly
from swift_server import Swift

from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.sampler import sampler_in
from endotwin.sets.storage.bucket import BucketDestination
from endotwin.sets.storage.folder import FolderDestination
from endotwin.sets.storage.open_destination import open_destination
from endotwin.sets.storage.place import parse_place
from endotwin.settings import Settings

_numbers = itertools.count()


@pytest.fixture(scope="session")
def thread() -> Iterator[Executor]:
    """Yield the one thread that works with checkpoints."""
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture(scope="session")
def workshop(tiny_checkpoint: Path, thread: Executor) -> Workshop:
    checkpoint = load_checkpoint(tiny_checkpoint)
    return Workshop(checkpoint, sampler_in(thread, checkpoint, torch.device("cpu")))


@pytest.fixture(scope="session")
def labelled_workshop(labelled_checkpoint: Path, thread: Executor) -> Workshop:
    checkpoint = load_checkpoint(labelled_checkpoint)
    return Workshop(checkpoint, sampler_in(thread, checkpoint, torch.device("cpu")))


@pytest.fixture(scope="session")
def undisturbed(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the digests of the set of 100 images, made in a folder without any failure."""
    folder = FolderDestination(tmp_path_factory.mktemp("undisturbed"))
    workshop.finished(workshop.spec(), folder)
    return digests(folder)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings and the AWS configuration of the user out of the tests."""
    clear_environment(monkeypatch)


@pytest.fixture
def empty_croissant_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give mlcroissant a cache of the test's own: it takes shards of one relative name for the same."""
    monkeypatch.setattr(extract, "EXTRACT_PATH", epath.Path(tmp_path / "croissant"))


@pytest.fixture
def bucket(swift_server: Swift) -> str:
    """Make an empty bucket."""
    name = f"data-{next(_numbers)}"
    swift_server.client().create_bucket(Bucket=name)
    return name


@pytest.fixture
def open_place(aws: dict[str, str]) -> Open:
    """Return a function that opens a place, with settings for storage and short pauses before retries."""

    def open_it(
        place: str, sleep: Callable[[float], None] = sleep_briefly, **settings: object
    ) -> BucketDestination:
        chosen = Settings(**{f"storage_{name}": value for name, value in settings.items()})
        destination = open_destination(
            parse_place(place), chosen, stop_if_asked=never, note=print, sleep=sleep
        )
        assert isinstance(destination, BucketDestination)
        return destination

    return open_it
