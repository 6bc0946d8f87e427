"""What tests share: tiny checkpoints, running services, an S3 server, and real images where they exist."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from browsers import BROWSERS, browser_path, running_browser
from hypothesis import settings
from live_server import MAX_STREAMS, LiveServer
from set_tools import without_aws_configuration
from swift_server import ACCESS_KEY, SECRET_KEY, Swift, missing, running_swift
from tiny_checkpoints import TINY_LABELLED, make_card, save_tiny

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Threads of several workers would wait for each other. Processes that tests start inherit the variable.
os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

settings.register_profile("quick", deadline=None, derandomize=True, max_examples=25)
settings.register_profile("thorough", deadline=None, max_examples=300)
settings.load_profile("quick")

GROUPS = {
    "swift_server": "swift",
    "cluster": "ray",
    "browser": "browser",
    "server": "server",
    "restarted": "server",
}
"""Fixtures that start servers, and the group of tests that share one."""


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the marks in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share a server in one worker, and else the tests of a module."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        shared = next((group for fixture, group in GROUPS.items() if fixture in names), None)
        item.add_marker(pytest.mark.xdist_group(shared or item.nodeid.partition("::")[0]))


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a tiny checkpoint named `tiny`, alone in its folder."""
    return save_tiny(tmp_path_factory.mktemp("checkpoints"), make_card())


@pytest.fixture(scope="session")
def labelled_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a tiny checkpoint with labels, `tiny-labelled`; `tiny` is in the same folder."""
    folder = tmp_path_factory.mktemp("labelled")
    save_tiny(folder, make_card())
    return save_tiny(folder, make_card("tiny-labelled", 150.0, architecture=TINY_LABELLED))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of real images (ENDOTWIN_DATA, default ../shared/data), or skip the test."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("ENDOTWIN_DATA", default))
    if not (folder / "gavet" / "images").is_dir():
        pytest.skip(f"no real images in {folder} (set ENDOTWIN_DATA)")
    return folder


@pytest.fixture(scope="session")
def server(labelled_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Yield a running service of `tiny`, its default, and `tiny-labelled`.

    It has `MAX_STREAMS` places for streams, and none that are kept free for small requests.
    """
    live = LiveServer(
        tmp_path_factory.mktemp("home"),
        checkpoint_dir=str(labelled_checkpoint.parent),
        default_model="tiny",
        max_streams=str(MAX_STREAMS),
        small_streams="0",
        max_images="5000",
    )
    yield live
    live.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield a browser, or skip the test."""
    found = browser_path()
    if found is None:
        pytest.skip(f"no browser here ({', '.join(BROWSERS)})")
    with running_browser(found) as started:
        yield started


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
