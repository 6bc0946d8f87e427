"""The query of POST /generate, read strictly: what is not understood is refused, never guessed."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from endotwin.image_range import MAX_INDEX, MAX_SEED, ImageRange, ImageRangeError
from endotwin.quoting import shorten
from endotwin.samples.conditions import CONDITIONS, describe_condition, parse_labelling
from endotwin.samples.formats import FORMATS, check_format
from endotwin.samples.labelling import LABELS, Labelling, LabellingError
from endotwin.samples.zip import MAX_STREAMED_FILES, max_streamed_images
from service.error_codes import ErrorCode
from service.errors import ApiError, invalid_parameter
from service.models import Model, Models

_DEFAULT_FORMAT = next(iter(FORMATS))

DESCRIPTIONS: dict[str, str] = {
    "n": "number of images; fewer for a zip with labels, and for larger images, by their pixels",
    "seed": "seed of the images (default: random, see X-Endotwin-Seed)",
    "start": f"index of the first image; start + n - 1 is at most {MAX_INDEX}",
    "format": "; ".join(f"{name}: {archive.media_type}" for name, archive in FORMATS.items()),
    "model": "a name from GET /models (default: the operator's; with labels or conditions a labelled one)",
    "labels": f"one or more of {', '.join(LABELS)}, each once, joined by commas (default: none)",
    **CONDITIONS,
}
"""Every parameter, and what it means."""

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

    @property
    def counted(self) -> int:
        """How many images of 128 × 128 have as many pixels: what limits count."""
        return self.labelling.size.count_as(self.images.count)


def parse_query(query: str, models: Models, max_images: int) -> Query:
    """Read a query string such as `n=500&seed=7`.

    Raises:
        ApiError: 400, with the parameter at fault and what is allowed.
    """
    values = _split(query)
    integers = _integers(max_images)
    n, seed, start = (_read_integer(values, name, integers[name]) for name in ("n", "seed", "start"))
    try:
        images = ImageRange(seed, start, n)
    except ImageRangeError as error:
        raise invalid_parameter(
            "start", f"start + n - 1 must be at most {MAX_INDEX}, got {start} + {n} - 1"
        ) from error
    kind = values.get("format", _DEFAULT_FORMAT)
    if kind not in FORMATS:
        raise invalid_parameter(
            "format", f"format must be one of {', '.join(FORMATS)}, got {shorten(kind)}"
        )
    model, labelling = parse_model(models, values.get("model"), kind, values.get("labels"), values)
    size = labelling.size
    if n > (most := size.most(max_images)):
        raise invalid_parameter("n", f"n must be at most {most} with size {size}, got {n}")
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
            model = models.labelled(name, labelling)
    except LabellingError as error:
        raise invalid_parameter(error.field, str(error)) from error
    return model, labelling


def describe_parameters(models: Sequence[str], max_images: int) -> list[dict[str, Any]]:
    """Return the OpenAPI description of the parameters of a service.

    Args:
        models: names of its models.
        max_images: most images of one request.
    """
    labels = "|".join(LABELS)
    schemas: dict[str, dict[str, Any]] = {
        **{name: integer.schema for name, integer in _integers(max_images).items()},
        "format": {"type": "string", "enum": list(FORMATS), "default": _DEFAULT_FORMAT},
        "model": {"type": "string", "enum": list(models)},
        "labels": {"type": "string", "pattern": f"^({labels})(,({labels}))*$"},
        **{name: describe_condition(name) for name in CONDITIONS},
    }
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": text,
            "schema": schemas[name],
        }
        for name, text in DESCRIPTIONS.items()
    ]


@dataclass(frozen=True)
class _Integer:
    """An integer parameter; a default of None stands for 64 random bits."""

    least: int
    most: int
    default: int | None

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema."""
        kind = "int64" if self.most < 2**63 else "uint64"
        schema = {"type": "integer", "format": kind, "minimum": self.least, "maximum": self.most}
        return schema if self.default is None else {**schema, "default": self.default}


def _integers(max_images: int) -> dict[str, _Integer]:
    return {
        "n": _Integer(1, max_images, 1),
        "seed": _Integer(0, MAX_SEED, None),
        "start": _Integer(0, MAX_INDEX, 0),
    }


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


def _read_integer(values: Mapping[str, str], name: str, allowed: _Integer) -> int:
    text = values.get(name)
    if text is None:
        return secrets.randbits(64) if allowed.default is None else allowed.default
    if not _DIGITS.fullmatch(text) or not allowed.least <= int(text) <= allowed.most:
        message = f"{name} must be an integer from {allowed.least} to {allowed.most}, got {shorten(text)}"
        raise invalid_parameter(name, message)
    return int(text)
