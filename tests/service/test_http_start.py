"""A service that cannot do its work does not start, and says why."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from live_server import (
    KUBERNETES,
    PATIENCE_SECONDS,
    ROOT,
    LiveServer,
)
from safetensors.torch import load_file, save_file

from endotwin.generator.card_file import _DIGEST_KEY, CheckpointError, card_digest
from endotwin.generator.checkpoint import _CARD_KEY, load_checkpoint, save_checkpoint
from endotwin.settings import _KUBERNETES, Settings, SettingsError, load_settings, variable
from service.runtime import check_start, start_runtime

Setter = Callable[..., None]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Setter:
    """Return a function that sets ENDOTWIN_ variables; the checkpoint folder is an empty one at first."""

    def put(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"ENDOTWIN_{name.upper()}", value)

    for name in [name for name in os.environ if name.startswith("ENDOTWIN_")]:
        monkeypatch.delenv(name)
    put(checkpoint_dir=str(tmp_path))
    return put


def copy_as(path: Path, name: str, checkpoint: Path) -> None:
    loaded = load_checkpoint(checkpoint)
    save_checkpoint(path, loaded.generator, loaded.card.model_copy(update={"name": name}))


def copy_unscored(path: Path, checkpoint: Path) -> None:
    card = load_checkpoint(checkpoint).card.model_copy(update={"fid": None})
    text, tensors = card.model_dump_json(), load_file(checkpoint)
    save_file(tensors, path, metadata={_CARD_KEY: text, _DIGEST_KEY: card_digest(text, tensors)})


WRONG_SETTINGS = {
    "max_images": ("0", "ENDOTWIN_MAX_IMAGES: .* greater than or equal to 1, got '0'"),
    "max_streams": ("many", "ENDOTWIN_MAX_STREAMS: .*, got 'many'"),
    "device": ("tpu", "ENDOTWIN_DEVICE: .*cuda.*, got 'tpu'"),
    "max_image": (
        "10",
        "unknown setting ENDOTWIN_MAX_IMAGE; did you mean ENDOTWIN_MAX_IMAGES. There are .*_IMAGES",
    ),
    "checkpoint_dir": ("nowhere", "ENDOTWIN_CHECKPOINT_DIR: .*nowhere"),
    "default_model": ("huge", "ENDOTWIN_DEFAULT_MODEL: no model 'huge'; there are tiny"),
}


@pytest.mark.parametrize("name", WRONG_SETTINGS)
def test_wrong_setting(settings: Setter, tmp_path: Path, tiny_checkpoint: Path, name: str) -> None:
    copy_as(tmp_path / "tiny.safetensors", "tiny", tiny_checkpoint)
    value, message = WRONG_SETTINGS[name]
    settings(**{name: value})
    with pytest.raises(SettingsError, match=message):
        check_start(load_settings())


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_gpu_that_is_not_there(
    settings: Setter, tmp_path: Path, tiny_checkpoint: Path, device: str
) -> None:
    copy_as(tmp_path / "tiny.safetensors", "tiny", tiny_checkpoint)
    settings(device=device)
    with pytest.raises(SettingsError, match=f"ENDOTWIN_DEVICE={device}, but torch sees no GPU"):
        check_start(load_settings())


def test_empty_variable_is_no_setting(settings: Setter) -> None:
    settings(device="", default_model="")
    assert load_settings().device == "auto"
    assert load_settings().default_model is None


def test_variable_of_the_tests_is_no_setting(settings: Setter) -> None:
    settings(data="somewhere")
    assert load_settings()


def test_variables_of_kubernetes_are_ignored_with_one_line(
    settings: Setter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="endotwin")
    for name, value in KUBERNETES.items():
        monkeypatch.setenv(name, value)
    settings(max_images="7")
    assert load_settings().max_images == 7
    [record] = caplog.records
    assert all(name in record.getMessage() for name in KUBERNETES)
    load_settings(quiet=True)
    assert len(caplog.records) == 1


def test_a_service_starts_in_a_pod_of_kubernetes_with_one_line(restarted: LiveServer) -> None:
    lines = [line for line in restarted.log().splitlines() if "Kubernetes" in line]
    assert len(lines) == 1
    assert "ENDOTWIN_SERVICE_HOST" in lines[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", "3000"), ("port_3000_tcp", "yes"), ("service_hosts", "10.0.0.1"), ("service", "endotwin")],
)
def test_unknown_settings_that_kubernetes_does_not_set_are_errors(
    settings: Setter, name: str, value: str
) -> None:
    settings(**{name: value})
    with pytest.raises(SettingsError, match=f"unknown setting ENDOTWIN_{name.upper()};"):
        load_settings()


def test_no_setting_is_taken_for_a_variable_of_kubernetes() -> None:
    for field in Settings.model_fields:
        assert not _KUBERNETES.fullmatch(f"{variable(field)}=tcp://10.0.0.1:3000")


def test_broken_checkpoint(settings: Setter, tmp_path: Path, tiny_checkpoint: Path) -> None:
    path = tmp_path / "broken.safetensors"
    path.write_bytes(tiny_checkpoint.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"broken\.safetensors"):
        check_start(load_settings())


def test_unscored_checkpoint_is_served_only_if_allowed(
    settings: Setter, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    copy_unscored(tmp_path / "unscored.safetensors", tiny_checkpoint)
    with pytest.raises(CheckpointError, match="no recorded FID"):
        check_start(load_settings())
    settings(allow_unscored="true")
    runtime = start_runtime(load_settings())
    try:
        assert runtime.models.default.fid is None
    finally:
        runtime.close()


def test_two_checkpoints_of_one_name(settings: Setter, tmp_path: Path, tiny_checkpoint: Path) -> None:
    copy_as(tmp_path / "a.safetensors", "tiny", tiny_checkpoint)
    copy_as(tmp_path / "b.safetensors", "tiny", tiny_checkpoint)
    with pytest.raises(SettingsError, match=r"a\.safetensors and .*b\.safetensors.*'tiny'"):
        check_start(load_settings())


def test_default_among_several_models(settings: Setter, tmp_path: Path, tiny_checkpoint: Path) -> None:
    copy_as(tmp_path / "a.safetensors", "alpha", tiny_checkpoint)
    copy_as(tmp_path / "b.safetensors", "beta", tiny_checkpoint)
    with pytest.raises(SettingsError, match="ENDOTWIN_DEFAULT_MODEL to one of alpha, beta"):
        check_start(load_settings())
    copy_as(tmp_path / "c.safetensors", "compact", tiny_checkpoint)
    check_start(load_settings())
    settings(default_model="beta")
    runtime = start_runtime(load_settings())
    try:
        assert runtime.models.default.name == "beta"
        assert runtime.models.names == ["alpha", "beta", "compact"]
    finally:
        runtime.close()


def test_importing_the_package_loads_neither_bentoml_nor_torch() -> None:
    modules = "{'bentoml', 'torch', 'fastapi'}"
    code = f"import sys, service.__main__, service.process; assert not {modules} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=PATIENCE_SECONDS)
