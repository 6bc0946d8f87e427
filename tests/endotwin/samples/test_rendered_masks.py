"""Own masks in Python: what an image follows from, and that it shows the mask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from documentation import python_blocks, run_block
from tiny_checkpoints import make_card, save_tiny

import endotwin
from endotwin.generator.architectures import to_grey_levels
from endotwin.generator.instruments import Instrument
from endotwin.generator.labelled import LabelledArchitecture, LabelledGenerator
from endotwin.image_range import ImageRange
from endotwin.loaded_model import LoadedModel
from endotwin.mosaic.mask_scene import mosaic_of_mask, scene_of_mask
from endotwin.mosaic.own_masks import MaskError, read_borders
from endotwin.mosaic.parameters import Conditions, Range
from endotwin.mosaic.scene import SCENE_NUMBERS, Rendered
from endotwin.samples.labelling import LabellingError
from training.scores.border_displacement import border_displacements

SHIPPED = Path(__file__).resolve().parents[3] / "checkpoints" / "labelled.safetensors"
TWO = (Instrument(name="first", share=1.0), Instrument(name="second", share=3.0))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    architecture = LabelledArchitecture(latent=8, width=8, instruments=TWO)
    folder = tmp_path_factory.mktemp("two")
    return endotwin.load(save_tiny(folder, make_card("two", architecture=architecture)), "cpu")


@pytest.fixture(scope="module")
def masks(model: LoadedModel) -> list[np.ndarray]:
    return [sample.labels["borders"] for sample in model.samples(3, 3, labels=["borders"], density=2500)]


def images(model: LoadedModel, masks: list[np.ndarray], **options: Any) -> list[bytes]:
    return [sample.image.tobytes() for sample in model.render(borders=masks, **options)]


def test_samples_come_with_what_was_rendered(model: LoadedModel, masks: list[np.ndarray]) -> None:
    samples = list(model.render(borders=masks[:2], appearances=2, seed=4))
    assert [(sample.record["mask"], sample.record["appearance"]) for sample in samples] == [
        (0, 0), (0, 1), (1, 0), (1, 1),
    ]  # fmt: skip
    for sample in samples:
        assert (sample.image.shape, sample.image.dtype) == ((128, 128), np.uint8)
        given = masks[sample.record["mask"]]
        assert np.mean(sample.labels["borders"][given > 0] > 0) > 0.95
        assert np.array_equal(sample.labels["instances"] == 0, sample.labels["borders"] > 0)
        assert sample.record["instrument"] in ("first", "second")
        assert (sample.seed, sample.record["generator_sha256"]) == (
            4, model.sampler.checkpoint.generator_sha256,
        )  # fmt: skip
        parameters = sample.parameters
        assert parameters is not None
        assert parameters["asked"]["appearance"] == sample.record["appearance"]
        assert parameters["measured"]["cells"] == len(np.unique(sample.labels["instances"])) - 1
    assert samples[0].index == samples[1].index != samples[2].index
    assert np.array_equal(samples[0].labels["borders"], samples[1].labels["borders"])


def test_an_image_follows_from_its_mask_alone(model: LoadedModel, masks: list[np.ndarray]) -> None:
    together = images(model, masks, appearances=3)
    assert len(set(together)) == 9
    assert images(model, [masks[2], 255 - masks[0]], appearances=2) == [*together[6:8], *together[:2]]
    assert images(model, masks[:1], seed=1)[0] not in together


def test_an_image_is_the_same_where_images_depend_on_their_batch(
    model: LoadedModel, masks: list[np.ndarray]
) -> None:
    """On such a device each batch holds the looks of one mask."""
    usual = images(model, masks[:1], appearances=2)
    sampler = endotwin.load(model.sampler.checkpoint.path, "cpu").sampler
    sampler.check = lambda: None  # type: ignore[method-assign]
    assert not sampler.independent
    assert images(LoadedModel(sampler), masks[:1], appearances=2) == usual


def test_masks_are_read_when_it_is_their_turn(model: LoadedModel, masks: list[np.ndarray]) -> None:
    def endless() -> Iterator[np.ndarray]:
        while True:
            read.append(1)
            yield masks[0]

    read: list[int] = []
    rendering = model.render(borders=endless(), appearances=16)
    assert read == []
    next(rendering)
    assert len(read) == 1


def test_an_instrument_and_a_clarity_can_be_asked_for(model: LoadedModel, masks: list[np.ndarray]) -> None:
    looks = list(model.render(borders=masks[:1], appearances=6, instrument="first", clarity=(10, 12)))
    assert {look.record["instrument"] for look in looks} == {"first"}
    clarities = [(look.parameters or {})["asked"]["clarity"] or 0.0 for look in looks]
    assert all(10.0 <= clarity <= 12.0 for clarity in clarities)
    assert len(set(clarities)) == 6
    assert looks[0].record["conditions"] == {"clarity": "10:12"}
    with pytest.raises(LabellingError, match="no instrument 'third'; the model has first, second"):
        model.render(borders=masks, instrument="third")


def test_what_cannot_be_is_an_error(
    model: LoadedModel, masks: list[np.ndarray], tiny_checkpoint: Path
) -> None:
    with pytest.raises(MaskError, match="mask 1: it shows no cell"):
        list(model.render(borders=[masks[0], np.zeros((128, 128), np.uint8)]))
    with pytest.raises(TypeError, match="give either borders or instances"):
        model.render()
    with pytest.raises(ValueError, match="appearances must be from 1 to 1000, got 0"):
        model.render(borders=masks, appearances=0)
    with pytest.raises(LabellingError, match="model tiny has no labels"):
        endotwin.load(tiny_checkpoint, "cpu").render(borders=masks)


def test_the_example_of_the_page(labelled_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = labelled_checkpoint.parent
    monkeypatch.setenv("ENDOTWIN_CHECKPOINT_DIR", str(folder))
    [block] = python_blocks("own-mosaics.md")
    names = run_block(block.replace('"labelled"', '"tiny-labelled"'), "own-mosaics.md")
    assert names["sample"].record["appearance"] == 1


def test_a_drawn_mosaic_and_its_mask_are_nearly_the_same_image() -> None:
    """Within 4 of 255 grey levels on average, and with borders as near to the mask."""
    generator = endotwin.load(SHIPPED, "cpu").sampler.checkpoint.generator
    assert isinstance(generator, LabelledGenerator)
    draws = generator.draw_numbers(ImageRange(5, 0, 8), 0)
    clear = Conditions(guttae=Range(low=0, high=0), clarity=Range(low=15, high=25))
    scenes = generator.draw_scenes(draws, clear)
    labels = [scene.label() for scene in scenes]
    of_masks = []
    for row, scene, label in zip(draws, scenes, labels, strict=True):
        mosaic = mosaic_of_mask(read_borders(label.borders))
        of_mask = scene_of_mask(mosaic, row[:SCENE_NUMBERS], scene.parameters, 0.55)
        of_masks.append(replace(of_mask, looks=scene.looks))  # those of each cell, by its place

    def rendered(some: list[Rendered]) -> np.ndarray:
        with torch.inference_mode():
            return to_grey_levels(generator.render_scenes(torch.from_numpy(draws), some)).numpy()

    drawn, from_masks = rendered(list(scenes)), rendered(list(of_masks))
    assert np.abs(drawn.astype(int) - from_masks).mean() < 4.0
    apart = [
        np.median(np.concatenate([
            border_displacements(image, label.soft, label.borders)
            for image, label in zip(batch, labels, strict=True)
        ]))
        for batch in (drawn, from_masks)
    ]  # fmt: skip
    assert apart[1] <= apart[0] + 0.15
