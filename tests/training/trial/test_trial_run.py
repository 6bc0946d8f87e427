"""A trial from images on disk to a report: complete, resumed, and with nothing done twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_up_mosaics import VoronoiBlocks, write_annotated, write_counted
from PIL import Image

from training.data.sources import Sources
from training.data.split import ImageFolder
from training.learning.run_folder import RunError
from training.trial.arms import Arm, make_arms
from training.trial.labelled_source import ASIDE, LabelledSource
from training.trial.report import TrialReport
from training.trial.report_text import markdown_report
from training.trial.run import run_trial
from training.trial.settings import ARM_KINDS, ArmKind, TrialSettings
from training.trial.test_sets import read_test_folder
from training.trial.trial_data import TrialData, add_tests, load_split_tests, load_trial_data

pytestmark = pytest.mark.usefixtures("small_segmenters", "no_figures")

TINY = TrialSettings(validate_every=1, most_steps=1, validation_batches=1)
LABELS = [
    "real (1)",
    "real (3)",
    "ceiling",
    "own domain (2)",
    "synthetic voronoi",
    "synthetic voronoi, then real (1)",
    "synthetic voronoi, then real (3)",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrialData:
    folder = tmp_path_factory.mktemp("data")
    found = load_trial_data(Sources((ImageFolder(write_annotated(folder / "made-up", range(4))),)))
    found = add_tests(
        found, [read_test_folder(write_counted(folder / "counted", range(10, 12)), found.cell_area)], {}
    )
    domain = Sources((ImageFolder(write_annotated(folder / "domain", range(20, 23))),))
    return add_tests(found, *load_split_tests(domain, found.cell_area))


def arms_of(
    data: TrialData, kinds: tuple[ArmKind, ...] = ARM_KINDS, blocks: VoronoiBlocks | None = None
) -> list[Arm]:
    source = LabelledSource("voronoi", "1", (blocks or VoronoiBlocks()).block)
    return make_arms(data, kinds, [source], [0, 1, 3, 10])


def run(folder: Path, data: TrialData, arms: list[Arm], **changes: object) -> TrialReport:
    options: dict = {"seeds": [0], "quiet": True} | changes
    report = run_trial(data, arms, TINY, folder, **options)
    assert report is not None
    return report


@pytest.fixture(scope="module")
def done(data: TrialData, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrialReport]:
    """Return the folder and the report of every arm with one seed."""
    folder = tmp_path_factory.mktemp("trial")
    return folder, run(folder, data, arms_of(data))


def test_every_arm_is_scored_on_every_test_set(done: tuple[Path, TrialReport]) -> None:
    folder, report = done
    assert [result.label for result in report.results] == LABELS
    assert [(s.test_set, s.label) for s in report.summaries] == [
        (name, label) for name in ("made-up", "counted", "domain") for label in LABELS
    ]
    for result in report.results:
        assert [image.file for image in result.sets["counted"].images] == ["10.png", "11.png"]
        assert len(result.stages) == (2 if "then" in result.label else 1)
    for summary in report.summaries:
        assert "f1" in summary.numbers
        assert ("border_f1" in summary.numbers) is (summary.test_set != "counted")
    pairs = len(LABELS) * (len(LABELS) - 1) // 2
    assert len(report.differences) == 3 * pairs
    assert TrialReport.model_validate_json((folder / "trial.json").read_text()) == report
    assert (folder / "trial.md").read_text() == markdown_report(report)
    assert report.folders["domain"].training
    assert not set(report.folders["made-up"].training) & set(report.folders["made-up"].tested)


def test_what_arms_have_in_common_is_trained_once(done: tuple[Path, TrialReport]) -> None:
    folder, report = done
    synthetic, *later = [result for result in report.results if "voronoi" in result.label]
    assert {result.stages[0].digest for result in later} == {synthetic.stages[0].digest}
    assert all(result.stages[1].after == synthetic.stages[0].digest for result in later)
    assert len(list((folder / "segmenters").iterdir())) == len(LABELS)
    assert not list(folder.rglob("state.pt"))
    assert not list(folder.rglob("*.tmp"))


def test_figures_lie_in_the_folder(done: tuple[Path, TrialReport], data: TrialData) -> None:
    folder, report = done
    for result in report.results:
        for chosen in data.tests:
            height = max(image.pixels.shape[0] for image in chosen.images)
            with Image.open(
                folder / "pictures" / result.stages[-1].digest / f"{chosen.name}.png"
            ) as picture:
                assert picture.size[1] == 2 * (2 * height + 6)
    for name in ("scores.png", "validation.png", "curve.png"):
        with Image.open(folder / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 10


def test_nothing_is_done_twice_and_one_more_set_trains_nothing(
    done: tuple[Path, TrialReport], data: TrialData, tmp_path: Path
) -> None:
    folder, report = done
    blocks = VoronoiBlocks()
    again = run(folder, data, arms_of(data, blocks=blocks), train=False)
    assert again == report
    assert blocks.asked == []
    other = read_test_folder(write_annotated(tmp_path / "other", range(30, 31)), data.cell_area)
    arms = arms_of(data, blocks=blocks)
    more = run(folder, add_tests(data, [other], {}), arms, train=False)
    assert blocks.asked == []
    assert [s.label for s in more.summaries if s.test_set == "other"] == LABELS
    assert more.results[0].stages == report.results[0].stages


def test_a_report_tells_of_what_is_done_only(data: TrialData, tmp_path: Path) -> None:
    arms = arms_of(data, ("real", "synthetic"))
    assert run_trial(data, arms, TINY, tmp_path, seeds=[0], train=False, quiet=True) is None
    run(tmp_path, data, arms[:1])
    found = run(tmp_path, data, arms, train=False, seeds=[0, 1])
    assert [(result.label, result.seed) for result in found.results] == [("real (1)", 0)]


def test_seeds_have_images_of_their_own(data: TrialData, tmp_path: Path) -> None:
    blocks = VoronoiBlocks()
    report = run(tmp_path, data, arms_of(data, ("synthetic",), blocks), seeds=[0, 2])
    assert [block for block in blocks.asked if block < ASIDE] == [0, 2 * 2**20]
    found = report.summaries[0]
    assert found.seeds == (0, 2)
    assert len(found.numbers["f1"].by_seed) == 2
    assert found.numbers["f1"].deviation is not None


def test_a_stopped_session_goes_on_and_ends_with_the_same_results(
    done: tuple[Path, TrialReport], data: TrialData, tmp_path: Path
) -> None:
    _, whole = done

    class Stopped(VoronoiBlocks):
        def block(self, index: int) -> tuple[np.ndarray, np.ndarray]:
            if index < ASIDE:
                raise KeyboardInterrupt
            return super().block(index)

    kinds: tuple[ArmKind, ...] = ("real", "synthetic")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, data, arms_of(data, kinds, Stopped()))
    assert json.loads((tmp_path / "trial.json").read_text())["arms"][-1]["label"] == "real (3)"
    assert list(tmp_path.rglob("state.pt"))  # of the first validation
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("segmenter.json")}
    resumed = run(tmp_path, data, arms_of(data, kinds))
    assert {path: path.stat().st_mtime_ns for path in before} == before
    same = [result for result in whole.results if result.label in [r.label for r in resumed.results]]
    assert [result.sets for result in resumed.results] == [result.sets for result in same]


def test_another_budget_is_another_segmenter(done: tuple[Path, TrialReport], data: TrialData) -> None:
    folder, _ = done
    longer = TINY.model_copy(update={"most_steps": 2})
    arms = arms_of(data, ("real",))
    assert run_trial(data, arms, longer, folder, seeds=[0], train=False, quiet=True) is None


@pytest.mark.parametrize("find", [lambda folder: next(folder.rglob("segmenter.json"))])
def test_a_broken_result_is_named(data: TrialData, tmp_path: Path, find: Callable[[Path], Path]) -> None:
    arms = arms_of(data, ("real",))[:1]
    run(tmp_path, data, arms)
    find(tmp_path).write_text("{}")
    with pytest.raises(RunError, match=r"segmenter\.json: not a file of this version; remove it"):
        run(tmp_path, data, arms)


def test_the_json_holds_what_the_scores_depend_on(done: tuple[Path, TrialReport]) -> None:
    folder, _ = done
    found = json.loads((folder / "trial.json").read_text())
    assert found["settings"]["most_steps"] == 1
    assert "one centre in it and no other" in found["scoring"]
    stage = found["results"][0]["stages"][0]
    assert set(stage["versions"]) == {"torch", "scikit-image", "scipy"}
    assert stage["convergence"]["ended"] == "step limit"


def test_cells_of_another_size_are_shown_at_the_size_that_was_learned(
    data: TrialData, tmp_path: Path
) -> None:
    class Large(VoronoiBlocks):
        def block(self, index: int) -> tuple[np.ndarray, np.ndarray]:
            images, borders = super().block(index)
            return tuple(  # type: ignore[return-value]
                part[:, :64, :64].repeat(2, axis=1).repeat(2, axis=2) for part in (images, borders)
            )

    report = run(tmp_path, data, arms_of(data, ("real", "synthetic"), Large()))
    zooms = {result.label: result.sets["counted"].zoom for result in report.results}
    assert zooms["real (3)"] == 1
    assert zooms["synthetic voronoi"] == pytest.approx(2, abs=0.25)
