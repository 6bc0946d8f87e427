"""The folder of a run: its name, its state, its statistics, and what a kill leaves of them."""

from __future__ import annotations

import json
import os
import pickle
import re
from pathlib import Path

import pytest
import torch
from failing_system import no_file_larger_than
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pickle_bomb import Bomb
from PIL import Image

from endotwin.generator.compact import MosaicArchitecture
from endotwin.generator.dcgan import DcganArchitecture
from training.learning.run_folder import RunError, RunFolder
from training.learning.settings import TrainingSettings

IMAGES = "0" * 64
BASE = TrainingSettings()
STATE = {"images": 32, "weights": torch.arange(10_000.0)}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.of(tmp_path / "runs", BASE, IMAGES)


def test_the_name_tells_the_configuration(folder: RunFolder) -> None:
    assert re.fullmatch(r"compact-projected-b16-s0-[0-9a-f]{8}", folder.path.name)
    assert folder.path.is_dir()


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"architecture": MosaicArchitecture(width=8)},
        {"architecture": DcganArchitecture()},
        {"recipe": "paper"},
        {"batch": 8},
        {"learning_rate": 1e-4},
        {"generator_rate": 1e-4},
        {"generator_waits": 16},
        {"average_half_life": 100},
        {"seed": 1},
        {"precision": "bfloat16"},
    ],
)
def test_other_settings_have_another_folder(change: dict[str, object]) -> None:
    other = TrainingSettings.model_validate(BASE.model_dump() | change)
    assert RunFolder.name_of(other, IMAGES) != RunFolder.name_of(BASE, IMAGES)


def test_other_images_have_another_folder_and_a_longer_run_the_same() -> None:
    assert RunFolder.name_of(BASE, "1" * 64) != RunFolder.name_of(BASE, IMAGES)
    longer = BASE.model_copy(update={"images": 10**6})
    assert RunFolder.name_of(longer, IMAGES) == RunFolder.name_of(BASE, IMAGES)


def test_a_state_comes_back(folder: RunFolder) -> None:
    assert folder.load_state("cpu") is None
    folder.save_state(STATE)
    found = folder.load_state("cpu")
    assert found is not None
    assert found["images"] == 32
    assert torch.equal(found["weights"], STATE["weights"])
    assert [path.name for path in folder.path.iterdir()] == ["state.pt"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_truncated_state_is_refused_with_what_to_do(share: float, folder: RunFolder) -> None:
    folder.save_state(STATE)
    content = folder.state_path.read_bytes()
    folder.state_path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(RunError, match="remove it to start the run again") as error:
        folder.load_state("cpu")
    assert str(error.value).startswith(f"{folder.state_path}: cannot be read")


@pytest.mark.parametrize("content", [b"text", b"PK\x03\x04" + b"\0" * 100, b"\x80\x02."])
def test_a_state_that_is_none_is_refused(content: bytes, folder: RunFolder) -> None:
    folder.state_path.write_bytes(content)
    with pytest.raises(RunError, match="cannot be read"):
        folder.load_state("cpu")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_that_would_run_code_is_refused_and_not_run(zipped: bool, folder: RunFolder) -> None:
    marker = folder.path / "unpickled"
    torch.save({"images": Bomb(marker)}, folder.state_path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(RunError, match="cannot be read"):
        folder.load_state("cpu")
    folder.state_path.write_bytes(pickle.dumps(Bomb(marker)))
    with pytest.raises(RunError, match="cannot be read"):
        folder.load_state("cpu")
    assert not marker.exists()


def test_a_state_that_cannot_be_written_leaves_the_one_before(folder: RunFolder) -> None:
    folder.save_state(STATE)
    with no_file_larger_than(20_000), pytest.raises((OSError, RuntimeError)):
        folder.save_state(STATE | {"images": 64, "weights": torch.arange(50_000.0)})
    found = folder.load_state("cpu")
    assert found is not None
    assert found["images"] == 32
    assert [path.name for path in folder.path.iterdir()] == ["state.pt"]


def test_statistics_are_lines_of_json(folder: RunFolder) -> None:
    assert folder.read_statistics() == []
    records = [{"images": 16, "loss": 0.5}, {"images": 32, "quick_fid": 200.25}]
    for record in records:
        folder.append_statistics(record)
    assert folder.read_statistics() == records
    assert [json.loads(line) for line in folder.statistics_path.read_text().splitlines()] == records


def test_what_a_kill_left_is_cleared(folder: RunFolder) -> None:
    folder.save_state(STATE)
    for images in (16, 32, 48):
        folder.append_statistics({"images": images})
    with folder.statistics_path.open("a") as file:
        file.write('{"images": 64, "lo')
    half = folder.path / f".state.pt.{os.getpid()}.tmp"
    half.write_bytes(b"half a state")
    folder.clear_after(32)
    assert folder.statistics_path.read_text() == '{"images": 16}\n{"images": 32}\n'
    assert not half.exists()
    folder.append_statistics({"images": 48})
    assert [record["images"] for record in folder.read_statistics()] == [16, 32, 48]


def test_a_new_folder_has_nothing_to_clear(folder: RunFolder) -> None:
    folder.clear_after(0)
    assert list(folder.path.iterdir()) == []


def test_pictures_and_texts_are_written_whole(folder: RunFolder) -> None:
    folder.save_grid("00000016.png", Image.new("L", (20, 10), 7))
    folder.write_text("settings.json", BASE.model_dump_json())
    with Image.open(folder.path / "samples" / "00000016.png") as image:
        assert (image.size, image.getpixel((0, 0))) == ((20, 10), 7)
    text = (folder.path / "settings.json").read_text(encoding="utf-8")
    assert TrainingSettings.model_validate_json(text) == BASE
    names = {str(path.relative_to(folder.path)) for path in folder.path.rglob("*") if path.is_file()}
    assert names == {"samples/00000016.png", "settings.json"}
