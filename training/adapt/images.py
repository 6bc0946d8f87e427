"""The images that are trained on: the curated ones, resized, in a folder that is named as the card says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from endotwin.files import whole_file
from endotwin.image_range import IMAGE_SIZE
from training.adapt.plan import Plan
from training.adapt.request import FEWEST_IMAGES, AdaptError, Terms
from training.data.split import Dataset, ImageFolder, load_dataset


def write_training_images(curated: Path, images: Sequence[Path], folder: Path, scale: float) -> int:
    """Write the curated images, resized; what an earlier session wrote is kept, what is not wanted removed.

    Args:
        curated: folder of the curated images, in which `images` are.
        images: the images.
        folder: where they go, in the same subfolders.
        scale: factor.

    Returns:
        How many were left out because they are smaller than a crop at this scale.

    Raises:
        AdaptError: too few are left.
    """
    wanted: dict[Path, tuple[Path, tuple[int, int]]] = {}
    for path in images:
        with Image.open(path) as image:
            size = (round(image.width * scale), round(image.height * scale))
        if min(size) >= IMAGE_SIZE:
            wanted[folder / path.relative_to(curated)] = (path, size)
    left_out = len(images) - len(wanted)
    if len(wanted) < FEWEST_IMAGES:
        raise AdaptError(
            f"{left_out} of {len(images)} images are smaller than {IMAGE_SIZE} × {IMAGE_SIZE} pixels at "
            f"scale {scale:g}, which leaves {len(wanted)}; at least {FEWEST_IMAGES} are needed: "
            "give a larger --scale"
        )
    for path in set(folder.rglob("*.png")) - wanted.keys():
        path.unlink()
    for destination, (path, size) in wanted.items():
        if destination.exists():
            continue
        with Image.open(path) as image, whole_file(destination) as file:
            resized = image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)
            resized.save(file, format="PNG")
    return left_out


def load_training_images(folder: Path, plan: Plan, terms: Terms, *, together: bool) -> Dataset:
    """Read the images that are trained on and hold a fifth of them out.

    Raises:
        DataError: they cannot be read or split.
    """
    source = ImageFolder(
        folder,
        citation=terms.citation,
        terms=terms.terms,
        keep_folders_together=together,
        interlaced=plan.interlaced,
    )
    return load_dataset([source])
