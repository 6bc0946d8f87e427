"""Labels and conditions as a Python caller gives them: `labels=["borders"], density=(1500, 2500)`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np

ConditionValue = float | tuple[float, float] | str
"""A number, the ends of a range to draw from, or either as text: 2000, (1500, 2500), "1500:2500"."""

LabelNames = str | Iterable[str]
"""Names of labels, in any order: `["borders", "instances"]`, or one text, joined by commas."""


class ConditionArguments(TypedDict, total=False):
    """What every image is to meet; docs/data-user.md says what each means and which values it takes.

    `size` is (WIDTH, HEIGHT) or a text such as "640x480".
    """

    density: ConditionValue
    cv: ConditionValue
    hexagonality: ConditionValue
    guttae: ConditionValue
    age: ConditionValue
    clarity: ConditionValue
    pixel_size: float | str
    appearance: int | str
    expert_hand: bool
    size: tuple[int, int] | str


def labels_as_text(labels: LabelNames) -> str | None:
    """Return labels joined by commas, as a query has them; None if there are none."""
    return (labels if isinstance(labels, str) else ",".join(labels)) or None


def conditions_as_text(conditions: Mapping[str, object]) -> dict[str, str]:
    """Return conditions as texts, as a query has them. None counts as not given.

    Raises:
        TypeError: there is no condition of a name, or a value is neither a number, a pair nor a text.
    """
    for name in conditions:
        if name not in ConditionArguments.__annotations__:
            known = ", ".join(ConditionArguments.__annotations__)
            raise TypeError(f"there is no argument {name!r}; conditions are {known}")
    return {name: _as_text(name, value) for name, value in conditions.items() if value is not None}


def _as_text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if name == "expert_hand" and isinstance(value, bool):
        return "true" if value else "false"
    if name == "size":
        sides: Sequence[Any] = value if isinstance(value, tuple | list) else ()
        if len(sides) == 2 and all(isinstance(side, int | np.integer) for side in sides):
            return "x".join(map(str, sides))
        raise TypeError(f"size must be a pair (WIDTH, HEIGHT) or a text such as '640x480', got {value!r}")
    ends: Sequence[Any] = value if isinstance(value, tuple | list) and len(value) == 2 else (value,)
    if all(isinstance(end, int | float | np.number) and not isinstance(end, bool) for end in ends):
        return ":".join(np.format_float_positional(end, trim="-") for end in ends)
    raise TypeError(f"{name} must be a number, a pair (LOW, HIGH) or a text, got {value!r}")
