"""The recipe `paired`: its reader learns from experts alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_images import write_blobs
from tiny_run import SETTINGS, load
from torch import Tensor

from endotwin.generator.instruments import Instrument
from endotwin.generator.labelled import LabelledArchitecture, LabelledGenerator
from endotwin.mosaic.scene import Rendered
from training.learning.recipes.paired import PairedRecipe
from training.learning.recipes.recipe import AnnotatedCrops, Crops, LearningRates, RecipeError
from training.learning.recipes.rendered import RenderedRecipe
from training.learning.run_folder import RunFolder
from training.learning.trainer import ReportIntervals, Trainer, TrainingError
from training.trial.batches import BorderBatch

ARCHITECTURE = LabelledArchitecture(latent=8, width=8)
RATES = LearningRates(generator=1e-3, discriminator=1e-3)


class DrawnBatches:
    """Dark lines on grey, as if an expert had drawn them."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def batch(self, step: int) -> BorderBatch:
        self.steps.append(step)
        images = np.full((4, 128, 128), 150, dtype=np.uint8)
        borders = np.zeros((4, 128, 128), dtype=bool)
        borders[:, :, 20::24] = borders[:, :, 21::24] = borders[:, :, 22::24] = True
        images[borders] = 90
        return BorderBatch(images, borders, np.ones_like(borders))


def black(count: int) -> Crops:
    return Crops(torch.zeros(count, 1, 128, 128), torch.zeros(count, dtype=torch.long))


def annotated() -> AnnotatedCrops:
    batch = DrawnBatches().batch(0)
    images, borders, areas = (
        torch.from_numpy(part)[:, None].float() for part in (batch.images, batch.borders, batch.areas)
    )
    return AnnotatedCrops(images / 127.5 - 1.0, borders, areas)


def reader_after_a_step(recipe_type: type[RenderedRecipe], generator_seed: int) -> list[torch.Tensor]:
    torch.manual_seed(generator_seed)
    generator = LabelledGenerator(ARCHITECTURE)
    torch.manual_seed(0)
    recipe = recipe_type(generator, ARCHITECTURE, RATES, None)
    randomness = torch.Generator().manual_seed(5)
    draws = torch.randn(2, generator.draws, generator=torch.Generator().manual_seed(generator_seed))
    losses = recipe.step(black(2), draws, randomness, annotated())
    assert all(torch.isfinite(value) for value in losses.values())
    return [parameter.detach().clone() for parameter in recipe.reader.parameters()]


