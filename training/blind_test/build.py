"""Build a blind test: generated images and real crops that differ in nothing but what they show."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from endotwin.files import new_folder
from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.sampler import Sampler
from endotwin.image_range import IMAGE_SIZE, ImageRange
from training.blind_test.blind_set import (
    IMAGES_FOLDER,
    KEY_FILE,
    SET_FILE,
    AnswerKey,
    BlindSet,
    BlindTestError,
    BlindTestPlan,
    KeyEntry,
    Origin,
)
from training.blind_test.grey_levels import spread_levels
from training.data.crops import draw_crops
from training.data.split import Dataset, GreyImage
from training.random_streams import Purpose, stream

_TIME = 946_684_800  # 2000-01-01, of every file and folder


def build_blind_test(
    checkpoint: Checkpoint,
    dataset: Dataset,
    out: Path,
    plan: BlindTestPlan,
    *,
    device: str = "cpu",
    progress: Callable[[int], object] = lambda _: None,
) -> AnswerKey:
    """Write a blind test into a new folder; its bytes follow from checkpoint, images and plan.

    Both classes are treated alike: their levels are spread to one range (`spread_levels`), they are
    shuffled and named by chance, stored without compression (a compressed file's size depends on how smooth
    an image is), and written in the order of their names, all with one time. Names and order are drawn from
    the digests of checkpoint and images together with the seed, so that the seed alone does not give them
    away.

    Args:
        checkpoint: the generator; generated are the images 0, 1, … of the seed.
        dataset: the images that real crops are drawn of, as in training, mirrored at random.
        out: a folder that is empty or not there.
        plan: counts, seed, and how the page shows an image.
        device: torch device of the generator.
        progress: called with the number of images that were just generated or written.

    Returns:
        The key, which was also written.

    Raises:
        OutputError: the folder is not free.
        BlindTestError: no image is held out where held-out ones are asked for.
    """
    images = _real_images(dataset, plan)
    with new_folder(out) as folder:
        secret = hashlib.sha256(
            f"{checkpoint.generator_sha256} {dataset.digest} {plan.model_dump_json()}".encode()
        ).digest()
        rng = np.random.default_rng(int.from_bytes(secret))
        entries, pixels = _draw(checkpoint, images, plan, device, progress)
        shuffled = rng.permutation(len(entries))
        names = sorted(rng.bytes(8).hex() for _ in entries)
        files = {
            name: _encode(spread_levels(pixels[position], rng))
            for name, position in zip(names, shuffled, strict=True)
        }
        test = BlindSet(
            digest=_digest(files),
            image_size=IMAGE_SIZE,
            scale=plan.scale,
            display=plan.display,
            order=hashlib.sha256(secret + b"order").hexdigest(),
            images=tuple(names),
        )
        key = AnswerKey(
            digest=test.digest,
            checkpoint=checkpoint.card.name,
            generator_sha256=checkpoint.generator_sha256,
            data_sha256=dataset.digest,
            same_data_as_checkpoint=dataset.digest == checkpoint.card.data.image_list_sha256,
            real_from=plan.real_from,
            real_images=len(images),
            disjoint_crops=max(1, round(sum(image.pixels.size for image in images) / IMAGE_SIZE**2)),
            seed=plan.seed,
            images={name: entries[position] for name, position in zip(names, shuffled, strict=True)},
        )
        _write(folder, files, test, key, progress)
    return key


def _real_images(dataset: Dataset, plan: BlindTestPlan) -> list[GreyImage]:
    if plan.real_from == "training":
        return dataset.training
    if not dataset.held_out:
        raise BlindTestError(
            "no image is held out (validation share 0), so there are no held-out crops; "
            "take them from the training images"
        )
    return dataset.held_out


def _draw(
    checkpoint: Checkpoint,
    images: list[GreyImage],
    plan: BlindTestPlan,
    device: str,
    progress: Callable[[int], object],
) -> tuple[list[KeyEntry], np.ndarray]:
    """Return the key entries and uint8 grey levels (generated + real, 128, 128)."""
    parts = []
    for batch in Sampler(checkpoint, device).batches(ImageRange(plan.seed, 0, plan.generated)):
        parts.append(batch.images)
        progress(batch.range.count)
    parts.append(draw_crops(images, plan.real, stream(plan.seed, Purpose.BLIND_TEST_CROPS)))
    entries = [KeyEntry(kind=Origin.GENERATED, index=k) for k in range(plan.generated)]
    entries += [KeyEntry(kind=Origin.REAL, index=k) for k in range(plan.real)]
    return entries, np.concatenate(parts)


def _encode(image: np.ndarray) -> bytes:
    """Encode grey levels as a PNG that holds nothing but them; its size follows from the image's alone."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", compress_level=0)
    return file.getvalue()


def _digest(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, data in sorted(files.items()):
        digest.update(f"{name} {hashlib.sha256(data).hexdigest()}\n".encode())
    return digest.hexdigest()


def _write(
    folder: Path, files: dict[str, bytes], test: BlindSet, key: AnswerKey, progress: Callable[[int], object]
) -> None:
    (folder / IMAGES_FOLDER).mkdir()
    for name, data in files.items():  # in the order of their names, which chance has given
        path = folder / IMAGES_FOLDER / f"{name}.png"
        path.write_bytes(data)
        os.utime(path, (_TIME, _TIME))
        progress(1)
    (folder / SET_FILE).write_text(test.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / KEY_FILE).write_text(key.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / KEY_FILE).chmod(0o600)
    for path in (folder / IMAGES_FOLDER, folder / SET_FILE, folder / KEY_FILE):
        os.utime(path, (_TIME, _TIME))
