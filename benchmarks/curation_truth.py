"""`endotwin-training curate` against the centres that a reader counted in a clinic's raw images.

Run it as `python -m benchmarks.curation_truth --data ../shared/data`. What is dropped was chosen on the
tuning half (blocks of 25 consecutive numbers), what is cut on both; `--fit` fits `READER` on the first.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from training.curation.clean_field import Box, find_clean_field
from training.curation.image_files import DecodedImage, decode, read_bytes
from training.curation.record_store import digest_of
from training.curation.run import CurationSettings, curate
from training.curation.thresholds import read_thresholds
from training.curation.visible_cells import STEP, line_features
from training.curation.worker_pool import available_cores

BLOCK = 25
"""Consecutive numbers that stay on one side of the split: neighbours may be of one patient."""

COUNTABLE = 20
"""Centres from which an image counts as countable."""

_SATURATED = 190
_BLACK = 6
_OTHERS = ("gavet", "cwru", "strip", "confocal", "alizarine")
_BLURRED = ("gavet", "cwru", "confocal")
_WEIGHT_OF_OTHERS = 0.15


@dataclass(frozen=True)
class Outcome:
    """What became of one image.

    Attributes:
        number: of the image.
        centres: float (n, 2), x and y.
        reason: why it was dropped; `kept` if it was not.
        box: the field.
        saturated: share of the field in the saturated band: level 190 or above, smoothed over 2 pixels.
        black: share of the field at level 6 or below.
    """

    number: int
    centres: np.ndarray
    reason: str
    box: Box
    saturated: float
    black: float

    @property
    def covered(self) -> int:
        """Return how many centres lie in the field."""
        x, y = self.centres.T
        inside = (x >= self.box.left) & (x < self.box.right) & (y >= self.box.top) & (y < self.box.bottom)
        return int(inside.sum())


def is_tuning(number: int) -> bool:
    """Return whether an image is of the half that thresholds are chosen on."""
    return number // BLOCK % 2 == 0


def curated_clinic(data: Path, workers: int) -> list[Outcome]:
    """Run the whole command with its defaults on the raw folder."""
    images = sorted((data / "clinic" / "images").glob("*.jpg"))
    with tempfile.TemporaryDirectory() as scratch:
        settings = CurationSettings(read_thresholds(), False, workers)
        curation = curate(
            images[0].parent, Path(scratch) / "out", settings, lambda steps, what, total: steps
        )
    outcomes = []
    for path in images:
        content = read_bytes(path)
        digest = digest_of(content)
        box = curation.records[digest].box
        assert box is not None
        field = box.cut(decode(content).grey)
        outcomes.append(
            Outcome(
                number=int(path.stem),
                centres=_centres(data, path.stem),
                reason=str(curation.decisions[digest].reason or "kept"),
                box=box,
                saturated=float((cv2.GaussianBlur(field, (0, 0), 2.0) >= _SATURATED).mean()),
                black=float((field <= _BLACK).mean()),
            )
        )
    return outcomes


def table(outcomes: Sequence[Outcome]) -> str:
    """Return a table of both halves, in Markdown."""
    lines = [
        "| half | images | number | kept | dropped | by reason |",
        "|---|---|---|---|---|---|",
    ]
    for half in (True, False):
        of_half = [outcome for outcome in outcomes if is_tuning(outcome.number) is half]
        for name, low, high in (
            (f"{COUNTABLE} centres or more", COUNTABLE, None),
            ("fewer", 1, COUNTABLE),
            ("none", 0, 1),
        ):
            some = [o for o in of_half if low <= len(o.centres) and (high is None or len(o.centres) < high)]
            reasons = Counter(outcome.reason for outcome in some)
            kept = reasons.pop("kept", 0)
            share = f"{1 - kept / len(some):.1%}" if some else "-"
            text = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
            lines.append(
                f"| {'tuning' if half else 'other'} | {name} | {len(some)} | {kept} | {share} | {text} |"
            )
    lines += [
        "",
        "| half | centres in the field | field in the saturated band | field black |",
        "|---|---|---|---|",
    ]
    for half in (True, False):
        countable = [o for o in outcomes if is_tuning(o.number) is half and len(o.centres) >= COUNTABLE]
        covered = sum(o.covered for o in countable) / max(1, sum(len(o.centres) for o in countable))
        saturated, black = (
            float(np.mean(shares))
            for shares in zip(*((o.saturated, o.black) for o in countable), strict=True)
        )
        name = "tuning" if half else "other"
        lines.append(f"| {name} | {covered:.1%} | {saturated:.1%} | {black:.1%} |")
    return "\n".join(lines)


def fit_reader(data: Path) -> tuple[np.ndarray, float]:
    """Fit the logistic regression of `training.curation.visible_cells.READER`.

    Cells can be seen near a counted centre, and anywhere in the annotated sources; they cannot in images of
    the clinic without a centre, and in blurred copies of the others. An image of the clinic weighs 1.

    Returns:
        The weights and the offset.
    """
    features, labels, weights = [], [], []
    for described, seen, weight in _examples(data):
        known = seen >= 0
        if known.any():
            features.append(described[known])
            labels.append(seen[known])
            weights.append(np.full(int(known.sum()), weight / known.sum()))
    x, y, w = np.concatenate(features), np.concatenate(labels), np.concatenate(weights)
    w = 1_000 * w / np.where(y == 1, w[y == 1].sum(), w[y == 0].sum())
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    design = np.column_stack([(x - mean) / deviation, np.ones(len(x))])
    sign = np.where(y == 1, 1.0, -1.0)

    def loss(beta: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (design @ beta)
        slope = -design.T @ (w * sign / (1 + np.exp(np.clip(margin, -500, 500))))
        slope[:-1] += beta[:-1]
        return float(w @ np.logaddexp(0, -margin) + 0.5 * beta[:-1] @ beta[:-1]), slope

    beta = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B").x
    coefficients = beta[:-1] / deviation
    return coefficients, float(beta[-1] - coefficients @ mean)


def _examples(data: Path) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """Yield features (n, 11), whether cells can be seen (1, 0; -1 unknown), and the image's weight."""
    for path in sorted((data / "clinic" / "images").glob("*.jpg")):
        if is_tuning(int(path.stem)):
            described, places = _described(_grey(path))
            yield described, _seen(_centres(data, path.stem), places), 1.0
    rng = np.random.default_rng(0)
    for source in _OTHERS:
        for k, path in enumerate(sorted((data / source / "images").glob("*.png"))):
            grey = _grey(path)
            described, _ = _described(grey)
            yield described, np.ones(len(described), dtype=int), _WEIGHT_OF_OTHERS
            if source in _BLURRED:
                blurred = gaussian_filter(grey.astype(float), (3.0, 4.0, 6.0)[k % 3])
                noisy = np.clip(np.round(blurred + rng.normal(0, 0.7, grey.shape)), 0, 255)
                described, _ = _described(noisy.astype(np.uint8))
                yield described, np.zeros(len(described), dtype=int), _WEIGHT_OF_OTHERS


