"""Building a blind test: what is in it, that it comes again, and that files do not tell their class."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from blind_sets import build_set, drawn_dataset
from PIL import Image
from scipy.stats import binom, spearmanr
from trivial_classifier import accuracies, attributes

from endotwin.files import OutputError
from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.sampler import Sampler
from training.blind_test.blind_set import (
    IMAGES_FOLDER,
    KEY_FILE,
    SET_FILE,
    AnswerKey,
    BlindTestError,
    BlindTestPlan,
    Origin,
    read_answer_key,
    read_blind_set,
)
from training.blind_test.build import build_blind_test
from training.data.crops import draw_crops
from training.data.sources import sources_of_card
from training.data.split import load_dataset
from training.random_streams import Purpose, stream


@pytest.fixture(scope="module")
def built(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AnswerKey]:
    folder = tmp_path_factory.mktemp("built")
    return folder / "set", build_set(tiny_checkpoint, folder, generated=150, real=150)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def classes_of(key: AnswerKey, names: list[str]) -> np.ndarray:
    return np.array([key.images[name].kind is Origin.REAL for name in names])


def assert_at_chance(found: dict[str, float], tested: int) -> None:
    low, high = binom.interval(0.999, tested, 0.5)
    for name, accuracy in found.items():
        assert low / tested <= accuracy <= high / tested, f"{name}: {accuracy}"


def test_set_holds_what_was_asked_for(built: tuple[Path, AnswerKey]) -> None:
    folder, key = built
    blind_set = read_blind_set(folder)
    kinds = [entry.kind for entry in key.images.values()]
    assert (kinds.count(Origin.GENERATED), kinds.count(Origin.REAL)) == (150, 150)
    assert read_answer_key(folder / KEY_FILE, blind_set) == key
    assert {path.stem for path in (folder / IMAGES_FOLDER).iterdir()} == set(blind_set.images)
    assert (folder / KEY_FILE).stat().st_mode & 0o077 == 0


def test_key_is_right(built: tuple[Path, AnswerKey], tiny_checkpoint: Path) -> None:
    """The order of an image's pixels identifies which generated image or which crop it was made of."""
    folder, key = built
    generated = Sampler(load_checkpoint(tiny_checkpoint)).images(0, 150)
    dataset = drawn_dataset(folder.parent / "photographs")
    crops = draw_crops(dataset.training, 150, stream(0, Purpose.BLIND_TEST_CROPS))
    for name in read_blind_set(folder).images[:40]:
        entry = key.images[name]
        source = (generated if entry.kind is Origin.GENERATED else crops)[entry.index]
        pixels = np.asarray(Image.open(folder / IMAGES_FOLDER / f"{name}.png"))
        assert spearmanr(source.ravel(), pixels.ravel()).statistic > 0.98


def test_what_the_page_may_know_holds_no_class(built: tuple[Path, AnswerKey]) -> None:
    text = (built[0] / SET_FILE).read_text()
    assert "real" not in text
    assert "generated" not in text
    assert "seed" not in text


def test_same_bytes_again_and_others_with_another_seed(tiny_checkpoint: Path, tmp_path: Path) -> None:
    build_set(tiny_checkpoint, tmp_path / "one", 5, 7)
    build_set(tiny_checkpoint, tmp_path / "two", 5, 7)
    build_set(tiny_checkpoint, tmp_path / "three", 5, 7, seed=1)
    one, two, three = (contents(tmp_path / name / "set") for name in ("one", "two", "three"))
    assert one == two
    assert len(one) == 14
    assert not set(one) & set(three) - {SET_FILE, KEY_FILE}


def test_files_do_not_tell_their_class(built: tuple[Path, AnswerKey]) -> None:
    folder, key = built
    names = sorted(key.images)
    features = attributes(folder / IMAGES_FOLDER, names)
    assert_at_chance(accuracies(features, classes_of(key, names), np.random.default_rng(0)), 150)


