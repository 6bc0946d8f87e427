"""The split: what is scored was trained on by nobody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_mosaics import write_annotated, write_counted
from PIL import Image

from endotwin.image_reading import DataError
from training.curation.record_store import digest_of
from training.data.sources import Sources, read_sources
from training.data.split import ImageFolder
from training.trial.annotated_images import AnnotatedImage, annotated_files, read_annotated
from training.trial.test_sets import read_test_folder
from training.trial.trial_data import (
    TrainingSet,
    add_tests,
    few_images,
    load_split_tests,
    load_trial_data,
    present_folders,
    sources_below,
    split_for_validation,
    training_digest,
)


def test_images_are_split_as_for_the_generators_training(tmp_path: Path) -> None:
    one = write_annotated(tmp_path / "one", range(8))
    two = write_annotated(tmp_path / "two", range(10, 15))
    sources = Sources((ImageFolder(one, weight=2.0), ImageFolder(two)), validation_share=0.3)
    data = load_trial_data(sources)
    generator = sources.load()
    assert [(chosen.name, chosen.weight) for chosen in data.training] == [("one", 2.0), ("two", 1.0)]
    for sets, images in ((data.training, generator.training), (data.tests, generator.held_out)):
        found = {(chosen.name, image.file) for chosen in sets for image in chosen.images}
        assert found == {(image.source, image.file) for image in images}
    assert sum(len(chosen.images) for chosen in data.tests) == 4


def test_the_split_is_that_of_all_images_also_where_some_have_no_borders(tmp_path: Path) -> None:
    folder = write_annotated(tmp_path / "one", range(10))
    sources = Sources((ImageFolder(folder),), validation_share=0.4)
    held_out = {image.file for image in sources.load().held_out}
    unlabelled = sorted(held_out)[0]
    (folder / "cells" / unlabelled).unlink()
    data = load_trial_data(sources)
    assert {image.file for image in data.tests[0].images} == held_out - {unlabelled}
    assert len(data.training[0].images) == 6


def test_real_images_held_out_are_not_trained_on(real_data: Path) -> None:
    checkpoint = Path(__file__).parents[3] / "checkpoints" / "trial.toml"
    sources, _ = present_folders(sources_below(read_sources(checkpoint), real_data))
    data = load_trial_data(sources)
    seen = {(image.source, image.file) for image in sources.load().training}
    trained = {(chosen.name, image.file) for chosen in data.training for image in chosen.images}
    tested = {(chosen.name, image.file) for chosen in data.tests for image in chosen.images}
    assert trained <= seen
    assert not tested & seen
    assert {chosen.name: len(chosen.images) for chosen in data.tests if chosen.name != "clinic"} == {
        "gavet": 4,
        "cwru": 5,
        "strip": 1,
    }


def test_a_set_cannot_be_one_of_the_sources_or_come_twice(tmp_path: Path) -> None:
    folder = write_annotated(tmp_path / "one", range(5))
    data = load_trial_data(Sources((ImageFolder(folder),)))
    with pytest.raises(DataError, match="partly trained on"):
        add_tests(data, [read_test_folder(folder, None)], {})
    other = read_test_folder(write_annotated(tmp_path / "other", range(1)), None)
    more = add_tests(data, [other], {})
    assert [chosen.name for chosen in more.tests] == ["one", "other"]
    with pytest.raises(DataError, match="two test sets have this name"):
        add_tests(more, [other], {})


def test_counted_images_are_those_of_the_folders_held_out(tmp_path: Path) -> None:
    """Curated images lie in folders of consecutive ones; the originals and their centres elsewhere."""
    raw = write_counted(tmp_path / "raw", range(20, 26), height=200)
    curated = tmp_path / "clinic"
    for number in range(20, 26):
        original = raw / "images" / f"{number}.png"
        group = curated / f"group-{number // 2}"
        group.mkdir(parents=True, exist_ok=True)
        with Image.open(original) as image:  # curation has cut off a frame
            image.crop((4, 4, 160, 190)).save(group / f"{digest_of(original.read_bytes())}.png")
    annotated = ImageFolder(write_annotated(tmp_path / "one", range(5)))
    counted = ImageFolder(curated, keep_folders_together=True, centres=raw)
    sources = Sources((annotated, counted), validation_share=0.3)
    data = load_trial_data(sources)
    assert [chosen.name for chosen in data.training] == ["one"]
    assert [chosen.name for chosen in data.tests] == ["one", "clinic"]
    held_out = {image.file for image in sources.load().held_out if image.source == "clinic"}
    tested = {digest_of((raw / "images" / image.file).read_bytes()) for image in data.tests[1].images}
    assert {f"{digest}.png" for digest in tested} == held_out
    assert len(tested) == 2
    assert len({int(image.file.split(".")[0]) // 2 for image in data.tests[1].images}) == 1
    below = sources_below(sources, tmp_path / "elsewhere").folders
    assert (below[1].path, below[1].centres) == (curated, tmp_path / "elsewhere" / "clinic")


def test_other_sources_give_tests_and_images_of_their_own_domain(tmp_path: Path) -> None:
    sources = Sources((ImageFolder(write_annotated(tmp_path / "one", range(6))),))
    tests, own = load_split_tests(sources, None)
    held_out = {image.file for image in sources.load().held_out}
    assert {image.file for image in tests[0].images} == held_out
    assert {image.file for image in own["one"][0].images} == {f"{k}.png" for k in range(6)} - held_out
    with pytest.raises(DataError, match="nothing is known of any image held out"):
        load_split_tests(Sources(sources.folders, validation_share=0), None)


def test_folders_that_are_not_there_are_named_and_left_out(tmp_path: Path) -> None:
    there = ImageFolder(write_annotated(tmp_path / "one", range(5)))
    gone = ImageFolder(tmp_path / "gone")
    without = ImageFolder(tmp_path / "one", centres=tmp_path / "no-centres")
    found, lines = present_folders(Sources((there, gone)))
    assert found.folders == (there,)
    assert lines == [f"gone: skipped, {tmp_path / 'gone'} is not there"]
    with pytest.raises(DataError, match=r"no source is there:\n .*gone is not there\n .*no-centres is not"):
        present_folders(Sources((gone, without)))


def test_without_a_test_image_nothing_can_be_scored(tmp_path: Path) -> None:
    sources = Sources((ImageFolder(write_annotated(tmp_path / "one", range(5))),), validation_share=0)
    with pytest.raises(DataError, match="no image held out has a file in `borders`"):
        load_trial_data(sources)


def test_the_digest_of_training_images_depends_on_contents_and_weights(tmp_path: Path) -> None:
    one = [TrainingSet("one", 1.0, read_all(write_annotated(tmp_path / "one", range(3))))]
    assert training_digest(one) == training_digest([replace(one[0], images=list(one[0].images))])
    assert training_digest(one) != training_digest([replace(one[0], weight=2.0)])
    assert training_digest(one) != training_digest([replace(one[0], images=one[0].images[:2])])


def read_all(folder: Path) -> list[AnnotatedImage]:
    return [read_annotated(folder, file) for file in annotated_files(folder)]


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> list[TrainingSet]:
    folder = tmp_path_factory.mktemp("training")
    return [
        TrainingSet(name, weight, read_all(write_annotated(folder / name, seeds)))
        for name, seeds, weight in (("one", range(6), 2.0), ("two", range(10, 13), 1.0))
    ]


def names(sets: list[TrainingSet]) -> set[tuple[str, str]]:
    return {(chosen.name, image.file) for chosen in sets for image in chosen.images}


def test_few_images_are_some_of_all_of_any_source(training: list[TrainingSet]) -> None:
    for seed in range(5):
        before: set[tuple[str, str]] = set()
        for count in (1, 2, 5, 9):
            few = few_images(training, count, seed)
            assert len(names(few)) == count
            assert before <= names(few)
            before = names(few)
        assert before == names(training)
    assert len({min(names(few_images(training, 1, seed))) for seed in range(12)}) > 4
    weights = {chosen.name: chosen.weight for chosen in few_images(training, 9, 0)}
    assert weights == {"one": 2.0, "two": 1.0}


def test_a_fifth_of_each_source_is_set_aside(training: list[TrainingSet]) -> None:
    learned, judged = split_for_validation(training, seed=0)
    assert [len(chosen.images) for chosen in judged] == [1, 1]
    assert names(learned) | names(judged) == names(training)
    assert not names(learned) & names(judged)
    others = {frozenset(names(split_for_validation(training, seed)[1])) for seed in range(8)}
    assert len(others) > 2


def test_of_few_images_a_part_of_each_is_set_aside(training: list[TrainingSet]) -> None:
    few = [replace(training[0], images=training[0].images[:2])]
    learned, judged = split_for_validation(few, seed=0)
    assert names(learned) == names(judged) == names(few)
    for whole, one, other in zip(few[0].images, learned[0].images, judged[0].images, strict=True):
        assert not (one.area & other.area).any()
        assert ((one.area | other.area) == whole.area).all()
        assert other.area.sum() / whole.area.sum() == pytest.approx(0.2, abs=0.02)
        # Wider than high: the right end of it.
        assert np.flatnonzero(other.area.any(axis=0)).min() > np.flatnonzero(one.area.any(axis=0)).max() - 1
