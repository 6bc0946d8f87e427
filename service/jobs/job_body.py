"""The body of POST /jobs, read strictly: what is not understood is refused, never guessed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from endotwin.image_range import MAX_SEED
from endotwin.quoting import shorten
from endotwin.samples.conditions import CONDITIONS, SWITCHES, describe_condition
from endotwin.samples.labelling import LABELS, Labelling
from endotwin.sets import LARGEST_USUAL_SHARD, USUAL_SHARDS, usual_shard_size
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.place import PLACE_PATTERN, Bucket, PlaceError, check_allowed, parse_place
from endotwin.settings import Settings
from service.error_codes import ErrorCode
from service.errors import ApiError, invalid_parameter
from service.models import Models
from service.query import parse_model

LARGEST_BODY = 64 << 10
"""Bytes: more than any request needs."""

_MOST_DIGITS = len(str(MAX_SEED))
_FORMATS = ("tar", "zip")
KEY_PATTERN = r"[!-~]{1,255}"
"""Regular expression of an Idempotency-Key."""


class JobBody(BaseModel):
    """What a job is to write, and where."""

    model_config = ConfigDict(extra="forbid", strict=True)

    n: int = Field(description="number of images")
    seed: int = Field(description="seed of the images")
    destination: str = Field(description="s3://bucket/prefix, below what the operator allows")
    format: str = Field(default="tar", description=f"format of the shards: {', '.join(_FORMATS)}")
    model: str | None = Field(
        default=None,
        description="a name from GET /models "
        "(default: the operator's; with labels or conditions a labelled one)",
    )
    labels: list[str] = Field(default=[], description=f"any of {', '.join(LABELS)}")
    conditions: dict[str, str | int | float | bool] = Field(
        default={}, description="what every image meets, such as density: '1500:2500' or pixel_size: 0.9"
    )
    shard_size: int | None = Field(
        default=None,
        description="images of every shard but the last (default: as in the set that is there; in a new "
        f"one so many that it has {USUAL_SHARDS} shards or more, at most {LARGEST_USUAL_SHARD})",
    )
    validation_every: int | None = Field(
        default=None,
        description="of so many consecutive indices, the last is a validation image, in shards of their "
        "own (default: none is)",
    )


class Order(NamedTuple):
    """What a job is to do.

    Attributes:
        destination: where the set goes.
        spec: the set.
        any_shard_size: whether its shards may be as large as those of the same set where it is there.
    """

    destination: Bucket
    spec: SetSpec
    any_shard_size: bool


@dataclass(frozen=True)
class JsonObject:
    """A body that is a JSON object: its members, and a digest that is the same however it was written."""

    members: dict[str, Any]
    sha256: str


def describe_body(models: Sequence[str], max_images: int) -> dict[str, Any]:
    """Return the JSON Schema of a body.

    Args:
        models: names of the models of the service.
        max_images: most images of one job.
    """
    schema = JobBody.model_json_schema()
    fields, of_sets = schema["properties"], SetSpec.model_json_schema()["properties"]
    for name in ("n", "seed"):
        limits = {key: of_sets[name][key] for key in ("minimum", "maximum")}
        fields[name] |= {**limits, "format": "int64" if limits["maximum"] < 2**63 else "uint64"}
    fields["n"]["maximum"] = max_images
    for name in ("shard_size", "validation_every"):
        of_set = of_sets[name].get("anyOf", [of_sets[name]])[0]
        limits = {key: of_set[key] for key in ("minimum", "maximum") if key in of_set}
        fields[name]["anyOf"][0] |= {**limits, "format": "int64"}
    fields["destination"]["pattern"] = PLACE_PATTERN
    fields["format"]["enum"] = list(_FORMATS)
    fields["model"]["anyOf"][0]["enum"] = list(models)
    fields["labels"] |= {"items": {"type": "string", "enum": list(LABELS)}, "uniqueItems": True}
    conditions = {name: describe_condition(name, in_json=True) for name in CONDITIONS}
    fields["conditions"] |= {"properties": conditions, "additionalProperties": False}
    return schema


def parse_body(content: bytes) -> JsonObject:
    """Read a JSON object.

    Raises:
        ApiError: 400, it is none, or one that readers might take for different things.
    """
    try:
        members = json.loads(
            content, object_pairs_hook=_members, parse_constant=_refuse_constant, parse_float=_read_number
        )
        written = json.dumps(members, sort_keys=True, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, _RepeatedError) else "the body must be a JSON object in UTF-8"
        raise ApiError(ErrorCode.INVALID_BODY, why) from error
    if not isinstance(members, dict):
        raise ApiError(ErrorCode.INVALID_BODY, "the body must be a JSON object")
    return JsonObject(members, hashlib.sha256(written).hexdigest())


def check_idempotency_key(header: str | None) -> str | None:
    """Check an Idempotency-Key header.

    Raises:
        ApiError: 400, it is no key.
    """
    if header is not None and not re.fullmatch(KEY_PATTERN, header):
        message = "Idempotency-Key must be 1 to 255 printable ASCII characters without spaces"
        raise ApiError(ErrorCode.INVALID_HEADER, message)
    return header


def parse_job(body: JsonObject, models: Models, settings: Settings) -> Order:
    """Return what a request orders; nothing is read or written.

    Raises:
        ApiError: 400 with the field at fault and what is allowed, or 403 for a place that is not allowed.
    """
    wanted = _validate(body)
    destination = _destination(wanted.destination, settings)
    if not 1 <= wanted.n <= settings.jobs_max_images:
        raise invalid_parameter(
            "n", f"n must be an integer from 1 to {settings.jobs_max_images}, got {shorten(str(wanted.n))}"
        )
    if wanted.format not in _FORMATS:
        message = f"format must be one of {', '.join(_FORMATS)}, got {shorten(wanted.format)}"
        raise invalid_parameter("format", message)
    labels = ",".join(wanted.labels) if wanted.labels else None
    model, labelling = parse_model(models, wanted.model, wanted.format, labels, _conditions(wanted))
    if wanted.n > (most := labelling.size.most(settings.jobs_max_images)):
        raise invalid_parameter("n", f"n must be at most {most} with size {labelling.size}, got {wanted.n}")
    spec = _spec(wanted, model.name, model.generator_sha256, labelling)
    return Order(destination, spec, wanted.shard_size is None)


def _validate(body: JsonObject) -> JobBody:
    try:
        return JobBody.model_validate(body.members)
    except ValidationError as error:
        found = error.errors()
        # A field that is unknown may be the misspelt one that is missing.
        first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
        field = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            allowed = ", ".join(JobBody.model_fields)
            message = f"there is no field {shorten(field)}; allowed are {allowed}"
            raise ApiError(ErrorCode.UNKNOWN_PARAMETER, message, field=_printable(field)) from error
        about = JobBody.model_fields[field].description
        if first["type"] == "missing":
            raise invalid_parameter(field, f"{field} is missing ({about})") from error
        message = f"{field} ({about}): {first['msg']}, got {shorten(str(first['input']))}"
        raise invalid_parameter(field, message) from error


def _destination(text: str, settings: Settings) -> Bucket:
    try:
        place = parse_place(text) if text.startswith("s3://") else None
    except PlaceError as error:
        raise invalid_parameter("destination", str(error)) from error
    if not isinstance(place, Bucket):
        raise invalid_parameter(
            "destination", f"destination must be s3://bucket/prefix, got {shorten(text)}"
        )
    try:
        check_allowed(place, settings.storage_allow)
    except PlaceError as error:
        raise ApiError(ErrorCode.DESTINATION_NOT_ALLOWED, str(error), field="destination") from error
    return place


def _conditions(wanted: JobBody) -> dict[str, str]:
    """Return the conditions as texts, numbers written as people write them."""
    for name in wanted.conditions:
        if name not in CONDITIONS:
            message = f"there is no condition {shorten(name)}; allowed are {', '.join(CONDITIONS)}"
            raise invalid_parameter("conditions", message)
        if isinstance(wanted.conditions[name], bool) and name not in SWITCHES:
            message = (
                f"{name} is {CONDITIONS[name]}; true and false are valid for {', '.join(SWITCHES)} only"
            )
            raise invalid_parameter("conditions", message)
    return {name: _as_text(value) for name, value in wanted.conditions.items()}


def _as_text(value: str | float) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return np.format_float_positional(value, trim="-") if isinstance(value, float) else str(value)


def _spec(wanted: JobBody, model: str, sha256: str, labelling: Labelling) -> SetSpec:
    try:
        return SetSpec(
            name=f"endotwin-{model}-{wanted.seed}",
            n=wanted.n,
            seed=wanted.seed,
            model=model,
            generator_sha256=sha256,
            format=wanted.format,  # type: ignore[arg-type]
            shard_size=usual_shard_size(wanted.n) if wanted.shard_size is None else wanted.shard_size,
            validation_every=wanted.validation_every,
            labels=labelling.labels or None,
            conditions=dict(labelling.given) or None,
        )
    except ValidationError as error:
        # The name holds the seed: a seed out of range makes two errors, and this one is of more use.
        first = next((one for one in error.errors() if one["loc"] != ("name",)), error.errors()[0])
        message = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            field = getattr(first.get("ctx", {}).get("error"), "field", "n")
            raise invalid_parameter(field, message) from error
        field = str(first["loc"][0])
        about = SetSpec.model_fields[field].description
        message = f"{field} ({about}): {message}, got {shorten(str(first['input']))}"
        raise invalid_parameter(field, message) from error


class _RepeatedError(ValueError):
    """A member is given twice."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _RepeatedError("every field must be given at most once")
    return members


def _read_number(text: str) -> int | float:
    """Read a number with a point or an exponent; 7.0 is the integer 7, exactly."""
    number = Decimal(text)
    whole = number.adjusted() < _MOST_DIGITS and number == number.to_integral_value()
    return int(number) if whole else float(text)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _printable(name: str) -> str | None:
    return name[:60] if name and name.isascii() and name.isprintable() else None
