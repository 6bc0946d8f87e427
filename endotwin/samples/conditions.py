"""Conditions as text, such as `density=1500:2500`, read strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from endotwin.field_size import SIZE_PATTERN, STANDARD, FieldSize, parse_size
from endotwin.mosaic.parameters import CONDITION_LIMITS, Conditions, Range
from endotwin.quoting import shorten
from endotwin.samples.labelling import Labelling, LabellingError, parse_labels

_PLAIN_NUMBERS = {"pixel_size"}
_WHOLE_NUMBERS = {"appearance"}
SWITCHES = {"expert_hand"}
"""Conditions that are true or false."""

SIZE = "size"
"""The condition that is a width and a height."""

_TRUTH = {"true": True, "false": False}


def _kind(name: str) -> str:
    if name in SWITCHES:
        return "true or false"
    if name in _WHOLE_NUMBERS:
        return "a whole number"
    if name == SIZE:
        return "WIDTHxHEIGHT"
    return "a number" if name in _PLAIN_NUMBERS else "a number or LOW:HIGH"


CONDITIONS: dict[str, str] = {
    name: f"{_kind(name)} ({field.description})" for name, field in Conditions.model_fields.items()
}
"""Every condition: what it may be, and what it means."""

_DECIMAL = r"[0-9]{1,6}(\.[0-9]{1,20})?"  # as many digits as a float is written with
_NUMBER = re.compile(_DECIMAL)
_WHOLE = re.compile(r"[0-9]{1,3}")


def parse_labelling(labels: str | None, values: Mapping[str, str]) -> Labelling:
    """Read what is asked of a labelled model.

    Args:
        labels: names joined by commas, or None.
        values: conditions as text by name; names that are no conditions are passed over.

    Raises:
        LabellingError: a label or condition cannot be read, or no mosaic meets the conditions.
    """
    return Labelling(() if labels is None else parse_labels(labels), parse_conditions(values))


def parse_conditions(values: Mapping[str, str]) -> Conditions | None:
    """Read conditions, each a number or LOW:HIGH.

    Args:
        values: text by name; names that are no conditions are passed over.

    Returns:
        The conditions, or None if there are none.

    Raises:
        LabellingError: one of them cannot be read, or no mosaic meets them.
    """
    given = {name: _read(name, values[name]) for name in CONDITIONS if name in values}
    conditions = Conditions()
    checked: dict[str, Range | FieldSize | float] = {}
    # One more at a time, the pixel size first: the one that makes them impossible is the one at fault.
    for name in sorted(given, key=lambda name: name not in _PLAIN_NUMBERS):
        checked[name] = given[name]
        try:
            conditions = Conditions.model_validate(checked)
        except ValidationError as error:
            raise LabellingError(name, error.errors()[0]["msg"].removeprefix("Value error, ")) from error
    return conditions if conditions.given else None


def describe_condition(name: str, *, in_json: bool = False) -> dict[str, Any]:
    """Return the JSON Schema of a condition, and what it means.

    Args:
        name: a key of `CONDITIONS`.
        in_json: of a value in JSON, where a number may also be a string; else of one in a query.
    """
    if name in SWITCHES:
        truth = {"type": "boolean", "default": False}
        as_text = {"anyOf": [truth, {"type": "string", "enum": list(_TRUTH)}]}
        return {**(as_text if in_json else truth), "description": CONDITIONS[name]}
    if name == SIZE:
        written = {"type": "string", "pattern": f"^{SIZE_PATTERN}$", "default": str(STANDARD)}
        return {**written, "description": CONDITIONS[name]}
    least, most = CONDITION_LIMITS[name]
    if name in _WHOLE_NUMBERS:
        whole = {"type": "integer", "minimum": least, "maximum": most, "default": 0}
        as_text = {"anyOf": [whole, {"type": "string", "pattern": f"^{_WHOLE.pattern}$"}]}
        return {**(as_text if in_json else whole), "description": CONDITIONS[name]}
    number = {"type": "number", "minimum": least, "maximum": most}
    about = {"description": f"{CONDITIONS[name]}; in decimal notation, without an exponent"}
    if name in _PLAIN_NUMBERS:
        text = f"^{_DECIMAL}$"
    else:
        text = f"^{_DECIMAL}(:{_DECIMAL})?$" if in_json else f"^{_DECIMAL}:{_DECIMAL}$"
    if name in _PLAIN_NUMBERS and not in_json:
        return {**number, **about}
    return {"anyOf": [number, {"type": "string", "pattern": text}], **about}


def _read(name: str, text: str) -> Range | FieldSize | float:
    if name in SWITCHES:
        if text not in _TRUTH:
            raise LabellingError(name, f"{name} must be {CONDITIONS[name]}, got {shorten(text)}")
        return _TRUTH[text]
    if name in _WHOLE_NUMBERS:
        if not _WHOLE.fullmatch(text):
            raise LabellingError(name, f"{name} must be {CONDITIONS[name]}, got {shorten(text)}")
        return int(text)
    if name == SIZE:
        try:
            return parse_size(text)
        except ValueError as error:
            raise LabellingError(name, str(error)) from error
    ends = text.split(":")
    if len(ends) > (1 if name in _PLAIN_NUMBERS else 2) or not all(map(_NUMBER.fullmatch, ends)):
        raise LabellingError(name, f"{name} must be {CONDITIONS[name]}, got {shorten(text)}")
    if name in _PLAIN_NUMBERS:
        return float(text)
    return Range(low=float(ends[0]), high=float(ends[-1]))
