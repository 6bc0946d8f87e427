"""The recorded score of a checkpoint: the paper's protocol, and what it has to be read beside."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from pytorch_fid.inception import InceptionV3
from tqdm import tqdm

from training.card import Card, FidRecord, FidScore, ImageStatistics, LabelStatistics
from training.checkpoint import Checkpoint, load_checkpoint
from training.fid import DEFAULT_CACHE, cached_features, features, fid_from_features
from training.figures import plot_spectra, save_grid
from training.images import Dataset, draw_crops
from training.inception import FEATURES, load_inception
from training.label_sheet import save_label_sheet
from training.label_statistics import measure_labels
from training.mosaic.parameters import Conditions
from training.networks import IMAGE_SIZE
from training.sampler import Sampler
from training.sources import sources_of_card
from training.statistics import image_statistics
from training.whole_file import whole_file

COUNT = 3_000
"""Images on either side in the paper's protocol."""

MINIMUM_COUNT = FEATURES
"""Fewer images than features leave the covariance singular: no record is made of fewer."""

STATISTICS_COUNT = 1_000
"""Images of which the statistics beside FID are taken."""

GRID_IMAGES = 40

_TRAINING, _TRAINING_AGAIN, _HELD_OUT, _NOISE = 1, 2, 3, 4  # second part of the seed of each draw


_COMPARISONS = (
    ("generated_training", "generated images", "training crops"),
    ("generated_held_out", "generated images", "held-out crops"),
    ("real_real", "training crops", "training crops, second draw"),
    ("real_held_out", "training crops", "held-out crops"),
    ("noise_real", "uniform noise", "training crops"),
)


class EvaluationError(ValueError):
    """A checkpoint cannot be scored as asked; the message says what is allowed."""


