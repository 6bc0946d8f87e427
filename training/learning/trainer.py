"""The training loop: resumable at any step; a resumed run equals an uninterrupted one."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from endotwin.generator.architectures import Generator, build_generator, to_grey_levels
from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.latents import draw_normals
from endotwin.image_range import ImageRange
from training.data.crops import draw_crops_of
from training.data.split import Dataset
from training.learning import distributed
from training.learning.earlier_run import take_over
from training.learning.recipes.recipe import AnnotatedCrops, Crops, LearningRates
from training.learning.recipes.registry import RECIPES
from training.learning.run_folder import RunError, RunFolder
from training.learning.saved_run import SavedRun
from training.learning.settings import TrainingSettings
from training.learning.stop_signals import stop_requested
from training.learning.warm_start import WarmStartError, start_from
from training.progress import show_progress
from training.random_streams import Purpose, stream_of_step

if TYPE_CHECKING:
    from training.trial.batches import RealBatches

GRID_SEED = 0
GRID_IMAGES = 40
_EVALUATION_BATCH = 16


class TrainingError(Exception):
    """A run cannot start or continue; the message gives the reason."""


@dataclass(frozen=True)
class ReportIntervals:
    """How often, counted in images seen, a run reports and saves; changes nothing that is trained.

    Attributes:
        statistics: a line of statistics.
        save: the resumable state.
        samples: a grid of samples; there is one wherever there is a score, too.
        score: the quick score, if one is given; 0 for never.
    """

    statistics: int = 800
    save: int = 4_000
    samples: int = 8_000
    score: int = 20_000


class Trainer:
    """A generator in training, the running average of its weights, and a recipe.

    Attributes:
        images: seen in this run.
        seconds: of training in this run.
        before: images and seconds of the run that this one started from.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        dataset: Dataset,
        folder: RunFolder,
        device: str,
        *,
        beginning: Checkpoint | SavedRun | None = None,
        annotated: RealBatches | None = None,
    ) -> None:
        """Start a run, or resume it from the state in its folder.

        Args:
            settings: of the run.
            dataset: what it is trained on.
            folder: its run folder.
            device: cpu, cuda or cuda:N.
            beginning: the checkpoint of `settings.start_from`, or the run that has it as its averaged
                generator, of which the discriminators go on as well; not needed by a run that has a state.
            annotated: crops with expert borders, for a recipe that learns from them.

        Raises:
            WarmStartError: the run starts from a checkpoint that is missing here or does not fit.
            TrainingError: the batch cannot be shared by the processes.
            RecipeError: the recipe cannot train this architecture.
            RunError: the folder's state cannot be read, or is that of another run.
        """
        self.settings = settings
        self.dataset = dataset
        self.folder = folder
        self.rank, self.processes, self.device = distributed.start(device)
        if settings.batch % self.processes:
            raise TrainingError(
                f"a batch of {settings.batch} cannot be shared by {self.processes} processes; "
                f"it has to be a multiple of {self.processes}"
            )
        torch.manual_seed(settings.seed)
        self.generator: Generator = build_generator(settings.architecture)
        if beginning is not None:
            weights = beginning.checkpoint if isinstance(beginning, SavedRun) else beginning
            start_from(self.generator, weights)
        self.generator.to(self.device).to(memory_format=torch.channels_last)
        self.average: Generator = copy.deepcopy(self.generator).eval().requires_grad_(False)
        autocast = torch.bfloat16 if settings.precision == "bfloat16" else None
        self.recipe = RECIPES[settings.recipe](
            self.generator,
            settings.architecture,
            LearningRates(settings.generator_rate or settings.learning_rate, settings.learning_rate),
            autocast,
        )
        self.recipe.augmentation = settings.augmentation or 0.0
        if isinstance(beginning, SavedRun):
            take_over(self.recipe, beginning, settings.architecture)
        self.annotated = annotated
        names = [source.name for source in dataset.sources]
        self._instruments = np.array([names.index(image.source) for image in dataset.training])
        self.images = 0
        self.seconds = 0.0
        self.before = (0, 0.0)
        if isinstance(beginning, SavedRun):
            earlier = beginning.checkpoint.card.training
            self.before = (earlier.images_seen, earlier.seconds)
        state = folder.load_state(self.device)
        if state is not None:
            self._restore(state)
        elif settings.start_from is not None and beginning is None:
            raise WarmStartError(
                f"this run starts from the checkpoint with sha256 {settings.start_from}; give it with "
                "--start-from"
            )

    def train(
        self,
        until: int,
        intervals: ReportIntervals,
        *,
        grid: Callable[[np.ndarray], Any] | None = None,
        score: Callable[[Trainer], float] | None = None,
        max_seconds: float | None = None,
        each_step: Callable[[], object] | None = None,
        quiet: bool = False,
    ) -> bool:
        """Train until the run has seen `until` images.

        SIGINT and SIGTERM end it after the step under way, with its state saved.

        Args:
            until: images seen in all, over every session of the run.
            intervals: how often to report and save.
            grid: turns uint8 images (n, 128, 128) into a picture for the samples folder.
            score: the quick score of the average generator; a number for the statistics.
            max_seconds: end after this many seconds in this session.
            each_step: called after every step of the first process.
            quiet: no progress bar.

        Returns:
            True when `until` was reached, False when the run was stopped before.

        Raises:
            TrainingError: a loss is no longer finite; the state saved last is from before.
        """
        if self.rank == 0:
            self.folder.clear_after(self.images)
        started = time.monotonic()
        batch = self.settings.batch
        losses: dict[str, list[Tensor]] = {}
        with (
            stop_requested() as asked,
            show_progress(
                total=until,
                initial=self.images,
                unit="img",
                disable=quiet or self.rank != 0,
                smoothing=0.02,
            ) as progress,
        ):
            while self.images < until:
                step_started = time.monotonic()
                for name, value in self._step().items():
                    losses.setdefault(name, []).append(value)
                self.images += batch
                self.seconds += time.monotonic() - step_started
                progress.update(batch)
                if each_step is not None and self.rank == 0:
                    each_step()
                if self._due(intervals.statistics):
                    self._write_statistics(losses, started, progress)
                    losses = {}
                scored = score is not None and self._due(intervals.score)
                if grid is not None and (scored or self._due(intervals.samples)) and self.rank == 0:
                    self.folder.save_grid(f"{self.images:08d}.png", grid(self.sample(GRID_IMAGES)))
                if score is not None and scored and self.rank == 0:
                    fid = score(self)
                    self.folder.append_statistics({"images": self.images, "quick_fid": round(fid, 2)})
                    progress.write(f"{self.images} images: quick FID {fid:.1f}")
                out_of_time = max_seconds is not None and time.monotonic() - started > max_seconds
                stopping = distributed.agree(asked() or out_of_time, self.device)
                if self._due(intervals.save) or stopping or self.images >= until:
                    self._means(losses)  # a diverged run must not replace the last good state
                    self.save()
                if stopping:
                    return self.images >= until
        return True

    def sample(self, count: int, seed: int = GRID_SEED) -> np.ndarray:
        """Generate images 0 to count - 1 of a seed with the averaged weights; uint8 (count, 128, 128)."""
        images = []
        with torch.inference_mode():
            for start in range(0, count, _EVALUATION_BATCH):
                draws = draw_normals(ImageRange(seed, start, _EVALUATION_BATCH), self.average.draws)
                images.append(
                    to_grey_levels(self.average(torch.from_numpy(draws).to(self.device))).cpu().numpy()
                )
        return np.concatenate(images)[:count]

    @property
    def images_in_all(self) -> int:
        """Images seen, those of the run before included."""
        return self.before[0] + self.images

    def epochs(self) -> float:
        """Return images seen in all over the crops that tile the training images."""
        return self.images_in_all / self.dataset.crops_per_epoch()

    def save(self) -> None:
        """Save the resumable state."""
        if self.rank != 0:
            return
        self.folder.save_state(
            {
                "settings": self.settings.model_dump_json(),
                "image_list": self.dataset.digest,
                "images": self.images,
                "seconds": self.seconds,
                "before": self.before,
                "generator": self.generator.state_dict(),
                "average": self.average.state_dict(),
                "recipe": self.recipe.state_dict(),
            }
        )

    def _restore(self, state: dict[str, Any]) -> None:
        try:
            self.images = state["images"]
            self.seconds = state["seconds"]
            self.before = state.get("before", self.before)  # runs from before it have none
            self.generator.load_state_dict(state["generator"])
            self.average.load_state_dict(state["average"])
            self.recipe.load_state_dict(state["recipe"])
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise RunError(
                f"{self.folder.state_path}: not a state of this run, or one of an older version ({error}); "
                "remove it to start the run again"
            ) from error

    def _step(self) -> dict[str, Tensor]:
        # Every step has its own seed: a resumed run needs no state of a random number generator.
        own = self.settings.batch // self.processes
        rng = stream_of_step(self.settings.seed, Purpose.TRAINING_STEP, self.images, self.rank)
        randomness = torch.Generator().manual_seed(int(rng.integers(2**62)))
        crops, chosen = draw_crops_of(self.dataset.training, own, rng)
        real = Crops(
            torch.from_numpy(crops)[:, None].to(self.device).float() / 127.5 - 1.0,
            torch.from_numpy(self._instruments[chosen]).to(self.device),
        )
        draws = torch.randn(own, self.generator.draws, generator=randomness).to(self.device)
        self.recipe.generator_waits = self.images < (self.settings.generator_waits or 0)
        losses = self.recipe.step(real, draws, randomness, self._draw_annotated())
        self._average_weights()
        return losses

    def _draw_annotated(self) -> AnnotatedCrops | None:
        if not self.recipe.needs_annotations:
            return None
        if self.annotated is None:
            raise TrainingError(f"the recipe `{self.settings.recipe}` needs images with expert borders")
        step = self.images // self.settings.batch * self.processes + self.rank
        drawn = self.annotated.batch(step)
        images, borders, areas = (
            torch.from_numpy(part)[:, None].to(self.device).float()
            for part in (drawn.images, drawn.borders, drawn.areas)
        )
        return AnnotatedCrops(images / 127.5 - 1.0, borders, areas)

    @torch.no_grad()
    def _average_weights(self) -> None:
        # A short half-life at first, so that the random start is forgotten (Karras et al. 2020).
        seen = self.images_in_all + self.settings.batch
        half_life = min(self.settings.average_half_life, 0.05 * seen)
        averaged = self.recipe.averages_weights and half_life > 0
        keep = 0.5 ** (self.settings.batch / half_life) if averaged else 0.0
        for mean, now in zip(self.average.parameters(), self.generator.parameters(), strict=True):
            mean.lerp_(now, 1.0 - keep)
        for old, new in zip(self.average.buffers(), self.generator.buffers(), strict=True):
            old.copy_(new)

    def _due(self, interval: int) -> bool:
        batch = self.settings.batch
        return interval > 0 and self.images // interval != (self.images - batch) // interval

    def _means(self, losses: dict[str, list[Tensor]]) -> dict[str, float]:
        means = {name: float(torch.stack(values).float().mean()) for name, values in losses.items()}
        for name, value in means.items():
            if not np.isfinite(value):
                raise TrainingError(
                    f"{name} is {value} after {self.images} images: the run has diverged. The state saved "
                    f"last is in {self.folder.state_path}; a lower learning rate may help"
                )
        return means

    def _write_statistics(self, losses: dict[str, list[Tensor]], started: float, progress: tqdm) -> None:
        means = self._means(losses)
        if self.rank != 0:
            return
        progress.set_postfix({name: f"{value:.2f}" for name, value in means.items()}, refresh=False)
        self.folder.append_statistics(
            {
                "images": self.images,
                "epoch": round(self.epochs(), 2),
                "seconds": round(self.seconds, 1),
                "session_seconds": round(time.monotonic() - started, 1),
                **{name: round(value, 5) for name, value in means.items()},
            }
        )
