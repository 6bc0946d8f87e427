"""The numbers that decide: defaults in `thresholds.toml` beside this file, and changes to them."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from endotwin.first_fault import first_fault
from endotwin.image_reading import DataError

_Share = Field(ge=0, le=1)
_Level = Field(ge=0, le=255)


class Limits(BaseModel):
    """Where an image is dropped; `thresholds.toml` says what each number means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    side_min: int = Field(ge=16)
    lightest_tenth_min: float = _Level
    range_min: float = _Level
    field_side_min: int = Field(ge=16)
    field_share_min: float = _Share
    colour_max: float = _Share
    coherence_max: float = _Share
    sparseness_max: float
    contrast_max: float = Field(ge=0)
    contrast_min: float = Field(ge=0)
    points_min: int = Field(ge=6)
    overlap_min: float = _Share
    visible_min: float = _Share
    brightness_min: float = _Level
    saturated_max: float = _Share


class Cutting(BaseModel):
    """How the clean field is found; `thresholds.toml` says what each number means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stroke_step: int = Field(ge=1, le=255)
    stroke_length: int = Field(ge=1)
    lone_stroke_length: int = Field(ge=1)
    ink_outline_min: float = _Share
    flat_range: int = Field(ge=0, le=255)
    flat_area_min: float = _Share
    outline_step: int = Field(ge=1, le=255)
    outline_step_white: int = Field(ge=1, le=255)
    outline_share_min: float = _Share
    frame_step: int = Field(ge=1, le=255)
    black_level: int = Field(ge=0, le=255)
    band_level: float = _Level
    band_detail_max: float = Field(ge=0)


class Thresholds(BaseModel):
    """All numbers of a curation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limits: Limits
    cutting: Cutting


def read_thresholds(path: Path | None = None) -> Thresholds:
    """Read the defaults, and over them a file of one's own.

    Raises:
        DataError: the file is missing, no TOML, or has a wrong or unknown entry, which is named.
    """
    default = resources.files("training.curation").joinpath("thresholds.toml").read_text(encoding="utf-8")
    values: dict[str, Any] = tomllib.loads(default)
    if path is not None:
        try:
            own = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: not a TOML file: {error}") from error
        for name, entries in own.items():
            known: Any = values.get(name)
            tables = isinstance(known, dict) and isinstance(entries, dict)
            values[name] = known | entries if tables else entries
    try:
        return Thresholds.model_validate(values)
    except ValidationError as error:
        raise DataError(f"{path}: {first_fault(error)}") from error
