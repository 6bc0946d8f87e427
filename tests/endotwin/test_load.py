"""`import endotwin`: what a user calls first."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from absent_packages import without_packages

import endotwin
from endotwin.catalogue import ChoiceError
from endotwin.generator.card_file import CheckpointError
from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.sampler import Sampler

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def one_folder(labelled_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have `tiny` and `tiny-labelled` as the checkpoints that are here; return their folder."""
    monkeypatch.setenv("ENDOTWIN_CHECKPOINT_DIR", str(labelled_checkpoint.parent))
    return labelled_checkpoint.parent


def test_the_same_images_by_name_and_by_file(one_folder: Path, tiny_checkpoint: Path) -> None:
    expected = Sampler(load_checkpoint(tiny_checkpoint)).images(seed=7, count=4, start=30)
    assert expected.shape == (4, 128, 128)
    for checkpoint in ("tiny", tiny_checkpoint, str(tiny_checkpoint)):
        images = endotwin.load(checkpoint, device="cpu").images(seed=7, count=4, start=30)
        assert np.array_equal(images, expected)


def test_a_shipped_checkpoint_by_its_name() -> None:
    assert endotwin.load("compact").images(seed=7, count=1).shape == (1, 128, 128)


def test_the_snippet_of_the_readme() -> None:
    [snippet] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(snippet, names)
    assert names["images"].shape == (4, 128, 128)


def test_what_is_not_there_is_refused(one_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ChoiceError, match="there is no model 'compact'; there are tiny, tiny-labelled"):
        endotwin.load("compact")
    with pytest.raises(ChoiceError, match="the device must be auto, cpu, cuda or cuda:INDEX, got 'tpu'"):
        endotwin.load("tiny", device="tpu")
    with pytest.raises(CheckpointError, match="no such file"):
        endotwin.load(tmp_path / "mine.safetensors")


def test_the_import_loads_nothing_heavy() -> None:
    code = "import sys, endotwin; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "scipy", "pydantic", "PIL"} & set(done.stdout.split())


def test_a_client_takes_neither_torch_nor_the_service() -> None:
    absent = ["torch", "scipy", "numba", "bentoml", "fastapi", "starlette", "monai", "boto3"]
    use = "import endotwin; endotwin.Client; endotwin.AsyncClient; endotwin.Sample"
    subprocess.run([sys.executable, "-c", without_packages(absent, use)], check=True)
