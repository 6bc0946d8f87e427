"""One way to choose a device and one to describe it, for settings and options."""

from __future__ import annotations

import pytest
import torch

from endotwin.generator.device import describe_device, resolve_device
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