def _described(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the features of the places of an image's field, and the places: float (n, 2), x and y."""
    box = find_clean_field(DecodedImage(grey, None), read_thresholds().cutting).box
    features = line_features(np.ascontiguousarray(box.cut(grey)))
    rows, columns = np.mgrid[: features.shape[0], : features.shape[1]] * STEP + STEP // 2
    places = np.column_stack([columns.ravel() + box.left, rows.ravel() + box.top])
    return features.reshape(len(places), -1), places


def _seen(centres: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return 1 near a centre, -1 elsewhere; 0 everywhere without centres, -1 if there are few."""
    if len(centres) < COUNTABLE:
        return np.full(len(places), 0 if len(centres) == 0 else -1)
    tree = cKDTree(centres)
    spacing = float(np.median(tree.query(centres, k=2)[0][:, 1]))
    return np.where(tree.query(places)[0] < 0.7 * spacing, 1, -1)


def _centres(data: Path, stem: str) -> np.ndarray:
    lines = (data / "clinic" / "centres" / f"{stem}.csv").read_text().split()[1:]
    return np.array([line.split(",") for line in lines], dtype=float).reshape(-1, 2)


def _grey(path: Path) -> np.ndarray:
    return decode(read_bytes(path)).grey


def main(
    data: Annotated[Path, typer.Option(help="Folder with clinic and the annotated sources.")] = Path(
        "../shared/data"
    ),
    fit: Annotated[bool, typer.Option("--fit", help="Fit the reader, and print it.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: one a core.")] = None,
) -> None:
    """Print what is dropped and what the field covers, on both halves of the clinic's images."""
    if fit:
        weights, offset = fit_reader(data)
        typer.echo(f"weights=({', '.join(f'{weight:.3f}' for weight in weights)}), offset={offset:.3f}")
        return
    typer.echo(table(curated_clinic(data, workers or available_cores())))


if __name__ == "__main__":
    typer.run(main)
