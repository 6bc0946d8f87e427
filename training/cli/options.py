"""What the commands of `endotwin-training` share: options, their checks, and the images that they name."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:  # torch takes seconds to import, and no help text needs it
    from training.data.sources import Sources
    from training.data.split import Dataset

_T = TypeVar("_T")

DataFolders = Annotated[
    list[str] | None,
    typer.Option("--data", help="Folder of images, or FOLDER=WEIGHT; may be given several times."),
]
SourcesFile = Annotated[
    Path | None, typer.Option("--sources", help="TOML file that lists the folders (docs/training.md).")
]
DeviceName = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
InceptionFile = Annotated[Path | None, typer.Option(help="File of the Inception weights.")]


class UsageError(Exception):
    """Options that do not go together."""


def chosen_device(device: str) -> str:
    """Return the torch device that `--device` names; `auto` takes a GPU if there is one.

    Raises:
        UsageError: it is no device, or not one of this machine.
    """
    from endotwin.generator.device import resolve_device
    from endotwin.settings import SettingsError

    try:
        return str(resolve_device(device, option="--device"))
    except SettingsError as error:
        raise UsageError(str(error)) from error


def require_one_place(data: Path | None, sources: Path | None) -> None:
    """Check that images are given in one of the two ways.

    Raises:
        UsageError: they are given in both, or not at all.
    """
    if (data is None) == (sources is None):
        raise UsageError("give the images either as --data FOLDER or as --sources FILE")


def require_choice(option: str, value: str, choices: Mapping[str, _T]) -> _T:
    """Return what an option names.

    Raises:
        UsageError: it names nothing of `choices`.
    """
    if value not in choices:
        raise UsageError(f"--{option}: {value!r} is not one of {', '.join(choices)}")
    return choices[value]


def require_checkpoint_name(name: str) -> str:
    """Return a checkpoint's name, checked before hours are spent on it.

    Raises:
        UsageError: a card holds no such name.
    """
    from endotwin.generator.card import Card

    pattern = Card.model_json_schema()["properties"]["name"]["pattern"]
    if not re.fullmatch(pattern, name):
        raise UsageError(
            f"--name: {name!r}; a name has 1 to 64 lower-case letters, digits and hyphens, no hyphen first"
        )
    return name


def given_sources(
    data: list[str] | None, sources: Path | None, max_upscale: float, validation_share: float
) -> Sources:
    """Return the sources that --data or --sources names; the numbers belong to --data.

    Raises:
        UsageError: both or none is given, or a number is out of range.
        DataError: a weight or the file cannot be read.
    """
    from training.data.sources import Sources, parse_folders, read_sources

    if (not data) == (sources is None):
        raise UsageError("give the images either as --data FOLDER (repeatable) or as --sources FILE")
    if sources is not None:
        return read_sources(sources)
    if not 1 <= max_upscale < math.inf:
        raise UsageError(f"--max-upscale: a number from 1 up, got {max_upscale}")
    if not 0 <= validation_share < 1:
        raise UsageError(f"--validation-share: from 0 to below 1, got {validation_share}")
    return Sources(parse_folders(data or []), max_upscale=max_upscale, validation_share=validation_share)


def load_images(sources: Sources) -> Dataset:
    """Read the images and print how many there are; only the first process of several prints.

    Raises:
        DataError: see `Sources.load`.
    """
    from training.learning import distributed

    dataset = sources.load()
    if distributed.is_first():
        for item in dataset.left_out:
            typer.echo(f"Left out: {item.reason}", err=True)
        for source in dataset.sources:
            typer.echo(
                f"{source.name}: {source.images} images to train on, {source.held_out} held out, "
                f"{source.left_out} left out"
            )
    return dataset
