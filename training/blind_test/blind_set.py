"""A blind test: how it is built, what its page may know, which experts it has, and the answer key."""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from endotwin.first_fault import first_fault
from endotwin.image_reading import DataError

SET_FILE = "blind-test.json"
KEY_FILE = "key.private.json"
ANSWERS_FILE = "answers.sqlite"
IMAGES_FOLDER = "images"

_EXPERT = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")

RealFrom = Literal["training", "held-out"]
Display = Literal["crisp", "smooth"]

MAX_PER_CLASS = 10_000
"""Most images of a class: they are held in memory, and no expert looks at more."""


class BlindTestError(DataError):
    """A blind test cannot be built, served or scored; the message says what is wrong and where."""


class Origin(StrEnum):
    """What an image is, or what an expert takes it for: the two classes and the two answers."""

    GENERATED = "generated"
    REAL = "real"


class BlindTestPlan(BaseModel):
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

    generated: int = Field(default=1_000, ge=1, le=MAX_PER_CLASS)
    real: int = Field(default=1_000, ge=1, le=MAX_PER_CLASS)
    seed: int = Field(default=0, ge=0, lt=2**64)
    real_from: RealFrom = "training"
    scale: int = Field(default=4, ge=1, le=8)
    display: Display = "crisp"


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BlindSet(_Document):
    """What the server and its page know; it holds no class of an image."""

    schema_version: Literal[1] = 1
    digest: str = Field(description="sha256 over names and bytes of the images; the key has the same")
    image_size: int = Field(ge=1, description="side of an image in pixels")
    scale: int = Field(ge=1, description="by how much the page enlarges an image, where it has the room")
    display: Display = Field(description="enlarged in squares (crisp) or interpolated (smooth)")
    order: str = Field(description="what the experts' own orders are drawn from")
    images: tuple[str, ...] = Field(description="names of the images without .png, sorted")


class KeyEntry(_Document):
    """What one image is."""

    kind: Origin
    index: int = Field(ge=0, description="index of the generated image, or number of the drawn crop")


class AnswerKey(_Document):
    """The class of each image, and where all come from. Only scoring reads it."""

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


_AnyDocument = TypeVar("_AnyDocument", BlindSet, AnswerKey)


def read_blind_set(folder: Path) -> BlindSet:
    """Read what the page of a blind test may know.

    Raises:
        BlindTestError: the folder holds no blind test, or an image of it is missing.
    """
    if not (folder / SET_FILE).is_file():
        raise BlindTestError(
            f"{folder}: not a blind test: it has no {SET_FILE} (`blind-test build` makes one)"
        )
    test = _read(folder / SET_FILE, BlindSet)
    missing = [name for name in test.images if not image_path(folder, name).is_file()]
    if missing:
        raise BlindTestError(
            f"{folder / IMAGES_FOLDER}: {len(missing)} of {len(test.images)} images are missing, "
            f"first {missing[0]}.png; build the set again, or copy it again"
        )
    return test


def read_answer_key(path: Path, test: BlindSet) -> AnswerKey:
    """Read the key of a blind test.

    Raises:
        BlindTestError: it is missing, is no key, or that of another set.
    """
    if not path.is_file():
        raise BlindTestError(f"{path}: the key is missing; --key FILE says where it is")
    key = _read(path, AnswerKey)
    if key.digest != test.digest or set(key.images) != set(test.images):
        raise BlindTestError(
            f"{path}: the key of another set (digest {key.digest[:12]}…, this set has {test.digest[:12]}…)"
        )
    return key


def image_path(folder: Path, name: str) -> Path:
    """Return the path of an image of a blind test."""
    return folder / IMAGES_FOLDER / f"{name}.png"


def expert_name(text: str) -> str:
    """Return an expert's name as it is stored: in lower case, without blanks around it.

    Raises:
        BlindTestError: it is not 1 to 32 letters a to z, digits, hyphens or underscores.
    """
    name = text.strip().lower()
    if not _EXPERT.fullmatch(name):
        raise BlindTestError(
            "A name has 1 to 32 letters from a to z, digits, hyphens or underscores, and starts with a "
            "letter or digit. Spaces and accents are not possible."
        )
    return name


def order_of(test: BlindSet, expert: str) -> tuple[str, ...]:
    """Return the images' names in an expert's own order, the same each time."""

    def rank(image: str) -> bytes:
        return hashlib.sha256(f"{test.order} {expert} {image}".encode()).digest()

    return tuple(sorted(test.images, key=rank))


def _read(path: Path, document: type[_AnyDocument]) -> _AnyDocument:
    try:
        return document.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise BlindTestError(
            f"{path}: {first_fault(error)}; was it changed by hand, or written by another version?"
        ) from error
