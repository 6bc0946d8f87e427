"""The folder of one training run, named for its configuration; its state survives a kill."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from endotwin.files import naming_full_disk, remove_unfinished, whole_file
from training.learning.settings import TrainingSettings


class RunError(Exception):
    """A run folder cannot be used; the message names it and the reason."""


class RunFolder:
    """Settings, resumable state, statistics (one JSON line each) and sample grids of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state_path = path / "state.pt"
        self.statistics_path = path / "statistics.jsonl"

    @classmethod
    def of(cls, runs: Path, settings: TrainingSettings, image_list: str) -> RunFolder:
        """Return the folder below `runs` of these settings and images; make it if it is new."""
        folder = cls(runs / cls.name_of(settings, image_list))
        folder.path.mkdir(parents=True, exist_ok=True)
        return folder

    @staticmethod
    def name_of(settings: TrainingSettings, image_list: str) -> str:
        """Return the folder name of these settings and images."""
        return (
            f"{settings.name}-{settings.recipe}-b{settings.batch}-s{settings.seed}"
            f"-{settings.digest(image_list)}"
        )

    def read_settings(self) -> TrainingSettings:
        """Return the settings of the run.

        Raises:
            RunError: the folder is not that of a run, or of a run of another version.
        """
        path = self.path / "settings.json"
        if not path.is_file():
            raise RunError(f"{self.path}: not a run folder (it has no settings.json)")
        try:
            return TrainingSettings.model_validate_json(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RunError(f"{path}: not the settings of a run, or those of another version") from error

    def save_state(self, state: dict[str, Any]) -> None:
        """Replace the state on disk; a kill at any moment leaves the old or the new one, whole."""
        with whole_file(self.state_path) as file:
            try:
                torch.save(state, file)
            except RuntimeError as error:  # of torch, which cannot close its zip file after a failed write
                raise error.__context__ if isinstance(error.__context__, OSError) else error from None
            file.flush()
            os.fsync(file.fileno())

    def load_state(self, device: str) -> dict[str, Any] | None:
        """Return the saved state, or None for a new run.

        Raises:
            RunError: the state cannot be read.
        """
        if not self.state_path.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self.state_path, map_location=device, weights_only=True)
        except Exception as error:
            raise RunError(
                f"{self.state_path}: cannot be read ({error}); remove it to start the run again"
            ) from error
        return state

    def write_text(self, name: str, text: str) -> None:
        """Write a small text file whole or not at all."""
        with whole_file(self.path / name) as file:
            file.write(text.encode())

    def save_grid(self, name: str, grid: Image.Image) -> None:
        """Write a picture into the folder `samples`, whole or not at all."""
        with whole_file(self.path / "samples" / name) as file:
            grid.save(file, format="PNG")

    def append_statistics(self, record: dict[str, Any]) -> None:
        """Append one line of statistics."""
        with (
            naming_full_disk(self.statistics_path),
            self.statistics_path.open("a", encoding="utf-8") as file,
        ):
            file.write(json.dumps(record) + "\n")

    def read_statistics(self) -> list[dict[str, Any]]:
        """Return all whole lines of statistics, oldest first."""
        if not self.statistics_path.exists():
            return []
        records = []
        for line in self.statistics_path.read_text(encoding="utf-8").splitlines():
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError:
                continue  # cut by a kill
        return records

    def clear_after(self, images: int) -> None:
        """Remove what a killed run left: lines that are written again, a cut line, unfinished files."""
        remove_unfinished(self.path)
        kept = [record for record in self.read_statistics() if record["images"] <= images]
        if kept or self.statistics_path.exists():
            self.write_text(self.statistics_path.name, "".join(json.dumps(r) + "\n" for r in kept))
