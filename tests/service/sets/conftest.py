from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from etils import epath
from mlcroissant._src.operation_graph.operations import extract
from set_tools import Open, Workshop, never, without_aws_configuration
from swift_server import ACCESS_KEY, SECRET_KEY, Swift, missing, running_swift

from service.sets.bucket import BucketDestination
from service.sets.open_destination import open_destination
from service.sets.place import parse_place
from service.sets.source import load_generator
from service.settings import Settings
from training.checkpoint import load_checkpoint

_numbers = itertools.count()


@pytest.fixture(scope="session")
def workshop(tiny_checkpoint: Path) -> Workshop:
    checkpoint = load_checkpoint(tiny_checkpoint)
    return Workshop(checkpoint, load_generator(checkpoint, Settings(device="cpu")))


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings and the AWS configuration of whoever runs the tests out of them."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "ENDOTWIN_"))]:
        monkeypatch.delenv(name)
    for name, value in without_aws_configuration().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def empty_croissant_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give mlcroissant a cache of the test's own: it takes shards of one relative name for the same."""
    monkeypatch.setattr(extract, "EXTRACT_PATH", epath.Path(tmp_path / "croissant"))


@pytest.fixture(scope="session")
def swift_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    absent = missing()
    if absent is not None:
        pytest.skip(f"no S3 server to test against: {absent}")
    with running_swift(tmp_path_factory.mktemp("swift")) as server:
        yield server


@pytest.fixture
def aws(swift_server: Swift, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set the variables that lead to Swift, for this process, and return them for others."""
    variables = {
        "AWS_ENDPOINT_URL": swift_server.endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return {**variables, **without_aws_configuration()}


@pytest.fixture
def bucket(swift_server: Swift) -> str:
    """Make an empty bucket."""
    name = f"data-{next(_numbers)}"
    swift_server.client().create_bucket(Bucket=name)
    return name


@pytest.fixture
def open_place(aws: dict[str, str]) -> Open:
    """Return a function that opens a place, with settings for storage."""

    def open_it(place: str, **settings: object) -> BucketDestination:
        chosen = Settings(**{f"storage_{name}": value for name, value in settings.items()})
        destination = open_destination(parse_place(place), chosen, stop_if_asked=never, note=print)
        assert isinstance(destination, BucketDestination)
        return destination

    return open_it
