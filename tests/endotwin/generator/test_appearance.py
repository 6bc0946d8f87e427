"""One mosaic, several looks: what an appearance changes, and what it leaves as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_checkpoints import make_card, save_tiny
from typer.testing import CliRunner

import endotwin
from endotwin.cli.main import app
from endotwin.field_size import STANDARD
from endotwin.generator.instruments import Instrument
from endotwin.generator.labelled import LabelledArchitecture, LabelledGenerator
from endotwin.generator.latents import FIRST_STREAM_OF_APPEARANCES, STREAM_OF_HAND, draw_normals
from endotwin.image_range import BATCH, ImageRange
from endotwin.loaded_model import LoadedModel
from endotwin.mosaic.parameters import APPEARANCE, ClarityPopulation, Conditions, Range
from endotwin.mosaic.scene import SCENE_NUMBERS, numbers_of_appearance
from endotwin.samples.labelling import LabellingError

THREE = tuple(
    Instrument(name=name, share=1.0, clarity=ClarityPopulation(median=median, log_sd=0.1))
    for name, median in (("hazy", 6.0), ("usual", 14.0), ("clear", 30.0))
)
LABELS = ["borders", "soft", "instances", "guttae", "cells", "parameters"]
OF_IMAGES = {"clarity"}
"""Measured parameters that are read off the image."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    architecture = LabelledArchitecture(latent=8, width=8, instruments=THREE)
    folder = tmp_path_factory.mktemp("three")
    loaded = endotwin.load(save_tiny(folder, make_card("three", architecture=architecture)), "cpu")
    loaded.sampler.check()  # from then on no image is made that nobody asked for
    return loaded


def asked_and_measured(parameters: Mapping[str, Mapping[str, float | None]] | None) -> object:
    assert parameters is not None
    looks = {"clarity", "appearance"}
    return [{name: part[name] for name in part if name not in looks} for part in parameters.values()]


def test_looks_have_one_mosaic_and_the_same_labels(model: LoadedModel) -> None:
    looks = [list(model.samples(7, 3, 20, labels=LABELS, guttae=0.1, appearance=k)) for k in range(3)]
    for index in range(3):
        first, *others = [look[index] for look in looks]
        for other in others:
            for label, pixels in first.labels.items():
                assert np.array_equal(pixels, other.labels[label]), label
            assert other.cells == first.cells
            assert asked_and_measured(other.parameters) == asked_and_measured(first.parameters)
            assert np.mean(other.image != first.image) > 0.9
    told = [look[0].record["conditions"].get("appearance") for look in looks]
    assert told == [None, "1", "2"]
    in_parameters = [(look[0].parameters or {})["asked"].get("appearance") for look in looks]
    assert in_parameters == [None, 1, 2]


def test_the_labels_of_an_experts_hand_are_the_same_in_every_look(model: LoadedModel) -> None:
    one, other = (
        next(model.samples(7, 1, 21, labels=["borders"], expert_hand=True, appearance=k)) for k in (0, 5)
    )
    assert np.array_equal(one.labels["borders"], other.labels["borders"])
    assert not np.array_equal(one.image, other.image)


def test_appearance_0_is_the_image_without_one(model: LoadedModel) -> None:
    assert np.array_equal(model.images(7, 2, appearance=0), model.images(7, 2))
    [sample] = model.samples(7, 1, labels=["parameters"], appearance=0)
    [plain] = model.samples(7, 1, labels=["parameters"])
    assert sample.record == plain.record


def test_a_look_follows_from_seed_index_and_appearance_alone(model: LoadedModel) -> None:
    together = model.images(7, BATCH + 3, 5, appearance=2)
    for at in (10, BATCH + 2):
        assert np.array_equal(model.images(7, 1, 5 + at, appearance=2)[0], together[at])
    looks = [(7, 0), (7, 1), (7, APPEARANCE[1]), (8, 2)]
    images = {model.images(seed, 1, 5, appearance=k).tobytes() for seed, k in looks}
    assert len(images | {together[0].tobytes()}) == 5


