"""What an adaptation says of what it found and of what it will do."""

from __future__ import annotations

from collections import Counter

from endotwin.generator.card import Card, MeasuredValue
from training.adapt.plan import Plan
from training.adapt.request import AdaptRequest
from training.data.split import Dataset
from training.learning.trainer import Trainer
from training.population.population import Population
from training.scores.duration import in_words

_WORDS = {
    "area": ("cells", "{:.0f} square pixels each", True),
    "cv": ("variation", "coefficient {:.2f} of the areas", False),
    "hexagonality": ("hexagons", "share {:.2f} of the cells", False),
    "clarity": ("clarity", "borders {:.1f} grey levels darker than cells", True),
    "guttae": (
        "guttae",
        "in a share of {:.2f} of the images, by dark spots (--guttae if you know better)",
        False,
    ),
    "stretch": ("stretch", "cells {:.2f} times as wide as high", False),
}
"""Title, words, and whether the error is relative."""


def found_in_words(found: Population, plan: Plan, dataset: Dataset, left_out: int) -> str:
    """Return what was found, several lines."""
    sizes = Counter((image.pixels.shape[1], image.pixels.shape[0]) for image in dataset.training)
    (width, height), _ = sizes.most_common(1)[0]
    others = f" and {len(sizes) - 1} other sizes" if len(sizes) > 1 else ""
    scaled = "" if plan.scale == 1.0 else f", resized by {plan.scale:g}"
    lines = [
        f"Found    {len(dataset.training)} images to learn from and {len(dataset.held_out)} held out, "
        f"{width} × {height} pixels{others}{scaled}",
        f"         cells were read in {found.seen:.0%} of them: {found.cells} cells in "
        f"{found.readable} images",
    ]
    if left_out:
        lines.append(f"         {left_out} more are smaller than a crop at this scale")
    for name, value in plan.values.items():
        title, words, relative = _WORDS[name]
        lines.append(f"         {title:<10}{words.format(value.value)}{_error(value, relative)}")
    if plan.pixel_size is not None:
        density = 1e6 / (plan.population.area_median * plan.pixel_size**2)
        lines.append(
            f"         density   {density:.0f} cells per mm² at {plan.pixel_size:.3g} micrometres per pixel"
        )
    return "\n".join(lines)


def plan_in_words(
    request: AdaptRequest,
    plan: Plan,
    dataset: Dataset,
    trainer: Trainer,
    start: Card,
    left: float,
    scoring: float | None,
) -> str:
    """Return what will be done and how long it takes, several lines."""
    on = f"on {trainer.device}"
    if left == 0.0:
        training = f"Will     not train: {trainer.images:,} images were seen in {request.hours:g} h"
    elif trainer.images:
        training = (
            f"Will     go on training for {in_words(left)} {on} ({trainer.images:,} images seen so far)"
        )
    else:
        training = f"Will     train for {in_words(left)} {on}, from the weights of {start.name}"
    end = "stay unscored" if scoring is None else f"be scored in about {in_words(scoring)}"
    return (
        f"{training}\n         then look for copies of your images, and {end}\n"
        f"         Ctrl-C at any time: {request.output.name} stays usable, and the same command goes on"
    )


def _error(value: MeasuredValue, relative: bool) -> str:
    if value.origin == "given":
        return " (given)"
    if value.origin == "not measured":
        return " (not measured: the usual one)"
    if value.error is None:
        return ""
    return f" ± {value.error:.0%}" if relative else f" ± {value.error:.2f}"
