"""The record beside an object's bytes: which set it belongs to, its size and digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError

_SEAL = "seal"
_SHA256 = r"^[0-9a-f]{64}$"


class ObjectRecord(BaseModel):
    """The record of one object of a set: in S3 the object's metadata, in a folder a file of its own."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    set_digest: str = Field(pattern=_SHA256, description="digest of the set")
    size: int = Field(ge=0, description="bytes of the object")
    sha256: str = Field(pattern=_SHA256, description="of the object")
    job: str | None = Field(
        default=None, pattern=r"^[0-9a-f]{32}$", description="the job of the service that wrote it"
    )

    def to_metadata(self) -> dict[str, str]:
        """Return the record as names and texts that S3 metadata can hold, with a seal."""
        fields = self.model_dump(exclude_none=True)
        values = {name.replace("_", "-"): str(value) for name, value in fields.items()}
        return {**values, _SEAL: _seal(values)}


class ShardRecord(ObjectRecord):
    """The record of a shard: also which images it holds, and what it was made on."""

    start: int = Field(ge=0, description="index of its first image")
    samples: int = Field(ge=1, description="number of its images")
    pixels_sha256: str = Field(pattern=_SHA256, description="of the grey levels alone")
    device: str = Field(description="such as `cpu AVX512`")
    torch: str = Field(description="version of torch: like the device it may decide a grey level")
    numpy: str = Field(description="version of numpy: it may decide a grey level or a label")
    numba: str | None = Field(default=None, description="version of Numba: it may decide a label")
    scipy: str | None = Field(default=None, description="the same, where it drew labels: before Numba did")
    pillow: str = Field(description="version of Pillow: it may decide how an image is compressed")


def read_record(metadata: Mapping[str, str]) -> ObjectRecord | None:
    """Return the record in metadata; None if it is missing or incomplete: half an answer can look whole.

    Names are taken in any case: some servers write `Sha256`.
    """
    written = {name.lower(): value for name, value in metadata.items()}
    if written.pop(_SEAL, None) != _seal(written):
        return None
    values = {name.replace("-", "_"): value for name, value in written.items()}
    for kind in (ShardRecord, ObjectRecord):
        try:
            return kind.model_validate(values)
        except ValidationError:
            continue
    return None


def _seal(values: Mapping[str, str]) -> str:
    """Return a short digest over names and values, so that a missing one is noticed."""
    return hashlib.sha256(json.dumps(dict(values), sort_keys=True).encode()).hexdigest()[:16]
