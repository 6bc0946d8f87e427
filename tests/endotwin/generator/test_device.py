"""One way to choose a device and one to describe it, for settings and options."""

from __future__ import annotations

import re

import pytest
import torch

from endotwin.generator.device import (
    describe_device,
    device_problem,
    resolve_device,
    resolve_devices,
)
from endotwin.settings import SettingsError


def test_the_cpu_is_chosen_and_described() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert describe_device("cpu") == describe_device(torch.device("cpu"))
    assert describe_device("cpu") == f"cpu {torch.backends.cpu.get_cpu_capability()}"


@pytest.mark.parametrize("gpus", [0, 2])
def test_auto_takes_a_gpu_if_there_is_one(gpus: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert resolve_device("auto") == torch.device("cuda:0" if gpus else "cpu")
    assert resolve_device("cpu") == torch.device("cpu")
    if gpus:
        assert resolve_device("cuda") == torch.device("cuda:0")
        assert resolve_device("cuda:1") == torch.device("cuda:1")
    found = "2 GPU(s)" if gpus else "no GPU (is there a driver? is it a CPU build of torch?)"
    for option, named in ((None, "ENDOTWIN_DEVICE"), ("--device", "--device")):
        with pytest.raises(SettingsError) as error:
            resolve_device("cuda:2", option)
        assert str(error.value) == f"{named}=cuda:2, but torch sees {found}; `auto` takes what is there"


@pytest.mark.parametrize("name", ["tpu", "cuda:", "cuda:-1", "mps", ""])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=r"^--device: '.*' is not auto, cpu, cuda or cuda:N$"):
        resolve_device(name, "--device")


def test_several_devices_are_of_one_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_devices("cpu") == [torch.device("cpu")]
    assert resolve_devices("cpu,cpu") == [torch.device("cpu")] * 2
    names = {torch.device("cuda:0"): "A", torch.device("cuda:1"): "A", torch.device("cuda:2"): "B"}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(names))
    monkeypatch.setattr(torch.cuda, "get_device_name", names.__getitem__)
    assert resolve_devices("cuda:0,cuda:1") == [torch.device("cuda:0"), torch.device("cuda:1")]
    assert resolve_device("cuda:1,cuda:0") == torch.device("cuda:1")
    for wanted in ("cuda:1,cuda:2", "cpu,cuda:0"):
        with pytest.raises(SettingsError, match=f"ENDOTWIN_DEVICE={wanted}: .*different kinds, .*cuda"):
            resolve_devices(wanted)
    with pytest.raises(SettingsError, match="ENDOTWIN_DEVICE=cuda:3, but torch sees 3"):
        resolve_devices("cuda:0,cuda:3")
    with pytest.raises(SettingsError, match=r"^--device: .cpu,cpu. is not"):
        resolve_device("cpu,cpu", "--device")


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried\nmore"),
            "out of memory: CUDA out of memory. Tried",
        ),
        (MemoryError(), "out of memory: MemoryError"),
        (
            RuntimeError("CUDA error: an illegal memory access\nmore"),
            "the device failed: CUDA error: .*access",
        ),
        (RuntimeError("CUDA error: out of memory"), "out of memory: CUDA error: out of memory"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_MAPPING_ERROR"), "the device failed: cuDNN error: .*"),
        (torch.AcceleratorError("unknown"), "the device failed: unknown"),
    ],
)
def test_what_an_error_says_about_the_device(error: BaseException, problem: str) -> None:
    assert re.fullmatch(problem, device_problem(error).text)
    assert device_problem(error).lasting == problem.startswith("the device failed")


def test_memory_that_the_cpu_lacks_is_a_problem_of_the_device() -> None:
    with pytest.raises(RuntimeError) as error:
        torch.empty(1 << 50, dtype=torch.uint8)
    assert device_problem(error.value).text.startswith("out of memory: ")


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), ZeroDivisionError(), KeyError("CUDA")])
def test_other_errors_say_nothing_about_the_device(error: Exception) -> None:
    assert device_problem(error) is None
