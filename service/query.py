"""The query of POST /generate, read strictly: what is not understood is refused, never guessed."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from endotwin.image_range import MAX_INDEX, MAX_SEED, ImageRange, ImageRangeError
from endotwin.quoting import shorten
from endotwin.samples.conditions import CONDITIONS, parse_labelling
from endotwin.samples.formats import FORMATS, check_format
from endotwin.samples.labelling import LABELS, Labelling, LabellingError
from endotwin.samples.zip import MAX_STREAMED_FILES, max_streamed_images
from service.error_codes import ErrorCode
from service.errors import ApiError, invalid_parameter
from service.models import Model, Models

DESCRIPTIONS: dict[str, tuple[str, str]] = {
    "n": ("integer", "number of images, from 1 to the operator's limit (default 1)"),
    "seed": ("integer", f"from 0 to {MAX_SEED} (default: random, see X-Endotwin-Seed)"),
    "start": ("integer", "index of the first image (default 0)"),
    "format": ("string", f"{', '.join(FORMATS)} (default {next(iter(FORMATS))})"),
    "model": (
        "string",
        "a name from GET /models (default: the operator's; with labels or conditions a labelled one)",
    ),
    "labels": ("string", f"one or more of {', '.join(LABELS)}, joined by commas (default: none)"),
    **{name: ("string", text) for name, text in CONDITIONS.items()},
}
"""Every parameter: its JSON type and what it means."""

_DIGITS = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True)
class Query:
    """A request that can be answered.

    Attributes:
        images: which images.
        labelling: what comes with them, and the conditions that they meet.
        model: makes them.
        format: a key of `FORMATS`.
    """

    images: ImageRange
    labelling: Labelling
    model: Model
    format: str


def parse_query(query: str, models: Models, max_images: int) -> Query:
    """Read a query string such as `n=500&seed=7`.

    Raises:
        ApiError: 400, with the parameter at fault and what is allowed.
    """
    values = _split(query)
    n = _integer(values, "n", 1, 1, max_images)
    seed = _integer(values, "seed", None, 0, MAX_SEED)
    start = _integer(values, "start", 0, 0, MAX_INDEX)
    try:
        images = ImageRange(seed, start, n)
    except ImageRangeError as error:
        raise invalid_parameter(
            "start", f"start + n - 1 must be at most {MAX_INDEX}, got {start} + {n} - 1"
        ) from error
    kind = values.get("format", next(iter(FORMATS)))
    if kind not in FORMATS:
        raise invalid_parameter(
            "format", f"format must be one of {', '.join(FORMATS)}, got {shorten(kind)}"
        )
    model, labelling = parse_model(models, values.get("model"), kind, values.get("labels"), values)
    if kind == "zip" and n > (most := max_streamed_images(labelling)):
        why = f"a zip has at most {MAX_STREAMED_FILES} files here; format=tar has no such limit"
        raise invalid_parameter("n", f"n must be at most {most} with these labels, got {n}: {why}")
    return Query(images, labelling, model, kind)


def parse_model(
    models: Models, name: str | None, kind: str, labels: str | None, conditions: Mapping[str, str]
) -> tuple[Model, Labelling]:
    """Choose the model of a request, and read what comes with its images.

    Args:
        models: of the service.
        name: of the model; None for the service's choice.
        kind: a key of `FORMATS`.
        labels: names joined by commas, or None.
        conditions: text by name; names that are no conditions are passed over.

    Raises:
        ApiError: 400, with the parameter at fault and what is allowed.
    """
    model = models.default if name is None else models.get(name)
    if model is None:
        raise invalid_parameter(
            "model", f"model must be one of {', '.join(models.names)}, got {shorten(str(name))}"
        )
    try:
        labelling = parse_labelling(labels, conditions)
        check_format(kind, labelling.labels)
        if labelling:
            model = models.labelled(name, labelling.field)
    except LabellingError as error:
        raise invalid_parameter(error.field, str(error)) from error
    return model, labelling


def describe_parameters() -> list[dict[str, Any]]:
    """Return the OpenAPI description of the parameters."""
    return [
        {"name": name, "in": "query", "required": False, "schema": {"type": kind}, "description": text}
        for name, (kind, text) in DESCRIPTIONS.items()
    ]


def _split(query: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in DESCRIPTIONS:
            allowed = ", ".join(DESCRIPTIONS)
            message = f"there is no parameter {shorten(name)}; allowed are {allowed}"
            raise ApiError(ErrorCode.UNKNOWN_PARAMETER, message, field=name[:60] or None)
        if name in values:
            raise ApiError(ErrorCode.REPEATED_PARAMETER, f"{name} must be given at most once", field=name)
        values[name] = value
    return values


def _integer(values: Mapping[str, str], name: str, default: int | None, least: int, most: int) -> int:
    """Read one integer; a default of None stands for 64 random bits."""
    text = values.get(name)
    if text is None:
        return secrets.randbits(64) if default is None else default
    if not _DIGITS.fullmatch(text) or not least <= int(text) <= most:
        raise invalid_parameter(
            name, f"{name} must be an integer from {least} to {most}, got {shorten(text)}"
        )
    return int(text)