def test_files_as_they_come_would_tell_it(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """The classifier of the test above finds the class where nothing hides it."""
    generated = Sampler(load_checkpoint(tiny_checkpoint)).images(0, 60)
    crops = draw_crops(drawn_dataset(tmp_path / "photographs").training, 60, np.random.default_rng(0))
    names = [f"{number:016x}" for number in np.random.default_rng(1).permutation(120)]
    for name, pixels in zip(names, [*generated, *crops], strict=True):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    found = accuracies(attributes(tmp_path, names), np.arange(120) >= 60, np.random.default_rng(0))
    assert min(found.values()) > 0.9


def test_every_file_has_one_size_one_time_and_nothing_but_pixels(built: tuple[Path, AnswerKey]) -> None:
    files = list((built[0] / IMAGES_FOLDER).iterdir())
    assert len({(path.stat().st_size, path.stat().st_mtime_ns, path.stat().st_mode) for path in files}) == 1
    for path in files[:10]:
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            assert (image.mode, image.size, image.info) == ("L", (128, 128), {})


def test_real_files_do_not_tell_their_class(real_data: Path, tmp_path: Path) -> None:
    """The same with the shipped checkpoint and the images that it was trained on."""
    root = Path(__file__).resolve().parents[3]
    checkpoint = load_checkpoint(root / "checkpoints" / "compact.safetensors")
    dataset = sources_of_card(checkpoint.card, real_data).load()
    key = build_blind_test(checkpoint, dataset, tmp_path / "set", BlindTestPlan(generated=160, real=160))
    assert key.same_data_as_checkpoint
    names = sorted(key.images)
    features = attributes(tmp_path / "set" / IMAGES_FOLDER, names)
    assert_at_chance(accuracies(features, classes_of(key, names), np.random.default_rng(0)), 160)


def test_held_out_crops_are_of_held_out_images(tiny_checkpoint: Path, tmp_path: Path) -> None:
    dataset = drawn_dataset(tmp_path / "photographs")
    plan = BlindTestPlan(generated=2, real=4, real_from="held-out")
    key = build_blind_test(load_checkpoint(tiny_checkpoint), dataset, tmp_path / "set", plan)
    crops = draw_crops(dataset.held_out, 4, stream(0, Purpose.BLIND_TEST_CROPS))
    assert key.real_images == len(dataset.held_out) == 1
    for name, entry in key.images.items():
        if entry.kind is Origin.REAL:
            pixels = np.asarray(Image.open(tmp_path / "set" / IMAGES_FOLDER / f"{name}.png"))
            assert spearmanr(crops[entry.index].ravel(), pixels.ravel()).statistic > 0.98


def test_held_out_crops_need_held_out_images(tiny_checkpoint: Path, tmp_path: Path) -> None:
    drawn_dataset(tmp_path / "photographs")
    folder = sources_of_card(load_checkpoint(tiny_checkpoint).card, tmp_path / "photographs").folders[0]
    dataset = load_dataset([folder], validation_share=0)
    with pytest.raises(BlindTestError, match="no image is held out"):
        build_blind_test(
            load_checkpoint(tiny_checkpoint), dataset, tmp_path / "set", BlindTestPlan(real_from="held-out")
        )
    assert not (tmp_path / "set").exists()


def test_a_full_folder_is_left_alone(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="set: the folder is not empty"):
        build_set(tiny_checkpoint, tmp_path, 1, 1)
    assert contents(tmp_path / "set") == {"thesis.txt": b"mine"}


def test_an_interrupted_build_leaves_nothing(tiny_checkpoint: Path, tmp_path: Path) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    dataset = drawn_dataset(tmp_path / "photographs")
    with pytest.raises(KeyboardInterrupt):
        build_blind_test(
            load_checkpoint(tiny_checkpoint), dataset, tmp_path / "set", BlindTestPlan(), progress=interrupt
        )
    assert [path.name for path in tmp_path.iterdir()] == ["photographs"]
