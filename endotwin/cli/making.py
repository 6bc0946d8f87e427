"""What commands that make images have in common: how they begin and fail, and what they say at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from endotwin.cli.command_line import reported, saying
from endotwin.cli.interruption import noted_signals

if TYPE_CHECKING:
    from endotwin.generator.card import Card


@contextmanager
def making_images() -> Iterator[Callable[[], None]]:
    """Load what makes images, and let the block do so; what goes wrong is one line on standard error.

    Yields:
        A function to call wherever it is safe to stop, see `noted_signals`.
    """
    with noted_signals() as stop_if_asked:
        with saying("loading torch"):
            from endotwin.catalogue import ChoiceError  # noqa: PLC0415
            from endotwin.image_range import ImageRangeError  # noqa: PLC0415
            from endotwin.samples.labelling import LabellingError  # noqa: PLC0415
            from endotwin.samples.model_options import MAKING_FAILURES  # noqa: PLC0415

        with reported(*MAKING_FAILURES, invalid=(ChoiceError, ImageRangeError, LabellingError)):
            yield stop_if_asked


def say_model(card: Card) -> None:
    """Say by which model images were made, and on standard error if nobody has measured how good it is."""
    from endotwin.catalogue import recorded_fid, warning_of  # noqa: PLC0415

    warning, fid = warning_of(card), recorded_fid(card)
    if warning is not None:
        typer.echo(warning, err=True)
    recorded = "not recorded" if fid is None else f"{fid:.2f}"
    typer.echo(f"model {card.name}, recorded FID {recorded}, terms: {card.data.terms}")


def say_rate(images: int, seconds: float, device: str) -> None:
    """Say how fast images were made."""
    typer.echo(f"{images / seconds:.1f} images/s on {device}")