def test_the_reader_learns_from_experts_alone() -> None:
    one, other = (reader_after_a_step(PairedRecipe, seed) for seed in (1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    one, other = (reader_after_a_step(RenderedRecipe, seed) for seed in (1, 2))
    assert not all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_rendered_borders_are_to_lose_three_quarters_of_what_real_ones_do() -> None:
    recipe = PairedRecipe(LabelledGenerator(ARCHITECTURE), ARCHITECTURE, RATES, None)
    for value, taught, excess, slope in ((0.5, 0.4, 0.2, 1.0), (0.29, 0.4, 0.0, 0.0)):
        unread = torch.tensor(value, requires_grad=True)
        found = recipe.excess(unread, torch.tensor(taught))
        torch.autograd.backward(found)
        assert found.item() == pytest.approx(excess)
        assert unread.grad is not None
        assert float(unread.grad) == slope


def test_cells_of_other_sizes_are_judged_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large ones have few borders, so the reader loses little on them, however badly it reads them."""
    recipe = PairedRecipe(LabelledGenerator(ARCHITECTURE), ARCHITECTURE, RATES, None)
    losses = iter((0.4, 0.5, 0.2))  # taught, usual cells, others
    anchor = next(recipe.reader.parameters())
    shares = []

    def read(_images: Tensor, borders: Tensor, *_others: object) -> Tensor:
        shares.append(float(borders.mean()))
        return next(losses) + 0.0 * anchor.sum()

    penalties = []

    def compete(
        _real: object, _generated: object, _randomness: object, penalty: Tensor
    ) -> dict[str, Tensor]:
        penalties.append(penalty.item())
        return {}

    monkeypatch.setattr(recipe, "_read", read)
    monkeypatch.setattr(recipe, "compete", compete)
    draws = torch.randn(4, recipe.labelled.draws, generator=torch.Generator().manual_seed(1))
    told = recipe.step(black(4), draws, torch.Generator().manual_seed(5), annotated())
    _, usual, others = shares
    assert 0.0 < others < 0.9 * usual
    of_others = max(0.0, 0.2 - 0.75 * 0.4 * others / usual)
    expected = 3.0 * (0.2 + of_others / 4) + 5.0 * float(told["missed"])
    assert penalties == pytest.approx([expected], abs=1e-4)


def test_only_cells_of_the_size_of_an_instruments_own_are_compared_with_its_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The others, half of them large and half as they are served, are read."""
    instruments = (Instrument(name="a", share=1.0, spacing_median=18.0, spacing_log_sd=0.0),)
    architecture = ARCHITECTURE.model_copy(update={"instruments": instruments})
    recipe = PairedRecipe(LabelledGenerator(architecture), architecture, RATES, None)
    rendered: list[Rendered] = []
    compared: list[int] = []
    render = recipe.labelled.render_and_correct

    def listen(draws: Tensor, scenes: Sequence[Rendered]) -> tuple[Tensor, Tensor]:
        rendered.extend(scenes)
        return render(draws, scenes)

    def compete(
        _real: object, generated: Crops, _randomness: object, _penalty: Tensor
    ) -> dict[str, Tensor]:
        compared.append(len(generated.images))
        return {}

    monkeypatch.setattr(recipe.labelled, "render_and_correct", listen)
    monkeypatch.setattr(recipe, "compete", compete)
    draws = torch.randn(16, recipe.labelled.draws, generator=torch.Generator().manual_seed(1))
    recipe.step(black(16), draws, torch.Generator().manual_seed(5), annotated())
    assert compared == [16]
    areas = [scene.parameters.cell_area for scene in rendered]
    assert areas[:16] == pytest.approx([3**0.5 / 2 * 18.0**2] * 16)
    assert all(500 <= scene.parameters.density <= 1500 for scene in rendered[16:18])
    assert len(areas) == 20
    assert areas[18] != pytest.approx(areas[19])


def test_without_expert_borders_nothing_is_trained(tmp_path: Path) -> None:
    recipe = PairedRecipe(LabelledGenerator(ARCHITECTURE), ARCHITECTURE, RATES, None)
    with pytest.raises(RecipeError, match="needs images with expert borders"):
        recipe.step(black(1), torch.zeros(1, recipe.labelled.draws), torch.Generator())

    write_blobs(tmp_path / "data", 4)
    trainer = paired_trainer(tmp_path, None)
    with pytest.raises(TrainingError, match="the recipe `paired` needs images with expert borders"):
        trainer.train(4, ReportIntervals())


def test_a_run_takes_the_crops_of_its_own_step(tmp_path: Path) -> None:
    write_blobs(tmp_path / "data", 4)
    batches = DrawnBatches()
    paired_trainer(tmp_path, batches).train(8, ReportIntervals(samples=0, score=0))
    resumed = DrawnBatches()
    paired_trainer(tmp_path, resumed).train(12, ReportIntervals(samples=0, score=0))
    assert (batches.steps, resumed.steps) == ([0, 1], [2])


def paired_trainer(folder: Path, batches: DrawnBatches | None) -> Trainer:
    settings = SETTINGS["labelled"].model_copy(update={"recipe": "paired"})
    dataset = load(folder / "data")
    runs = RunFolder.of(folder / "runs", settings, dataset.digest)
    return Trainer(settings, dataset, runs, "cpu", annotated=batches)
