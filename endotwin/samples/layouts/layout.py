"""What all layouts have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from endotwin.samples.labelling import LABELS, LabellingError
from endotwin.samples.layouts.labelled_sample import LayoutSample, LayoutSet


class Layout(ABC):
    """One folder in the making: samples go in batch by batch, in index order. Not thread-safe.

    The folder is complete after `finish()`; `layouts.writing` makes it appear whole or not at all.

    Attributes:
        name: what a caller asks for.
        usual: the labels that it holds where a caller names none.
        holds: the labels that it has a place for.
    """

    name: ClassVar[str]
    usual: ClassVar[tuple[str, ...]]
    holds: ClassVar[frozenset[str]]

    @classmethod
    def choose_labels(cls, asked: Sequence[str]) -> tuple[str, ...]:
        """Return the labels that the folder holds.

        Args:
            asked: names from `LABELS`, or none for the usual ones. Borders are always
                there.

        Raises:
            LabellingError: the layout has no place for one of them.
        """
        if not asked:
            return cls.usual
        missing = [name for name in asked if name not in cls.holds]
        if missing:
            able = ", ".join(name for name in LABELS if name in cls.holds)
            raise LabellingError(
                "layout", f"layout {cls.name} has no place for {', '.join(missing)}, only for {able}"
            )
        return tuple(name for name in LABELS if name == "borders" or name in asked)

    @classmethod  # noqa: B027 (most layouts can be anywhere)
    def check_path(cls, path: Path) -> None:
        """Check that the software which the layout is for would find a folder at `path`.

        Raises:
            OutputError: it would not.
        """

    def __init__(self, folder: Path, wanted: LayoutSet) -> None:
        """Begin a set in an empty folder."""
        self._folder = folder
        self._set = wanted

    @abstractmethod
    def add(self, samples: Sequence[LayoutSample]) -> None:
        """Write the next samples."""

    @abstractmethod
    def finish(self) -> None:
        """Write what follows the last sample."""
