"""What a request asks of a labelled model: labels, and conditions that every image meets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from endotwin.field_size import STANDARD, FieldSize
from endotwin.quoting import shorten

if TYPE_CHECKING:  # it takes pydantic, and the command line does without until it generates
    from endotwin.mosaic.parameters import Conditions, Range

LABELS: dict[str, str] = {
    "borders": "one pixel wide, 255 on black",
    "soft": "255 on a border, fading out within a few pixels",
    "instances": "the number of a cell at each of its pixels, 16 bit, 0 on borders",
    "guttae": "255 under a gutta, else 0",
    "visible": "255 where an expert could have drawn the border in the image, else 0",
    "cells": "the table of cells, in the JSON record",
    "parameters": "of the image, as asked for and as measured, in the JSON record",
}
"""Every label, in the order in which they are listed and written, and what it is."""

IMAGE_LABELS = ("borders", "soft", "instances", "guttae", "visible")
"""Labels that are images, of the size of the image they label; a `Label` has them under the same names."""


IGNORED = 255
"""The class of a pixel where no border could have been drawn, for losses that leave a class out."""


class LabellingError(ValueError):
    """Labels or conditions that cannot be had; the message says what is allowed.

    Attributes:
        field: the parameter at fault.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Labelling:
    """What comes with the images of a set.

    Attributes:
        labels: names from `LABELS`, in their order.
        conditions: what every image meets; None if nothing was asked.
    """

    labels: tuple[str, ...] = ()
    conditions: Conditions | None = None

    def __bool__(self) -> bool:
        """Return whether a labelled model is needed."""
        return bool(self.labels) or self.conditions is not None

    @property
    def image_labels(self) -> tuple[str, ...]:
        """Those of the labels that are images."""
        return tuple(name for name in self.labels if name in IMAGE_LABELS)

    @property
    def given(self) -> Mapping[str, str]:
        """The conditions that were given, in the one way of writing them: `{"density": "1500:2500"}`."""
        if self.conditions is None:
            return {}
        return {name: write_condition(value) for name, value in self.conditions.given.items()}

    @property
    def appearance(self) -> int:
        """Which of the looks of a mosaic the images have."""
        return 0 if self.conditions is None else self.conditions.appearance

    @property
    def query(self) -> str:
        """The conditions that were given, as in a query: `density=1500:2500&hexagonality=0.6`."""
        return "&".join(f"{name}={value}" for name, value in self.given.items())

    @property
    def size(self) -> FieldSize:
        """The size of the images."""
        return STANDARD if self.conditions is None else self.conditions.size

    @property
    def field(self) -> str:
        """A parameter that needs a labelled model, for an error to name."""
        return "labels" if self.labels else next(iter(self.given))


PLAIN = Labelling()
"""Images and nothing else, as every model has them."""


def parse_labels(text: str, allowed: Iterable[str] = tuple(LABELS)) -> tuple[str, ...]:
    """Read a list such as `borders,instances`.

    Args:
        text: names joined by commas.
        allowed: names that it may have.

    Returns:
        The names, in the order of `LABELS`.

    Raises:
        LabellingError: a name is unknown, missing or given twice.
    """
    names, known = text.split(","), list(allowed)
    if not set(names) <= set(known) or len(set(names)) < len(names):
        raise LabellingError(
            "labels", f"labels must be one or more of {', '.join(known)}, each once, got {shorten(text)}"
        )
    return tuple(name for name in LABELS if name in names)


def training_classes(borders: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Return what a segmenter is to learn: 1 on a border, 0 in a cell, `IGNORED` where neither is visible.

    Args:
        borders: of a label, any shape.
        visible: of the same label.

    Returns:
        uint8 of their shape.
    """
    classes = np.where(visible > 0, borders > 0, IGNORED)
    return classes.astype(np.uint8)


def write_condition(value: Range | FieldSize | float) -> str:
    """Write a condition as it is given, without exponent and without superfluous digits."""
    if value is True:
        return "true"
    return np.format_float_positional(value, trim="-") if isinstance(value, int | float) else str(value)
