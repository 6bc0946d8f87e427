"""Files and folders appear whole or not at all, whoever else writes in their place."""

from __future__ import annotations

import errno
import os
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from failing_system import no_file_larger_than

from endotwin.files import DiskFullError, OutputError, new_file, new_folder, remove_unfinished, whole_file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def mask(bits: int) -> Iterator[None]:
    before = os.umask(bits)
    try:
        yield
    finally:
        os.umask(before)


def test_two_writers_of_one_path_leave_a_whole_file(tmp_path: Path) -> None:
    """Both have the process number of this process, as two containers on one volume can."""
    path = tmp_path / "state"
    with whole_file(path) as one:
        one.write(b"one " * 1000)
        with whole_file(path) as other:
            other.write(b"other " * 1000)
        assert path.read_bytes() == b"other " * 1000
    assert path.read_bytes() == b"one " * 1000
    assert names(tmp_path) == ["state"]


def test_two_writers_of_one_folder_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "a"

    def interleave() -> None:
        with new_folder(path) as one, new_folder(path) as other:
            (one / "1").write_text("one")
            (other / "2").write_text("other")

    with pytest.raises(OutputError, match="not empty and is never replaced"):
        interleave()
    assert names(tmp_path) == ["a"]
    assert names(path) == ["2"]


def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    def fail() -> None:
        with whole_file(tmp_path / "file") as file, new_folder(tmp_path / "folder") as folder:
            file.write(b"half")
            (folder / "half").write_text("half")
            raise KeyboardInterrupt

    (tmp_path / "file").write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (tmp_path / "file").read_bytes() == b"before"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("bits", [0o022, 0o027])
def test_the_mode_is_the_one_of_a_plain_file(bits: int, tmp_path: Path) -> None:
    with mask(bits):
        (tmp_path / "plain").touch()
        with whole_file(tmp_path / "whole"):
            pass
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_what_killed_writers_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    for path in (
        tmp_path / ".state.pt.12.tmp",
        tmp_path / "samples" / ".1.png.0f0f.tmp",
        tmp_path / "kept.tmp",
    ):
        path.write_bytes(b"half")
    (tmp_path / ".set.0f0f.tmp").mkdir()
    (tmp_path / ".set.0f0f.tmp" / "half").write_bytes(b"half")
    remove_unfinished(tmp_path)
    assert names(tmp_path) == ["kept.tmp", "samples"]
    assert names(tmp_path / "samples") == []


def test_a_full_disk_is_named_with_what_is_free(tmp_path: Path) -> None:
    def fill_file() -> None:
        with whole_file(tmp_path / "file") as file:
            file.write(bytes(3_000_000))

    def fill_folder() -> None:
        with new_folder(tmp_path / "folder") as folder:
            (folder / "a").write_bytes(bytes(1_000_000))
            (folder / "b").write_bytes(bytes(3_000_000))

    (tmp_path / "file").write_bytes(b"before")
    for fill, path, needed in ((fill_file, "file", "2.0"), (fill_folder, "folder", "3.0")):
        with no_file_larger_than(2_000_000), pytest.raises(DiskFullError) as full:
            fill()
        assert full.value.errno == errno.EFBIG
        assert re.fullmatch(
            rf"{tmp_path / path}: File too large: \d+\.\d MB are free there, "
            rf"and it needs more than {needed} MB",
            str(full.value),
        )
        assert str(pickle.loads(pickle.dumps(full.value))) == str(full.value)
    assert (tmp_path / "file").read_bytes() == b"before"
    assert names(tmp_path) == ["file"]


def test_an_error_of_something_else_is_not_called_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), new_file(tmp_path / "file", replace=False):
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")


@pytest.mark.parametrize("content", ["file", "link", "full", "working"])
def test_a_new_folder_takes_no_place_that_is_in_use(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "place"
    if content == "file":
        path.write_text("mine")
    elif content == "link":
        (tmp_path / "target").write_text("mine")
        path.symlink_to(tmp_path / "target")
    else:
        path.mkdir()
    if content == "full":
        (path / "thesis.tex").write_text("mine")
    if content == "working":
        monkeypatch.chdir(path)
    before = names(tmp_path)
    with pytest.raises(OutputError), new_folder(path):
        pytest.fail("the block ran")
    assert names(tmp_path) == before
