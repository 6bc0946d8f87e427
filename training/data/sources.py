"""The folders of images of a run, from the command line, a TOML file or a checkpoint's card."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from endotwin.first_fault import first_fault
from endotwin.generator.card import Card
from endotwin.image_reading import DataError
from training.data.split import Dataset, ImageFolder, load_dataset


class _SourcesFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    max_upscale: float = Field(default=1.0, ge=1.0, le=4.0)
    validation_share: float = Field(default=0.2, ge=0.0, lt=1.0)
    split_seed: int = Field(default=0, ge=0)
    source: list[ImageFolder] = Field(min_length=1)


@dataclass(frozen=True)
class Sources:
    """Folders of images and how they are cut and split."""

    folders: tuple[ImageFolder, ...]
    max_upscale: float = 1.0
    validation_share: float = 0.2
    split_seed: int = 0

    def load(self) -> Dataset:
        """Read the images.

        Raises:
            DataError: see `load_dataset`.
        """
        return load_dataset(
            self.folders,
            max_upscale=self.max_upscale,
            validation_share=self.validation_share,
            split_seed=self.split_seed,
        )


def read_sources(path: Path) -> Sources:
    """Read a sources file; relative paths in it start at its own folder.

    Raises:
        DataError: the file is missing, no TOML, or has a wrong or unknown entry, which the message names.
    """
    try:
        entries = _SourcesFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a TOML file: {error}") from error
    except ValidationError as error:
        raise DataError(f"{path}: {first_fault(error)}") from error
    base = path.parent
    return Sources(
        folders=tuple(
            replace(
                folder,
                path=base / folder.path,
                centres=None if folder.centres is None else base / folder.centres,
            )
            for folder in entries.source
        ),
        max_upscale=entries.max_upscale,
        validation_share=entries.validation_share,
        split_seed=entries.split_seed,
    )


def parse_folders(arguments: Sequence[str]) -> tuple[ImageFolder, ...]:
    """Turn `FOLDER` or `FOLDER=WEIGHT` arguments into folders.

    Raises:
        DataError: a weight is not a number above 0.
    """
    folders = []
    for argument in arguments:
        name, separator, weight = argument.rpartition("=")
        if not separator:
            folders.append(ImageFolder(Path(argument)))
            continue
        try:
            folders.append(ImageFolder(Path(name), float(weight)))
        except ValueError as error:
            raise DataError(f"{argument}: the weight after = is not a number: {weight}") from error
    return tuple(folders)


def sources_of_card(card: Card, data: Path) -> Sources:
    """Find the images a checkpoint was trained on below a folder.

    For each source of the card: `data/<name>`, or `data` itself if the card has a single source.

    Raises:
        DataError: a source is not there; the message lists all that are missing.
    """
    missing = [source.name for source in card.data.sources if not (data / source.name).is_dir()]
    if missing and len(card.data.sources) > 1:
        raise DataError(
            f"{data}: the checkpoint {card.name!r} was trained on the folders "
            f"{', '.join(s.name for s in card.data.sources)}; missing here: {', '.join(missing)}"
        )
    return Sources(
        folders=tuple(
            ImageFolder(
                data if missing else data / source.name,
                source.weight,
                source.region,
                source.citation,
                source.terms,
                source.annotated,
                source.keep_folders_together,
            )
            for source in card.data.sources
        ),
        max_upscale=card.data.max_upscale,
        validation_share=card.data.validation_share,
        split_seed=card.data.split_seed,
    )


def chosen_sources(card: Card, *, data: Path | None, file: Path | None) -> tuple[Sources, Path]:
    """Find the images of a checkpoint below a folder, or as a file lists them.

    Args:
        card: of the checkpoint.
        data: see `sources_of_card`.
        file: see `read_sources`.

    Returns:
        The sources, and the folder or file that was given.

    Raises:
        DataError: a source is not there, or the file cannot be used.
        ValueError: not exactly one of `data` and `file` is given.
    """
    if file is not None and data is None:
        return read_sources(file), file
    if data is not None and file is None:
        return sources_of_card(card, data), data
    raise ValueError("images come from one place: a folder or a file that lists them")
