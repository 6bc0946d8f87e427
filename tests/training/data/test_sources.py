"""Which images a run trains on: arguments, a TOML file, or a card."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_images import write_blobs
from tiny_checkpoints import make_card

from endotwin.generator.card import Source
from endotwin.generator.checkpoint import read_card
from endotwin.image_reading import DataError
from training.data.sources import Sources, parse_folders, read_sources, sources_of_card
from training.data.split import ImageFolder

ROOT = Path(__file__).resolve().parents[3]

FILE = """
max_upscale = 1.2
validation_share = 0.25
split_seed = 3

[[source]]
path = "scans/left eye"
weight = 2
region = [0.0, 0.1, 1.0, 0.9]
citation = "made up"
terms = "none"

[[source]]
path = "more"
"""


def test_a_file_says_it_in_full_and_paths_start_at_its_folder(tmp_path: Path) -> None:
    (tmp_path / "sources.toml").write_text(FILE)
    assert read_sources(tmp_path / "sources.toml") == Sources(
        folders=(
            ImageFolder(tmp_path / "scans/left eye", 2.0, (0.0, 0.1, 1.0, 0.9), "made up", "none"),
            ImageFolder(tmp_path / "more", 1.0, (0.0, 0.0, 1.0, 1.0), "", "not stated"),
        ),
        max_upscale=1.2,
        validation_share=0.25,
        split_seed=3,
    )


def test_an_absolute_path_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "sources.toml").write_text(f'[[source]]\npath = "{tmp_path.as_posix()}/elsewhere"')
    (folder,) = read_sources(tmp_path / "sources.toml").folders
    assert folder.path == tmp_path / "elsewhere"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "source: Field required"),
        ("source = []", "source: Tuple|source: List should have at least 1 item"),
        ("[[source]]", r"source\.0\.path: Field required"),
        ('[[source]]\npath = "a"\nweight = 0', r"source\.0\.weight: Input should be greater than 0"),
        ('[[source]]\npath = "a"\nwieght = 1', r"source\.0\.wieght: Unexpected keyword argument"),
        ('[[source]]\npath = "a"\nregion = [0, 0, 1]', r"source\.0\.region"),
        ('upscale = 2\n[[source]]\npath = "a"', "upscale: Extra inputs are not permitted"),
        (
            'max_upscale = 0.5\n[[source]]\npath = "a"',
            "max_upscale: Input should be greater than or equal to 1",
        ),
        ('validation_share = 1\n[[source]]\npath = "a"', "validation_share: Input should be less than 1"),
        ('[[source]\npath = "a"', "not a TOML file"),
    ],
)
def test_a_wrong_entry_is_named(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "sources.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=why) as error:
        read_sources(path)
    assert str(error.value).startswith(f"{path}: ")


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing\.toml: No such file"):
        read_sources(tmp_path / "missing.toml")
    with pytest.raises(DataError, match="Is a directory"):
        read_sources(tmp_path)
    (tmp_path / "image.toml").write_bytes(b"\x89PNG\r\n\xff")
    with pytest.raises(DataError, match=r"image\.toml: not a TOML file"):
        read_sources(tmp_path / "image.toml")


@pytest.mark.parametrize("name", ["compact", "labelled"])
def test_what_ships_was_trained_on_sources_whose_terms_are_stated(name: str) -> None:
    sources = read_sources(ROOT / "checkpoints" / f"{name}.toml")
    assert [folder.name for folder in sources.folders] == ["gavet", "cwru"]
    assert all(folder.terms not in {"", "not stated"} for folder in sources.folders)


@pytest.mark.parametrize("name", ["compact-clinic", "labelled-clinic"])
def test_a_variant_with_the_clinic_was_trained_on_all_and_its_card_tells_the_terms(name: str) -> None:
    sources = read_sources(ROOT / "checkpoints" / f"{name}.toml")
    card = read_card(ROOT / "checkpoints" / f"{name}.safetensors")
    assert [folder.name for folder in sources.folders] == ["gavet", "cwru", "strip", "clinic"]
    assert [source.name for source in card.data.sources] == ["gavet", "cwru", "strip", "clinic"]
    for folder, source in zip(sources.folders, card.data.sources, strict=True):
        assert (folder.weight, folder.terms) == (source.weight, source.terms)
    assert "clinic: not stated" in card.data.terms


def test_folders_may_have_a_weight() -> None:
    assert parse_folders(["scans", "more=0.5", "a=b=2"]) == (
        ImageFolder(Path("scans")),
        ImageFolder(Path("more"), 0.5),
        ImageFolder(Path("a=b"), 2.0),
    )


def test_a_weight_that_is_no_number_is_refused() -> None:
    with pytest.raises(DataError, match="more=much: the weight after = is not a number: much"):
        parse_folders(["more=much"])


def test_the_sources_of_a_card_make_its_data_set_again(tmp_path: Path) -> None:
    write_blobs(tmp_path / "made-up" / "images", 4)
    sources = Sources((ImageFolder(tmp_path / "made-up", terms="none"),), validation_share=0.25)
    dataset = sources.load()
    card = make_card()
    card = card.model_copy(update={"data": card.data.model_copy(update={"sources": dataset.sources})})
    for data in (tmp_path, tmp_path / "made-up"):
        again = sources_of_card(card, data).load()
        assert again.digest == dataset.digest
        assert [image.file for image in again.held_out] == [image.file for image in dataset.held_out]
        assert again.sources == dataset.sources


def test_missing_sources_of_a_card_are_listed(tmp_path: Path) -> None:
    write_blobs(tmp_path / "one", 2)
    card = make_card()
    entries = tuple(
        Source(name=name, images=2, held_out=1, left_out=0, weight=1.0) for name in ("one", "two", "three")
    )
    card = card.model_copy(update={"data": card.data.model_copy(update={"sources": entries})})
    with pytest.raises(DataError, match="on the folders one, two, three; missing here: two, three"):
        sources_of_card(card, tmp_path)
