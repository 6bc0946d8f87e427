"""Images that may be of one patient come into one folder, whose name tells nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from endotwin.image_reading import DataError
from training.curation.groups import Together, group_folders

PATHS = {
    "a": Path("ward/smith/1099.png"),
    "b": Path("ward/smith/1100.png"),
    "c": Path("ward/jones/1101.png"),
    "d": Path("1124.png"),
}


def test_by_folder() -> None:
    folders = group_folders(PATHS, Together.parse("folder"))
    assert folders["a"] == folders["b"]
    assert len(set(folders.values())) == 3
    assert {folder.name for folder in folders.values()} == {"group-0001", "group-0002", "group-0003"}


def test_by_consecutive_numbers() -> None:
    folders = group_folders(PATHS, Together.parse("25"))
    assert folders == {
        "a": Path("group-0001"),
        "b": Path("group-0002"),
        "c": Path("group-0002"),
        "d": Path("group-0002"),
    }


def test_without_groups_there_is_one_folder() -> None:
    assert set(group_folders(PATHS, None).values()) == {Path()}


@pytest.mark.parametrize("text", ["", "0", "-3", "2.5", "patient", "1000000"])
def test_what_is_neither_folder_nor_number_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="by folder, or by so many numbers"):
        Together.parse(text)


def test_a_name_without_a_number_is_refused_and_not_told() -> None:
    with pytest.raises(DataError, match="without a number") as error:
        group_folders({"a": Path("smith.png")}, Together(25))
    assert "smith" not in str(error.value)
