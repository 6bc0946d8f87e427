"""The split: what is scored was trained on by nobody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from made_up_mosaics import write_annotated

from training.data.read import DataError
from training.data.sources import Sources, read_sources
from training.data.split import ImageFolder
from training.trial.trial_data import load_trial_data, sources_below


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
    checkpoint = Path(__file__).parents[3] / "checkpoints" / "compact.toml"
    sources = sources_below(read_sources(checkpoint), real_data)
    data = load_trial_data(sources, [real_data / "alizarine"])
    seen = {(image.source, image.file) for image in sources.load().training}
    trained = {(chosen.name, image.file) for chosen in data.training for image in chosen.images}
    tested = {(chosen.name, image.file) for chosen in data.tests for image in chosen.images}
    assert trained <= seen
    assert not tested & seen
    assert {chosen.name: len(chosen.images) for chosen in data.tests} == {
        "gavet": 4,
        "cwru": 5,
        "strip": 1,
        "alizarine": 20,
    }


def test_a_foreign_folder_is_resized_and_scored_whole(tmp_path: Path) -> None:
    sources = Sources((ImageFolder(write_annotated(tmp_path / "one", range(5))),))
    foreign = write_annotated(tmp_path / "other", range(20, 23))
    data = load_trial_data(sources, [foreign])
    assert [(chosen.name, len(chosen.images)) for chosen in data.tests] == [("one", 1), ("other", 3)]
    assert data.tests[0].factor == 1.0
    assert data.tests[1].factor == pytest.approx(1.0, abs=0.1)  # the cells are as large


def test_a_source_cannot_be_foreign(tmp_path: Path) -> None:
    folder = write_annotated(tmp_path / "one", range(5))
    with pytest.raises(DataError, match="partly trained on"):
        load_trial_data(Sources((ImageFolder(folder),)), [folder])


def test_without_a_test_image_nothing_can_be_scored(tmp_path: Path) -> None:
    sources = Sources((ImageFolder(write_annotated(tmp_path / "one", range(5))),), validation_share=0)
    with pytest.raises(DataError, match="no image held out has a file in `borders`"):
        load_trial_data(sources)


def test_the_digest_depends_on_roles_and_contents(tmp_path: Path) -> None:
    sources = Sources((ImageFolder(write_annotated(tmp_path / "one", range(6))),))
    data = load_trial_data(sources)
    assert load_trial_data(sources).digest() == data.digest()
    more = load_trial_data(replace(sources, validation_share=0.4))
    assert more.digest() != data.digest()
    weighted = Sources((ImageFolder(tmp_path / "one", weight=2.0),))
    assert load_trial_data(weighted).digest() != data.digest()


def test_few_training_images_are_some_of_all_and_tests_stay(tmp_path: Path) -> None:
    folders = [
        ImageFolder(write_annotated(tmp_path / name, seeds), weight=weight)
        for name, seeds, weight in (("one", range(6), 2.0), ("two", range(10, 13), 1.0))
    ]
    data = load_trial_data(Sources(tuple(folders)))

    def files(count: int) -> list[set[str]]:
        return [{image.file for image in chosen.images} for chosen in data.with_few(count).training]

    every = [{image.file for image in chosen.images} for chosen in data.training]
    sizes = [len(found) for found in every]
    assert [len(found) for found in files(1)] == [1, 1]
    for fewer, more in ((files(1), files(2)), (files(2), every)):
        assert all(one <= other for one, other in zip(fewer, more, strict=True))
    assert [len(found) for found in files(3)] == [min(3, size) for size in sizes]
    assert data.with_few(max(sizes)).digest() == data.digest()
    few = data.with_few(1)
    assert few.tests == data.tests
    assert [chosen.weight for chosen in few.training] == [2.0, 1.0]
    assert few.digest() != data.digest()


def test_the_ceiling_sees_the_test_images_of_its_sources_and_no_others(tmp_path: Path) -> None:
    folder = write_annotated(tmp_path / "made-up", range(5))
    other = write_annotated(tmp_path / "other", range(10, 12))
    data = load_trial_data(Sources((ImageFolder(folder, weight=2.0),)), [other])
    seen = data.with_tests()
    assert sorted(image.file for image in seen.training[0].images) == [f"{k}.png" for k in range(5)]
    assert [chosen.weight for chosen in seen.training] == [2.0]
    assert seen.tests == data.tests
