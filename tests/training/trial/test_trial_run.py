"""A trial from images on disk to a report: complete, resumed, and refused where it cannot be compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_up_mosaics import VoronoiBlocks, write_annotated
from PIL import Image

from training.data.sources import Sources
from training.data.split import ImageFolder
from training.learning.run_folder import RunError
from training.trial.labelled_source import LabelledSource
from training.trial.report import SeedSpread, TrialReport, markdown_table
from training.trial.run import run_trial
from training.trial.settings import ARMS, TrialSettings
from training.trial.trial_data import TrialData, load_trial_data

TINY = TrialSettings(steps=3)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrialData:
    folder = tmp_path_factory.mktemp("data")
    sources = Sources((ImageFolder(write_annotated(folder / "made-up", range(4))),))
    return load_trial_data(sources, [write_annotated(folder / "other", range(10, 11))])


@pytest.fixture(scope="module")
def done(data: TrialData, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrialReport]:
    """Return the folder and the report of every arm with one seed."""
    folder = tmp_path_factory.mktemp("trial")
    report = run_trial(
        data,
        TINY,
        folder,
        arms=ARMS,
        seeds=[0],
        source=LabelledSource("voronoi", VoronoiBlocks().block),
        quiet=True,
    )
    return folder, report


def test_every_arm_is_scored_on_every_test_set(done: tuple[Path, TrialReport], data: TrialData) -> None:
    folder, report = done
    labels = ["real", "ceiling", "synthetic (voronoi)", "synthetic-then-real (voronoi)"]
    assert [result.label for result in report.results] == labels
    assert [(s.test_set, s.label) for s in report.summaries] == [
        (name, label) for name in ("made-up", "other") for label in labels
    ]
    for result in report.results:
        assert [image.file for image in result.sets["other"].images] == ["10.png"]
        assert len(result.losses) == 3
    assert TrialReport.model_validate_json((folder / "trial.json").read_text()) == report
    assert (folder / "trial.md").read_text() == markdown_table(report)
    assert report.setup.settings == TINY
    assert report.data["made-up"].tested == tuple(image.file for image in data.tests[0].images)
    assert set(report.data["made-up"].training).isdisjoint(report.data["made-up"].tested)


def test_pictures_lie_in_the_folder(done: tuple[Path, TrialReport], data: TrialData) -> None:
    folder, _ = done
    for name in ("real-seed0", "synthetic-voronoi-seed0", "synthetic-then-real-voronoi-seed0"):
        for chosen in data.tests:
            height, width = chosen.images[0].pixels.shape
            with Image.open(folder / "pictures" / name / f"{chosen.name}.png") as picture:
                assert picture.size == (2 * width, 2 * (2 * height + 6))
    for name in ("dice.png", "losses.png"):
        with Image.open(folder / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 10
    assert not list(folder.rglob("*.tmp"))


def test_the_arms_see_what_they_are_named_after(data: TrialData, tmp_path: Path) -> None:
    source = VoronoiBlocks()
    run_trial(
        data,
        TINY,
        tmp_path,
        arms=["synthetic-then-real"],
        seeds=[0, 2],
        source=LabelledSource("voronoi", source.block),
        quiet=True,
    )
    assert source.asked == [0, 1, 6, 7]  # half of three steps, rounded up, for each seed blocks of its own


def test_the_ceiling_learns_from_more_than_the_real_arm(done: tuple[Path, TrialReport]) -> None:
    _, report = done
    real, ceiling = report.results[:2]
    assert (ceiling.arm, ceiling.source) == ("ceiling", None)
    assert ceiling.losses != real.losses


def test_a_stopped_session_goes_on_and_ends_with_the_same_results(
    done: tuple[Path, TrialReport], data: TrialData, tmp_path: Path
) -> None:
    _, whole = done

    class Stopped(VoronoiBlocks):
        def block(self, index: int) -> tuple[np.ndarray, np.ndarray]:
            raise KeyboardInterrupt

    def run(source: VoronoiBlocks) -> TrialReport:
        named = LabelledSource("voronoi", source.block)
        return run_trial(
            data, TINY, tmp_path, arms=["real", "synthetic"], seeds=[0], source=named, quiet=True
        )

    with pytest.raises(KeyboardInterrupt):
        run(Stopped())
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["real-seed0.json"]
    before = (tmp_path / "results" / "real-seed0.json").stat().st_mtime_ns
    resumed = run(VoronoiBlocks())
    assert (tmp_path / "results" / "real-seed0.json").stat().st_mtime_ns == before
    assert [result.arm for result in resumed.results] == ["real", "synthetic"]
    same = [result for result in whole.results if result.arm in ("real", "synthetic")]
    for one, other in zip(resumed.results, same, strict=True):
        assert one.model_copy(update={"seconds": other.seconds}) == other


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda data: (data, TrialSettings(steps=4)), "settings"),
        (lambda data: (TrialData(data.training, data.tests[:1]), TINY), "data_digest"),
    ],
)
def test_results_that_cannot_be_compared_are_not_mixed(
    done: tuple[Path, TrialReport],
    data: TrialData,
    change: Callable[[TrialData], tuple[TrialData, TrialSettings]],
    named: str,
) -> None:
    folder, _ = done
    other, settings = change(data)
    with pytest.raises(RunError, match=f"made with another {named} .*use another folder"):
        run_trial(other, settings, folder, arms=["real"], seeds=[0], source=None, quiet=True)


def test_a_broken_result_is_named(done: tuple[Path, TrialReport], data: TrialData, tmp_path: Path) -> None:
    folder, _ = done
    (tmp_path / "setup.json").write_bytes((folder / "setup.json").read_bytes())
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "real-seed0.json").write_text("{}")
    with pytest.raises(RunError, match=r"real-seed0\.json: not a file of this version; remove it"):
        run_trial(data, TINY, tmp_path, arms=["real"], seeds=[0], source=None, quiet=True)


def test_a_synthetic_arm_needs_a_source(data: TrialData, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="need a labelled source"):
        run_trial(data, TINY, tmp_path, arms=ARMS, seeds=[0], source=None, quiet=True)


def test_the_table_has_mean_and_spread_over_the_seeds(done: tuple[Path, TrialReport]) -> None:
    _, report = done
    spread = SeedSpread(mean=0.75, deviation=0.0125)
    scores = {"dice": spread, "density_error": spread}
    summary = report.summaries[0].model_copy(update={"seeds": (0, 1), "mean": scores})
    row = markdown_table(report.model_copy(update={"summaries": (summary,)})).splitlines()[2]
    assert row.startswith("| made-up | real | 2 | 0.750 ± 0.013 | not known | not known | 75.0 ± 1.2 % |")


def test_synthetic_training_is_shown_beside_real_training(done: tuple[Path, TrialReport]) -> None:
    _, report = done
    real, _, synthetic, _ = report.summaries[:4]
    assert real.dice_against_real is None
    gain = synthetic.mean["dice"].mean - real.mean["dice"].mean
    assert synthetic.dice_against_real == pytest.approx(gain)
    rows = markdown_table(report).splitlines()[2:5]
    assert rows[0].endswith("|  |")
    assert rows[2].endswith(f"| {100 * gain:+.1f} points |")


def test_the_json_holds_what_the_scores_depend_on(done: tuple[Path, TrialReport]) -> None:
    folder, _ = done
    found = json.loads((folder / "trial.json").read_text())
    assert found["setup"]["settings"] == {"steps": 3, "learning_rate": TINY.learning_rate}
    assert "dilated 3 × 3" in found["setup"]["protocol"]
    assert set(found["versions"]) == {"torch", "monai", "scikit-image", "scipy"}