@pytest.fixture(scope="module")
def generator() -> LabelledGenerator:
    return LabelledGenerator(LabelledArchitecture(latent=8, width=8, instruments=THREE))


def test_instrument_and_clarity_belong_to_the_look(generator: LabelledGenerator) -> None:
    numbers = np.concatenate([generator.draw_numbers(ImageRange(7, 5, 1), k) for k in range(24)])
    chosen = generator.instruments(torch.from_numpy(numbers)).tolist()
    assert set(chosen) == {0, 1, 2}
    medians = [THREE[instrument].clarity.median for instrument in chosen]
    drawn = [scene.parameters.clarity or 0.0 for scene in generator.draw_scenes(numbers, Conditions())]
    assert drawn == pytest.approx(medians, rel=0.5)
    assert len(set(drawn)) == 24
    fixed = Conditions(clarity=Range(low=12.0, high=12.0))
    assert {scene.parameters.clarity for scene in generator.draw_scenes(numbers[:3], fixed)} == {12.0}
    between = Conditions(clarity=Range(low=12.0, high=20.0))
    assert len({scene.parameters.clarity for scene in generator.draw_scenes(numbers[:3], between)}) == 3


def test_every_number_of_the_look_and_no_other_is_another_one(generator: LabelledGenerator) -> None:
    images = ImageRange(3, 5, 2)
    usual, other = (generator.draw_numbers(images, appearance) for appearance in (0, 1))
    assert np.array_equal(usual, draw_normals(images, generator.draws))
    changed = (usual != other).any(axis=0)
    assert changed[SCENE_NUMBERS:].all()
    assert np.array_equal(changed[:SCENE_NUMBERS], numbers_of_appearance(STANDARD))
    assert STREAM_OF_HAND < FIRST_STREAM_OF_APPEARANCES


@pytest.mark.parametrize("value", [-1, 1000, 1.5, (1, 2), "two"])
def test_other_appearances_are_refused(model: LoadedModel, value: object) -> None:
    with pytest.raises(LabellingError, match=r"appearance must be a whole number .* 0 to 999"):
        model.images(7, 1, appearance=value)  # type: ignore[arg-type]


def test_a_model_without_labels_says_so(tiny_checkpoint: Path) -> None:
    plain = endotwin.load(tiny_checkpoint, "cpu")
    with pytest.raises(LabellingError, match="model tiny has no labels and takes no conditions"):
        plain.images(7, 1, appearance=1)
    assert plain.images(7, 1, appearance=0).shape == (1, 128, 128)


def test_layouts_and_arrays_tell_it(model: LoadedModel, tmp_path: Path) -> None:
    checkpoint = str(model.sampler.checkpoint.path)
    for appearance, name in (("0", "plain"), ("3", "third")):
        for more in (["--layout=masks"], ["--format=npz", "--labels=parameters"]):
            output = tmp_path / (name if "masks" in more[0] else f"{name}.npz")
            arguments = ["generate", "--n=2", "--seed=7", f"--checkpoint={checkpoint}", "--device=cpu"]
            arguments += [f"--appearance={appearance}", *more, f"--output={output}"]
            assert CliRunner().invoke(app, arguments).exit_code == 0
    heads = {
        name: (tmp_path / name / "parameters.csv").read_text().splitlines()[0].split(",")
        for name in ("plain", "third")
    }
    assert set(heads["third"]) - set(heads["plain"]) == {"asked_appearance"}
    record = json.loads((tmp_path / "third" / "dataset.json").read_text())["endotwin"]
    assert record["conditions"] == {"appearance": "3"}
    with np.load(tmp_path / "third.npz") as arrays:
        assert arrays["asked_appearance"].tolist() == [3.0, 3.0]
        assert str(arrays["conditions"]) == "appearance=3"
    with np.load(tmp_path / "plain.npz") as arrays:
        assert "asked_appearance" not in arrays
