"""What is asked of `endotwin-training evaluate`; light to import."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

COUNT = 3_000
"""Images on either side in the paper's protocol."""

RECORD_MINIMUM = 2_048
"""Fewer images than Inception features leave the covariance singular: no record is made of fewer."""

EXAMINED_COUNT = 1_000
"""Generated images whose nearest real crops are searched, and whose cells are measured."""

DEFAULT_CACHE = Path("~/.cache/endotwin/features")


class EvaluationError(ValueError):
    """A checkpoint cannot be scored as asked; the message says what is allowed."""


class InceptionError(Exception):
    """The Inception weights are missing or not the known ones; the message says what to do."""


@dataclass(frozen=True)
class EvaluationRequest:
    """What is asked of an evaluation.

    Attributes:
        checkpoint: a checkpoint, with or without a recorded FID.
        data: the folder that holds the sources its card names, see `sources_of_card`; or
        sources: the file that lists them, see `read_sources`. One of the two is given.
        run: the run folder it comes from, for the history of its training; None shows none.
        output: folder of the report and of `evaluation.json`.
        count: images on either side of every score; below 2,048 it is a quick look, which is marked as one.
        seed: None for the one the card's score was made with, else 0.
        device: torch device for the generator and for Inception.
        inception: file of the Inception weights, see `load_inception`.
        cache: folder for features, or None for no cache.
        memorisation_count: generated images whose nearest real crops are searched; 0 leaves it out.
        morphometry_count: generated images whose cells are measured; 0 leaves it out.
        record: write the essential values into the checkpoint's card.
        show_real: show real images in the report, which is then `report.private.html`.
        quiet: no progress bars.
    """

    checkpoint: Path
    output: Path
    data: Path | None = None
    sources: Path | None = None
    run: Path | None = None
    count: int = COUNT
    seed: int | None = None
    device: str = "cpu"
    inception: Path | None = None
    cache: Path | None = DEFAULT_CACHE
    memorisation_count: int = EXAMINED_COUNT
    morphometry_count: int = EXAMINED_COUNT
    record: bool = False
    show_real: bool = False
    quiet: bool = False

    def command(self, seed: int) -> str:
        """Return the command that measures the same again, with paths relative to the working folder.

        Args:
            seed: the one that was used.
        """
        words = ["endotwin-training", "evaluate", os.path.relpath(self.checkpoint)]
        for option, path in (
            ("--data", self.data),
            ("--sources", self.sources),
            ("--run", self.run),
            ("--inception", self.inception),
        ):
            if path is not None:
                words += [option, os.path.relpath(path)]
        words += ["--count", str(self.count), "--seed", str(seed), "--device", self.device]
        words += ["--memorisation-count", str(self.memorisation_count)]
        words += ["--morphometry-count", str(self.morphometry_count)]
        if self.show_real:
            words.append("--show-real")
        return shlex.join(words)