def evaluate(
    checkpoint: Checkpoint,
    dataset: Dataset,
    *,
    count: int = COUNT,
    seed: int = 0,
    device: str = "cpu",
    inception: Path | None = None,
    cache: Path | None = DEFAULT_CACHE,
    quiet: bool = False,
) -> tuple[FidRecord, ImageStatistics]:
    """Score a generator by the paper's protocol, and measure what that has to be read beside.

    Everything follows from `seed`: the images are those with indices 0 to count - 1 of that seed, and the
    crops and the noise are drawn by `numpy.random.default_rng([seed, k])`, k = 1 for training crops, 2 for
    the second draw of them, 3 for held-out crops, 4 for noise. On two CPU cores 3,000 images take
    15 to 30 minutes; the features of crops and noise are kept for the next time.

    Args:
        checkpoint: the generator; its card is not read.
        dataset: the images it was trained on; without held-out ones two of the scores are None.
        count: images on either side, at least 2,048.
        seed: 0 to 2**64 - 1.
        device: torch device for the generator and for Inception.
        inception: file of the Inception weights, see `load_inception`.
        cache: folder for features, or None for no cache.
        quiet: no progress bars.

    Raises:
        EvaluationError: the count is too small for a record.
        InceptionError: the Inception weights are missing or not the known ones.
    """
    if count < MINIMUM_COUNT:
        raise EvaluationError(
            f"a recorded FID needs at least {MINIMUM_COUNT} images on either side, got {count}; "
            f"the paper's protocol takes {COUNT}"
        )
    model, inception_sha256 = load_inception(inception)
    with _bar("generating", count, quiet) as bar:
        generated = _generate(checkpoint, seed, count, device, bar)
    real = draw_crops(dataset.training, count, np.random.default_rng([seed, _TRAINING]))
    sets = {
        "generated images": generated,
        "training crops": real,
        "training crops, second draw": draw_crops(
            dataset.training, count, np.random.default_rng([seed, _TRAINING_AGAIN])
        ),
        "uniform noise": np.random.default_rng([seed, _NOISE]).integers(
            0, 256, size=(count, IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8
        ),
    }
    if dataset.held_out:
        sets["held-out crops"] = draw_crops(
            dataset.held_out, count, np.random.default_rng([seed, _HELD_OUT])
        )
    found = {}
    for name, images in sets.items():
        # The crops and the noise of a seed come again for every checkpoint, generated images do not.
        kept = cache if name != "generated images" else None
        with _bar(f"Inception, {name}", count, quiet) as bar:
            found[name] = cached_features(
                images, model, inception_sha256, device=device, cache=kept, progress=bar.update
            )
    scores = {
        name: _score(found, first, second)
        for name, first, second in _COMPARISONS
        if first in found and second in found
    }
    record = FidRecord(
        generated_training=scores["generated_training"],
        generated_held_out=scores.get("generated_held_out"),
        real_real=scores["real_real"],
        real_held_out=scores.get("real_held_out"),
        noise_real=scores["noise_real"],
        protocol=_protocol(count, seed),
        inception_sha256=inception_sha256,
        pytorch_fid=version("pytorch-fid"),
        seed=seed,
        device=describe_device(device),
    )
    shown = min(count, STATISTICS_COUNT)
    return record, image_statistics(generated[:shown], real[:shown])


def quick_fid(
    images: np.ndarray,
    reference_features: np.ndarray,
    model: InceptionV3,
    *,
    device: str | torch.device = "cpu",
) -> float:
    """Return the FID of a few images, to watch a run by. Never a record: FID grows as the count falls.

    Args:
        images: uint8 grey levels (n, 128, 128), n at least 2.
        reference_features: `features` of training crops (m, 2048), best as many as images.
        model: from `load_inception`.
        device: where to compute.
    """
    return fid_from_features(features(images, model, device=device), reference_features)


class SamplingRun(Protocol):
    """What `quick_score` needs of a training run."""

    device: str

    def sample(self, count: int) -> np.ndarray:
        """Return uint8 grey levels (count, 128, 128)."""


def quick_score(
    dataset: Dataset, *, count: int, inception: Path | None = None, cache: Path | None = DEFAULT_CACHE
) -> Callable[[SamplingRun], float]:
    """Return a function that measures a run's `quick_fid` against training crops, always the same ones.

    Args:
        dataset: the images of the run.
        count: images on either side, at least 2.
        inception: file of the Inception weights, see `load_inception`; loaded now, so that a run without
            them fails before it starts.
        cache: folder for features, or None for no cache.

    Raises:
        EvaluationError: the count is below 2.
        InceptionError: the Inception weights are missing or not the known ones.
    """
    if count < 2:
        raise EvaluationError(f"a quick FID needs at least 2 images on either side, got {count}")
    model, inception_sha256 = load_inception(inception)
    crops = draw_crops(dataset.training, count, np.random.default_rng([0, _TRAINING]))
    reference: np.ndarray | None = None

    def score(run: SamplingRun) -> float:
        nonlocal reference
        if reference is None:
            reference = cached_features(crops, model, inception_sha256, device=run.device, cache=cache)
        return quick_fid(run.sample(count), reference, model, device=run.device)

    return score


@dataclass(frozen=True)
class Evaluation:
    """What `run_evaluation` found, beside what the card says."""

    name: str
    checkpoint_sha256: str
    measured: FidRecord
    statistics: ImageStatistics
    labels: LabelStatistics | None
    recorded: FidRecord | None

    @property
    def difference(self) -> float | None:
        """Measured minus recorded FID; None without a record, or where the counts differ."""
        if self.recorded is None:
            return None
        now, then = self.measured.generated_training, self.recorded.generated_training
        if (now.first_count, now.second_count) != (then.first_count, then.second_count):
            return None
        return now.fid - then.fid

    def table(self) -> str:
        """Return the scores as text for a console, one line per comparison."""
        lines = [f"{'compared':<52} {'images':>15} {'measured':>9} {'card':>9}"]
        for name, _, _ in _COMPARISONS:
            now: FidScore | None = getattr(self.measured, name)
            then: FidScore | None = getattr(self.recorded, name) if self.recorded is not None else None
            if now is None:
                continue
            told = _told(now, then)
            counts = f"{now.first_count:,} / {now.second_count:,}"
            lines.append(f"{f'{now.first} / {now.second}':<52} {counts:>15} {now.fid:>9.2f} {told:>9}")
        lines += ["", self._verdict(), ""]
        lines.append(
            f"Mean |correlation| of different high-passed images ({self.statistics.count:,} each): "
            f"generated {self.statistics.generated_correlation:.4f}, "
            f"real {self.statistics.real_correlation:.4f}"
        )
        if self.labels is not None:
            lines.append(
                f"Borders of {self.labels.count} images against their labels: median "
                f"{self.labels.displacement_median:.2f} px apart, "
                f"{self.labels.displacement_within_one:.0%} within one pixel"
            )
        return "\n".join(lines)

    def _verdict(self) -> str:
        if self.recorded is None:
            return f"{self.name}: the card holds no FID to compare with."
        if self.difference is None:
            then = self.recorded.generated_training
            return (
                f"{self.name}: the card's FID was measured at {then.first_count:,} / {then.second_count:,} "
                "images; scores at other counts cannot be compared."
            )
        return f"{self.name}: FID differs from the card's by {self.difference:+.3f}."

    def json(self) -> str:
        """Return everything as JSON text."""
        return json.dumps(
            {
                "name": self.name,
                "checkpoint_sha256": self.checkpoint_sha256,
                "difference": self.difference,
                "measured": self.measured.model_dump(),
                "recorded": self.recorded.model_dump() if self.recorded is not None else None,
                "statistics": self.statistics.model_dump(),
                "labels": self.labels.model_dump() if self.labels is not None else None,
            },
            indent=2,
        )


def run_evaluation(
    checkpoint_path: Path,
    data: Path,
    *,
    output: Path,
    count: int = COUNT,
    seed: int | None = None,
    device: str = "cpu",
    inception: Path | None = None,
    cache: Path | None = DEFAULT_CACHE,
    quiet: bool = False,
) -> Evaluation:
    """Score a checkpoint against the images it was trained on, and compare with its card.

    Args:
        checkpoint_path: a checkpoint, with or without a recorded FID.
        data: the folder that holds the sources its card names, see `sources_of_card`.
        output: folder for `evaluation.json`, `spectra.png` and `generated.png`, the first images of the
            seed, and for a labelled generator `labelled.png`; no real image is written.
        count: images on either side, at least 2,048.
        seed: None for the one the card's score was made with, else 0.
        device: torch device for the generator and for Inception.
        inception: file of the Inception weights, see `load_inception`.
        cache: folder for features, or None for no cache.
        quiet: no progress bars.

    Raises:
        CheckpointError: the file cannot be used as a checkpoint.
        DataError: a source is missing, or its images cannot be read.
        EvaluationError: the count is too small, or the images are not those the checkpoint was trained on.
        InceptionError: the Inception weights are missing or not the known ones.
    """
    checkpoint = load_checkpoint(checkpoint_path, require_fid=False)
    recorded = checkpoint.card.fid
    if seed is None:
        seed = recorded.seed if recorded is not None else 0
    measured, statistics = evaluate(
        checkpoint,
        load_sources(checkpoint.card, data),
        count=count,
        seed=seed,
        device=device,
        inception=inception,
        cache=cache,
        quiet=quiet,
    )
    result = Evaluation(
        name=checkpoint.card.name,
        checkpoint_sha256=checkpoint.sha256,
        measured=measured,
        statistics=statistics,
        labels=measure_labels(checkpoint, seed=seed, device=device),
        recorded=recorded,
    )
    with whole_file(output / "evaluation.json") as file:
        file.write((result.json() + "\n").encode())
    plot_spectra(statistics, output / "spectra.png")
    save_grid(
        np.concatenate(list(Sampler(checkpoint, device).images(seed, 0, GRID_IMAGES))),
        output / "generated.png",
    )
    if result.labels is not None:
        images, scenes = Sampler(checkpoint, device).scenes(seed, 0, Conditions())
        save_label_sheet(images, [scene.label() for scene in scenes], output / "labelled.png")
    return result


def load_sources(card: Card, data: Path) -> Dataset:
    """Load the images a checkpoint was trained on, split as they were then.

    Args:
        card: names the sources, their weights and regions.
        data: the folder that holds them, see `sources_of_card`.

    Raises:
        DataError: a source is missing, or its images cannot be read.
        EvaluationError: the images are not those the checkpoint was trained on.
    """
    dataset = sources_of_card(card, data).load()
    if dataset.digest != card.data.image_list_sha256:
        counts = "".join(
            f"\n  {then.name}: {then.images} + {then.held_out} held out in the card, "
            f"{now.images} + {now.held_out} here"
            for then, now in zip(card.data.sources, dataset.sources, strict=True)
        )
        raise EvaluationError(
            f"{data}: these are not the images that {card.name} was trained on, or their folder has "
            "another name, so its FID cannot be measured again (digest here "
            f"{dataset.digest[:12]}…, in the card {card.data.image_list_sha256[:12]}…){counts}"
        )
    return dataset


def describe_device(device: str) -> str:
    """Return the device's kind and, of a GPU, its name: cpu, or cuda (NVIDIA H100)."""
    kind = torch.device(device).type
    return f"cuda ({torch.cuda.get_device_name(device)})" if kind == "cuda" else kind


def _score(found: dict[str, np.ndarray], first: str, second: str) -> FidScore:
    return FidScore(
        fid=round(fid_from_features(found[first], found[second]), 4),
        first=first,
        second=second,
        first_count=len(found[first]),
        second_count=len(found[second]),
    )


def _generate(checkpoint: Checkpoint, seed: int, count: int, device: str, bar: _Bar) -> np.ndarray:
    images = np.empty((count, IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    done = 0
    for block in Sampler(checkpoint, device).images(seed, 0, count):
        images[done : done + len(block)] = block
        done += len(block)
        bar.update(len(block))
    return images


def _protocol(count: int, seed: int) -> str:
    return (
        f"Images 0 to {count - 1} of seed {seed} against {count} random {IMAGE_SIZE} x {IMAGE_SIZE} crops, "
        "drawn as in training (image by weight, place uniform, mirrored at random). Crops and noise by "
        f"numpy.random.default_rng([{seed}, k]): k = {_TRAINING} training, {_TRAINING_AGAIN} second draw, "
        f"{_HELD_OUT} held-out, {_NOISE} noise (uniform 0 to 255). Inception 2015-12-05 of pytorch-fid, "
        f"{FEATURES} features, grey as three equal channels, resized to 299 x 299 by the network."
    )


def _told(now: FidScore, then: FidScore | None) -> str:
    """Return the card's score, or a dash where it has none at these counts."""
    if then is None or (then.first_count, then.second_count) != (now.first_count, now.second_count):
        return "-"
    return f"{then.fid:.2f}"


class _Bar(Protocol):
    """A progress bar."""

    def update(self, n: int) -> object: ...


@contextmanager
def _bar(description: str, total: int, quiet: bool) -> Iterator[_Bar]:
    with tqdm(total=total, desc=f"{description:<38}", disable=quiet, unit="", leave=True) as bar:
        yield bar
