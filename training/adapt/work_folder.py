"""The folder beside the output in which an adaptation keeps what a later session goes on with."""

from __future__ import annotations

from pathlib import Path

from endotwin.checkpoint_files import CHECKPOINT_SUFFIX
from endotwin.files import OutputError, remove_unfinished, whole_file


class WorkFolder:
    """`NAME.private` beside `NAME.safetensors`. It holds real images: it stays where they may be seen."""

    def __init__(self, output: Path) -> None:
        """Name the folder of an output, and everything in it."""
        self.path = output.with_name(f"{output.stem}.private")
        self.curation = self.path / "curation"
        self.measured = self.path / "measured.json"
        self.runs = self.path / "runs"
        self.sheet = self.path / "sheet.png"
        self.trained = self.path / "trained.json"
        self.memorisation = self.path / "memorisation.html"

    def training_images(self, name: str, scale: float) -> Path:
        """Return the folder of the images that are trained on: a checkpoint's card says its name."""
        return self.path / f"training-{scale:.3f}" / name

    def open(self, output: Path) -> None:
        """Make the folder, or go on in the one of an earlier session.

        Raises:
            OutputError: the output is there already and is not of an earlier session, or its name does not
                end as that of a checkpoint.
            OSError: nothing can be written there.
        """
        if output.suffix != CHECKPOINT_SUFFIX:
            raise OutputError(f"{output}: the name of a checkpoint ends in {CHECKPOINT_SUFFIX}")
        if output.exists() and not self.path.is_dir():
            raise OutputError(f"{output}: is there already and is not replaced; give another name")
        with whole_file(self.path / ".gitignore") as file:  # nothing below is ever committed
            file.write(b"*\n")
        remove_unfinished(self.path)
