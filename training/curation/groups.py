"""Which images may be of one patient: each such group gets a folder, which `train` keeps whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from endotwin.image_reading import DataError


@dataclass(frozen=True)
class Together:
    """What images of one patient have in common.

    Attributes:
        numbers: so many consecutive numbers in the names of files; None: the subfolder.
    """

    numbers: int | None = None

    @classmethod
    def parse(cls, text: str) -> Together:
        """Read `folder`, or a number.

        Raises:
            DataError: it is neither.
        """
        if text == "folder":
            return cls()
        if re.fullmatch(r"[1-9][0-9]{0,5}", text):
            return cls(int(text))
        raise DataError(
            f"images can be kept together by folder, or by so many numbers, such as 25; got {text!r}"
        )

    def key(self, path: Path) -> tuple[int, str]:
        """Return what a file has in common with others.

        Args:
            path: of the file, below the raw folder.

        Raises:
            DataError: its name holds no number, and numbers are asked for.
        """
        if self.numbers is None:
            return 0, path.parent.as_posix()
        found = re.findall(r"[0-9]+", path.stem)
        if not found:
            raise DataError(
                f"a file name without a number cannot be kept together by numbers ({path.suffix})"
            )
        return int(found[-1]) // self.numbers, ""


def group_folders(paths: Mapping[str, Path], together: Together | None) -> dict[str, Path]:
    """Return the folder of each image within the folder of kept images.

    Groups are numbered in their order: a folder's name says nothing of the names of files.

    Args:
        paths: of the files below the raw folder, by digest.
        together: which are of one group; None: there are no groups, and the folder is the same for all.

    Raises:
        DataError: see `Together.key`.
    """
    if together is None:
        return dict.fromkeys(paths, Path())
    keys = {digest: together.key(path) for digest, path in paths.items()}
    number = {key: k for k, key in enumerate(sorted(set(keys.values())), 1)}
    return {digest: Path(f"group-{number[key]:04d}") for digest, key in keys.items()}
