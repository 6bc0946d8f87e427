"""The device and the checkpoints."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from endotwin.doctor.finding import Finding, advice, ok, problem
from endotwin.settings import Settings, SettingsError

_LEAST_GPU_MEMORY = 2e9
_DRIVER = Path("/proc/driver/nvidia/version")


def examine_device(settings: Settings) -> Iterator[Finding]:
    """Yield whether images can be generated on the device that is set."""
    try:
        import torch  # noqa: PLC0415

        from endotwin.generator.device import describe_device, resolve_device  # noqa: PLC0415
    except (ImportError, OSError) as error:
        yield problem("device", f"torch cannot be imported: {error}; install it again")
        return
    with warnings.catch_warnings(record=True) as warned:  # torch says there what is wrong with a driver
        warnings.simplefilter("always")
        usable = torch.cuda.is_available()
    if not usable and (why := _why_no_gpu(torch.version.cuda, [str(one.message) for one in warned])):
        yield advice("driver", why)
    try:
        device = resolve_device(settings.device)
    except SettingsError as error:
        yield problem("device", str(error))
        return
    try:
        torch.ones(16, device=device).sum().item()
    except RuntimeError as error:
        yield problem("device", f"{describe_device(device)} does not compute: {error}")
        return
    text = describe_device(device)
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        text += f", with {free / 1e9:.1f} of {total / 1e9:.1f} GB free"
        if free < _LEAST_GPU_MEMORY:
            yield advice("device", f"{text}; others use it, and a model may not fit")
            return
    yield ok("device", f"{text}, torch {torch.__version__}")


def _why_no_gpu(cuda: str | None, warned: list[str]) -> str | None:
    """Return why torch sees no GPU though there is a driver; None if there is none."""
    if not _DRIVER.exists():
        return None
    if cuda is None:
        return "there is an NVIDIA driver, but this is a CPU build of torch: install one for CUDA"
    said = warned[0] if warned else "may this user open /dev/nvidia*, and is a GPU given to the container?"
    return f"there is an NVIDIA driver, but torch (for CUDA {cuda}) sees no GPU: {said}"


def examine_checkpoints(settings: Settings) -> Iterator[Finding]:
    """Yield for every checkpoint whether it can be served, and which is the default."""
    from endotwin.catalogue import choose_default, recorded_fid  # noqa: PLC0415
    from endotwin.checkpoint_files import checkpoint_paths  # noqa: PLC0415
    from endotwin.generator.card_file import CheckpointError  # noqa: PLC0415
    from endotwin.generator.checkpoint import load_checkpoint  # noqa: PLC0415

    folder = settings.checkpoint_dir
    if folder.is_dir() and not os.access(
        folder, os.R_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids
    ):
        yield problem("checkpoints", f"{folder} cannot be read by this user")
        return
    try:
        paths = checkpoint_paths(folder)
    except SettingsError as error:
        yield problem("checkpoints", str(error))
        return
    names: dict[str, Path] = {}
    for path in paths:
        try:
            card = load_checkpoint(path, require_fid=not settings.allow_unscored).card
        except CheckpointError as error:
            yield problem("checkpoint", str(error))
            continue
        if card.name in names:
            yield problem(
                "checkpoint", f"{names[card.name]} and {path}: both cards have the name {card.name}"
            )
            continue
        names[card.name] = path
        fid = recorded_fid(card)
        yield ok(
            "checkpoint", f"{path.name}: model {card.name}, FID {'none' if fid is None else f'{fid:.2f}'}"
        )
    if names:
        try:
            yield ok("default", f"model {choose_default(names, settings.default_model)}")
        except SettingsError as error:
            yield problem("default", str(error))
