"""The folder of checkpoints, read again while the service runs."""

from __future__ import annotations

import json
import logging
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from live_server import Client, LiveServer, wait_for
from prometheus_client import REGISTRY
from safetensors.torch import load_file, save_file
from tiny_checkpoints import TINY, make_card

from endotwin.generator.architectures import build_generator
from endotwin.generator.checkpoint import load_checkpoint, save_checkpoint
from endotwin.generator.sampler import Sampler
from endotwin.image_range import BATCH, ImageRange
from endotwin.settings import Settings, SettingsError
from service.process import _read_models_again
from service.runtime import Runtime, start_runtime

Start = Callable[..., Runtime]


def write(path: Path, name: str, seed: int = 0, fid: float = 100.0) -> None:
    torch.manual_seed(seed)
    save_checkpoint(path, build_generator(TINY), make_card(name, fid))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    write(folder / "one.safetensors", "one")
    write(folder / "two.safetensors", "two", seed=2)
    return folder


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Return a function that starts a runtime of the folder, with `one` as its default."""
    runtimes = []

    def start(**settings: object) -> Runtime:
        chosen = {"checkpoint_dir": folder, "default_model": "one", "device": "cpu", **settings}
        runtimes.append(start_runtime(Settings(**chosen)))
        return runtimes[-1]

    yield start
    for runtime in runtimes:
        runtime.close()


def reloads(outcome: str) -> float:
    return REGISTRY.get_sample_value("endotwin_reloads_total", {"outcome": outcome}) or 0.0


def read_again(runtime: Runtime) -> dict[str, str]:
    """Read the folder again; return the digest of every model by name."""
    runtime.read_models_again().result()
    return {model.name: model.generator_sha256 for model in runtime.models}


def test_what_is_new_replaced_or_gone(start: Start, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="endotwin")
    runtime = start()
    before = {model.name: model for model in runtime.models}
    complete = reloads("complete")
    write(folder / "three.safetensors", "three", seed=3)
    write(folder / "one.safetensors", "one", seed=4)
    (folder / "two.safetensors").unlink()
    digests = read_again(runtime)
    assert set(digests) == {"one", "three"}
    assert digests["one"] == load_checkpoint(folder / "one.safetensors").generator_sha256
    assert digests["one"] != before["one"].generator_sha256
    assert reloads("complete") == complete + 1
    assert "models: read again: two is gone, one is replaced, three is new" in caplog.text
    kept = runtime.models
    read_again(runtime)
    assert runtime.models is kept
    assert "models: read again: nothing has changed" in caplog.text


def test_a_new_score_or_name_of_a_file_loads_no_more_than_it_must(start: Start, folder: Path) -> None:
    runtime = start()
    one = runtime.models.default
    (folder / "one.safetensors").rename(folder / "moved.safetensors")
    write(folder / "two.safetensors", "two", seed=2, fid=50.0)
    read_again(runtime)
    assert runtime.models.default is one
    two = runtime.models.get("two")
    assert two is not None
    assert two.fid == 50.0


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def without_card(path: Path) -> None:
    save_file(load_file(path), path, metadata={"endotwin_card": "{"})


def of_another_name(path: Path) -> None:
    write(path, "two", seed=9)


def not_a_file(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [truncated, empty, without_card, of_another_name, not_a_file])
def test_a_bad_file_takes_no_good_one_down(
    start: Start, folder: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    runtime = start()
    before = list(runtime.models)
    partial = reloads("partial")
    spoil(folder / "one.safetensors")
    write(folder / "three.safetensors", "three", seed=3)
    assert set(read_again(runtime)) == {"one", "two", "three"}
    assert [model for model in runtime.models if model.name != "three"] == before
    assert reloads("partial") == partial + 1
    assert str(folder / "one.safetensors") in caplog.text
    if spoil is not_a_file:
        (folder / "one.safetensors").rmdir()
    write(folder / "one.safetensors", "one", seed=8)
    read_again(runtime)
    assert runtime.models.default is not before[0]


def test_without_its_default_nothing_changes(
    start: Start, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = start()
    before = runtime.models
    failed = reloads("failed")
    (folder / "one.safetensors").unlink()
    write(folder / "two.safetensors", "two", seed=7)
    reading = runtime.read_models_again().result()
    assert (reading.outcome, reading.changes) == ("failed", [])
    assert runtime.models is before
    assert "models: ENDOTWIN_DEFAULT_MODEL: no model 'one'; there are two" in caplog.text
    shutil.rmtree(folder)
    read_again(runtime)
    assert runtime.models is before
    assert reloads("failed") == failed + 2
    folder.mkdir()
    write(folder / "one.safetensors", "one", seed=7)
    assert set(read_again(runtime)) == {"one"}


def test_the_default_of_the_start_stays_where_no_setting_names_one(
    start: Start, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "one.safetensors").unlink()
    runtime = start(default_model=None)
    write(folder / "compact.safetensors", "compact", seed=3)
    assert set(read_again(runtime)) == {"compact", "two"}
    assert runtime.models.default.name == "two"
    before = runtime.models
    (folder / "two.safetensors").unlink()
    reading = runtime.read_models_again().result()
    assert (reading.outcome, reading.changes) == ("failed", [])
    assert runtime.models is before
    assert (
        "models: the default model 'two' would be gone; there are compact, and only a restart"
        in caplog.text
    )


def test_running_streams_end_with_the_generator_they_began_with(
    start: Start, folder: Path, serve_runtime: Callable[[Runtime], Client]
) -> None:
    runtime = start()
    client = serve_runtime(runtime)
    old = Sampler(load_checkpoint(folder / "one.safetensors"))
    with client.open_stream("n=600&seed=7&format=npy") as stream:
        write(folder / "one.safetensors", "one", seed=4)
        read_again(runtime)
        body = b"".join(iter(lambda: stream.recv(1 << 20), b""))
    last = old.batch(ImageRange(7, 592, 8)).images
    assert body.endswith(last.tobytes())
    new = client.generate("n=16&seed=7&format=npy").images
    assert not np.array_equal(new, old.images(7, BATCH))


def test_a_signal_ends_no_service_that_lacks_memory_for_a_thread(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = start()

    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    _read_models_again(runtime)
    assert "models: cannot be read again: can't start new thread" in caplog.text


def test_two_devices_make_one_service(start: Start, folder: Path) -> None:
    runtime = start(device="cpu,cpu")
    runtime.check_models().result()
    model = runtime.models.default
    assert len(model.samplers) == 2
    assert all(sampler.independent for sampler in model.samplers)
    expected = Sampler(load_checkpoint(folder / "one.safetensors")).images(7, 5)
    futures = [runtime.device.generate(model, ImageRange(7, 0, 5), None) for _ in range(6)]
    assert all(future.result().images.tobytes() == expected.tobytes() for future in futures)


def test_devices_that_make_other_bytes_are_refused(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = iter("abcd")
    monkeypatch.setattr(Sampler, "try_out", lambda sampler, rows: next(digests))
    with pytest.raises(SettingsError, match="ENDOTWIN_DEVICE=cpu,cpu: they make different bytes of one"):
        start(device="cpu,cpu")


def test_a_model_whose_images_depend_on_each_other_is_served_and_said_so(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Sampler, "check", lambda sampler: None)  # leaves `independent` as it is
    runtime = start()
    runtime.check_models().result()
    assert not runtime.models.default.samplers[0].independent
    assert REGISTRY.get_sample_value("endotwin_batches_shared", {"model": "one"}) == 0
    assert "model one: on this device an image depends on its place in the batch" in caplog.text


def test_a_service_is_ready_before_requests_share_and_bytes_are_the_same(start: Start) -> None:
    runtime = start()
    model = runtime.models.default
    part = ImageRange(7, 3, 2)
    assert model.rows(part) == BATCH
    before = runtime.device.generate(model, part, None).result().images.tobytes()
    runtime.check_models().result()
    assert model.rows(part) == 2
    assert runtime.device.generate(model, part, None).result().images.tobytes() == before
    assert REGISTRY.get_sample_value("endotwin_batches_shared", {"model": "one"}) == 1


def test_nothing_shares_unless_it_may_on_all_devices(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    check = Sampler.check
    runtime = start(device="cpu,cpu")
    model = runtime.models.default
    monkeypatch.setattr(Sampler, "check", lambda sampler: sampler is model.samplers[1] or check(sampler))
    runtime.check_models().result()
    assert model.rows(ImageRange(7, 3, 2)) == BATCH


def test_a_check_that_fails_is_logged_and_nothing_shares(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(sampler: Sampler) -> None:
        raise RuntimeError("the device is busy")

    runtime = start()
    monkeypatch.setattr(Sampler, "check", fail)
    runtime.check_models().result()
    assert (
        "model one: it is not known whether requests can share a batch: the device is busy" in caplog.text
    )
    assert runtime.models.default.rows(ImageRange(7, 3, 2)) == BATCH


def test_sighup_and_an_operator_have_the_folder_read_again(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    server = LiveServer(tmp_path / "home", checkpoint_dir=str(folder), default_model="one")
    try:
        (folder / "two.safetensors").write_bytes(b"not whole yet")
        write(folder / "three.safetensors", "three", seed=3)
        server.processes()[0].send_signal(signal.SIGHUP)
        wait_for(lambda: server.metric("endotwin_reloads_total") == 1, "the folder to be read again")
        assert server.request("/models/three", "GET").status == 200
        assert server.request("/models/two", "GET").status == 200
        assert server.generate("n=3&model=three").status == 200
        problem = "two.safetensors: truncated or not a safetensors file"
        assert problem in server.log()
        write(folder / "one.safetensors", "one", seed=5)
        said = json.loads(server.request("/admin/reload").body)
        assert (said["outcome"], said["changes"]) == ("partial", ["one is replaced"])
        assert said["models"] == ["one", "three", "two"]
        [found] = said["problems"]
        assert problem in found
    finally:
        server.stop()
