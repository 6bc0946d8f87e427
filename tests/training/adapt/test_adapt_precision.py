"""In which precision an adaptation trains, and that a run that has begun keeps its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from endotwin.generator.architectures import PRESETS
from training.adapt.learning import begun_or, fastest_precision
from training.learning.run_folder import RunFolder
from training.learning.settings import Precision, TrainingSettings


@pytest.mark.parametrize(
    ("device", "instructions", "expected"),
    [
        ("cpu", {"avx512_bf16": True}, "bfloat16"),
        ("cpu", {"amx_bf16": True, "avx512_bf16": False}, "bfloat16"),
        ("cpu", {"avx2": True}, "float32"),
        ("cuda", {"avx512_bf16": True}, "float32"),
    ],
    ids=["avx512", "amx", "neither", "gpu"],
)
def test_bfloat16_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, device: str, instructions: dict[str, bool], expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions)
    assert fastest_precision(device) == expected


@pytest.mark.parametrize("begun", ["float32", "bfloat16"])
def test_a_run_that_has_begun_keeps_its_precision(tmp_path: Path, begun: Precision) -> None:
    other: Precision = "bfloat16" if begun == "float32" else "float32"
    chosen, earlier = (
        TrainingSettings(architecture=PRESETS["labelled"], recipe="rendered", precision=precision)
        for precision in (other, begun)
    )
    assert begun_or(chosen, tmp_path, "images") == chosen
    RunFolder.of(tmp_path, earlier, "images").save_state({})
    assert begun_or(chosen, tmp_path, "images") == earlier
    assert begun_or(chosen, tmp_path, "other images") == chosen
