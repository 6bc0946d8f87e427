"""The plan of a blind test and its two documents: what its page may know, and the key to the classes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training.blind_test.errors import BlindTestError
from training.blind_test.kind import Kind

SET = "blind-test.json"
KEY = "key.private.json"
ANSWERS = "answers.sqlite"
IMAGES = "images"

RealFrom = Literal["training", "held-out"]
Display = Literal["crisp", "smooth"]


MOST = 10_000
"""Images of a class at most: they are held in memory, and no expert looks at more."""


class Plan(BaseModel):
    """How a blind test is made.

    Attributes:
        generated: number of generated images.
        real: number of real crops.
        seed: of the generated images, of the crops, and of the order.
        real_from: the images that the generator was trained on, or those held out.
        scale: by how much the page enlarges an image.
        display: enlarged in squares, or interpolated.
    """

    model_config = ConfigDict(frozen=True)

    generated: int = Field(default=1_000, ge=1, le=MOST)
    real: int = Field(default=1_000, ge=1, le=MOST)
    seed: int = Field(default=0, ge=0, lt=2**64)
    real_from: RealFrom = "training"
    scale: int = Field(default=4, ge=1, le=8)
    display: Display = "crisp"


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BlindSet(_Document):
    """What the server and its page know: nothing here tells a class."""

    schema_version: Literal[1] = 1
    digest: str = Field(description="sha256 over names and bytes of the images; the key has the same")
    image_size: int = Field(ge=1, description="side of an image in pixels")
    scale: int = Field(ge=1, description="by how much the page enlarges an image, where it has the room")
    display: Display = Field(description="enlarged in squares (crisp) or interpolated (smooth)")
    order: str = Field(description="what the experts' own orders are drawn from")
    images: tuple[str, ...] = Field(description="names of the images without .png, sorted")


class KeyEntry(_Document):
    """What one image is."""

    kind: Kind
    index: int = Field(ge=0, description="index of the generated image, or number of the drawn crop")


class Key(_Document):
    """Which image is which, and where all come from. Only scoring reads it."""

    schema_version: Literal[1] = 1
    digest: str = Field(description="of the set that it belongs to")
    checkpoint: str
    generator_sha256: str
    data_sha256: str = Field(description="digest of the images that the real crops are of")
    same_data_as_checkpoint: bool = Field(description="whether the checkpoint was trained on these images")
    real_from: RealFrom = Field(description="side of the split that the real crops are of")
    real_images: int = Field(ge=1, description="images that the real crops are of")
    disjoint_crops: int = Field(ge=1, description="crops that these images hold side by side, about")
    seed: int
    images: dict[str, KeyEntry]


_AnyDocument = TypeVar("_AnyDocument", BlindSet, Key)


def read_set(folder: Path) -> BlindSet:
    """Read what the page of a blind test may know.

    Raises:
        BlindTestError: the folder holds no blind test, or an image of it is missing.
    """
    if not (folder / SET).is_file():
        raise BlindTestError(f"{folder}: not a blind test: it has no {SET} (`blind-test build` makes one)")
    test = _read(folder / SET, BlindSet)
    missing = [name for name in test.images if not image_path(folder, name).is_file()]
    if missing:
        raise BlindTestError(
            f"{folder / IMAGES}: {len(missing)} of {len(test.images)} images are missing, "
            f"first {missing[0]}.png; build the set again, or copy it again"
        )
    return test


def read_key(path: Path, test: BlindSet) -> Key:
    """Read the key of a blind test.

    Raises:
        BlindTestError: it is missing, is no key, or that of another set.
    """
    if not path.is_file():
        raise BlindTestError(f"{path}: the key is missing; --key tells where it lies")
    key = _read(path, Key)
    if key.digest != test.digest or set(key.images) != set(test.images):
        raise BlindTestError(
            f"{path}: the key of another set (digest {key.digest[:12]}…, this set has {test.digest[:12]}…)"
        )
    return key


def image_path(folder: Path, name: str) -> Path:
    """Return where an image of a blind test lies."""
    return folder / IMAGES / f"{name}.png"


def _read(path: Path, document: type[_AnyDocument]) -> _AnyDocument:
    try:
        return document.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BlindTestError(
            f"{path}: {f'{where}: ' if where else ''}{first['msg']}; was it changed by hand, or written by "
            "another version?"
        ) from error
