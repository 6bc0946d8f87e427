"""Synthetic images of the human corneal endothelium, with labels, by checkpoint, seed and index.

>>> import endotwin
>>> endotwin.load("compact").images(seed=7, count=4).shape
(4, 128, 128)
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Unpack

    from numpy import ndarray

    from endotwin.client.async_client import AsyncClient
    from endotwin.client.client import Client
    from endotwin.client.errors import (
        ClientError,
        ConnectionFailedError,
        JobFailedError,
        MismatchError,
        ServiceError,
    )
    from endotwin.light_augmentation import LightAugmentation
    from endotwin.loaded_model import LoadedModel
    from endotwin.monai_transforms import LightAugmentationd
    from endotwin.samples.arguments import ConditionArguments, LabelNames
    from endotwin.samples.arrays import Sample
    from endotwin.segmentation.segmentation import Segmentation
    from endotwin.torch_dataset import ImageDataset

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "ConnectionFailedError",
    "JobFailedError",
    "LightAugmentation",
    "LightAugmentationd",
    "MismatchError",
    "Sample",
    "ServiceError",
    "dataset",
    "load",
    "segment",
]

__version__ = "0.1.0"

_MODULES = {
    "AsyncClient": "endotwin.client.async_client",
    "Client": "endotwin.client.client",
    "ClientError": "endotwin.client.errors",
    "ConnectionFailedError": "endotwin.client.errors",
    "JobFailedError": "endotwin.client.errors",
    "LightAugmentation": "endotwin.light_augmentation",
    "LightAugmentationd": "endotwin.monai_transforms",
    "MismatchError": "endotwin.client.errors",
    "Sample": "endotwin.samples.arrays",
    "ServiceError": "endotwin.client.errors",
}
"""Where the names are that take time to import: they are when they are used."""


def __getattr__(name: str) -> Any:
    """Import a name that is used for the first time."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """List what there is, also what is not imported yet."""
    return sorted({*globals(), *__all__})


def load(checkpoint: str | Path, device: str = "auto") -> LoadedModel:
    """Load a checkpoint to generate images with.

    Args:
        checkpoint: name of one that ships or is in ENDOTWIN_CHECKPOINT_DIR, such as `compact`; or the path
            of a `.safetensors` file.
        device: auto (a GPU if there is one), cpu, cuda or cuda:INDEX.

    Raises:
        ChoiceError: there is no checkpoint of that name, or no device can have that name.
        CheckpointError: the file cannot be used.
        SettingsError: the folder of checkpoints or the device is not there.
    """
    # Torch takes seconds to import.
    from endotwin.catalogue import choose_checkpoint, with_device  # noqa: PLC0415
    from endotwin.checkpoint_files import CHECKPOINT_SUFFIX  # noqa: PLC0415
    from endotwin.generator.device import resolve_device  # noqa: PLC0415
    from endotwin.generator.sampler import Sampler  # noqa: PLC0415
    from endotwin.loaded_model import LoadedModel  # noqa: PLC0415
    from endotwin.samples.labelling import PLAIN  # noqa: PLC0415
    from endotwin.settings import load_settings  # noqa: PLC0415

    settings = with_device(load_settings(), device)
    is_file = isinstance(checkpoint, Path) or checkpoint.endswith(CHECKPOINT_SUFFIX)
    model, path = (None, Path(checkpoint)) if is_file else (str(checkpoint), None)
    loaded = choose_checkpoint(settings, PLAIN, model, path)
    return LoadedModel(Sampler(loaded, str(resolve_device(settings.device))))


def dataset(
    checkpoint: str | Path,
    seed: int,
    count: int | None = None,
    start: int = 0,
    *,
    labels: LabelNames = (),
    tensors: bool = True,
    transform: Callable[[dict[str, Any]], Any] | None = None,
    device: str = "cpu",
    rank: int | None = None,
    ranks: int | None = None,
    **conditions: Unpack[ConditionArguments],
) -> ImageDataset:
    """Return a torch IterableDataset of images and labels that are made while it is read.

    Each image comes once, however many DataLoader workers and distributed ranks share the data set. It
    goes on where it was with torchdata's StatefulDataLoader.

    Args:
        checkpoint: as for `load`.
        seed: 0 to 2**64 - 1.
        count: number of images of all ranks together; None for no end.
        start: index of the first image, 0 to 2**53 - 1.
        labels: names such as `["borders", "instances"]`; they take a labelled model.
        tensors: whether items are tensors that a DataLoader collates, float32 (1, H, W) from 0 to 1
            (`instances` int64), else arrays, uint8 (H, W) (`instances` uint16).
        transform: gets each item, a dict with `image`, the labels by their names, `index` and `name`, in
            the process that made it; what it returns takes the item's place.
        device: auto, cpu, cuda or cuda:INDEX; workers that are forked can use the CPU only.
        rank: of this process; default: that of torch.distributed or torchrun, else 0.
        ranks: number of processes; default likewise.
        conditions: what every image meets, such as `density=(1500, 2500)`, and its `size`, 128 × 128 unless
            given.

    Raises:
        ChoiceError: there is no checkpoint of that name, or no device can have that name.
        CheckpointError: the file cannot be used.
        SettingsError: the folder of checkpoints is not there.
        ImageRangeError: a number is out of range.
        LabellingError: the model has no labels, there is no label of a name, or no mosaic meets the
            conditions.
        ValueError: `cells` are asked for as tensors, or there is no such rank.
    """
    from endotwin.torch_dataset import ImageDataset  # noqa: PLC0415

    return ImageDataset(
        checkpoint,
        seed,
        count,
        start,
        labels=tuple(labels.split(",") if isinstance(labels, str) else labels),
        conditions=conditions,
        tensors=tensors,
        transform=transform,
        device=device,
        rank=rank,
        ranks=ranks,
    )


def segment(
    image: ndarray | str | Path,
    *,
    pixel_size: float | None = None,
    scale: float | None = None,
    segmenter: str | Path | None = None,
) -> Segmentation:
    """Find the cells of a real image, on the CPU. For research, not for diagnosis.

    It takes SciPy and scikit-image: `pip install 'endotwin[segment]'`.

    Args:
        image: grey levels (H, W), uint8, or any other numbers, which are scaled by their own range; or the
            path of an image file. Each side has 32 pixels or more.
        pixel_size: side of a pixel, micrometres; without it no density is told.
        scale: size at which the network is shown the image, relative to the image; by default the size at
            which its cells are as large as those that the network learned.
        segmenter: file of `endotwin-training segmenter`; by default the one that ships.

    Raises:
        CheckpointError: the segmenter cannot be used.
        DataError: the file cannot be read.
        ModuleNotFoundError: SciPy or scikit-image is not installed.
        ValueError: the array is no image of grey levels, or a number is out of range.
    """
    from endotwin.packages import INSTALL_SEGMENT, SEGMENTING, missing_packages  # noqa: PLC0415

    if missing := missing_packages(SEGMENTING):
        raise ModuleNotFoundError(f"segment takes {', '.join(missing)}: {INSTALL_SEGMENT}", name=missing[0])
    from endotwin.segmentation.reading import grey_image, read_image  # noqa: PLC0415
    from endotwin.segmentation.segmenter import SHIPPED, load_segmenter  # noqa: PLC0415

    for name, value in (("pixel_size", pixel_size), ("scale", scale)):
        if value is not None and not 0.01 <= value <= 100:
            raise ValueError(f"{name} must be from 0.01 to 100, got {value}")
    loaded = load_segmenter(SHIPPED if segmenter is None else Path(segmenter))
    grey, notes = read_image(Path(image)) if isinstance(image, str | Path) else (grey_image(image), ())
    return loaded.segment(grey, pixel_size=pixel_size, scale=scale, notes=notes)
