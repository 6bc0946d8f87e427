"""Inception features of grey images, and the Fréchet distance between two sets of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from pytorch_fid.inception import InceptionV3

from endotwin.files import whole_file
from endotwin.generator.sampler import Sampler
from endotwin.image_range import ImageRange
from training.scores.inception import FEATURE_COUNT
from training.scores.request import DEFAULT_CACHE

INCEPTION_BATCH = 32


def features(
    images: np.ndarray | Iterable[np.ndarray],
    model: InceptionV3,
    *,
    device: str | torch.device = "cpu",
    batch: int = INCEPTION_BATCH,
    progress: Callable[[int], object] | None = None,
) -> np.ndarray:
    """Compute the Inception features of grey images, as pytorch-fid does, in float32.

    Grey becomes three equal channels in 0..1; the network itself resizes to 299 × 299 and scales.

    Args:
        images: uint8 grey levels (N, H, W), or several such blocks one after the other (`Sampler.images`).
        model: from `load_inception`; it is moved to `device`.
        device: where to compute.
        batch: images per run at most.
        progress: called with the number of images done after each run.

    Returns:
        float32, shape (N, 2048).

    Raises:
        ValueError: a block is not uint8 of three dimensions, or there is no image at all.
    """
    blocks = [images] if isinstance(images, np.ndarray) else images
    model = model.to(device)
    rows = []
    for block in blocks:
        if block.dtype != np.uint8 or block.ndim != 3:
            raise ValueError(f"images must be uint8 (N, H, W), got {block.dtype} {block.shape}")
        for start in range(0, len(block), batch):
            part = np.ascontiguousarray(block[start : start + batch])
            rows.append(_run(torch.from_numpy(part).to(device), model))
            if progress is not None:
                progress(len(part))
    if not rows:
        raise ValueError("no images to compute features of")
    return np.concatenate(rows)


def _run(grey: torch.Tensor, model: InceptionV3) -> np.ndarray:
    """Run one batch in true float32: no TF32, no autocast that a caller may have switched on."""
    rgb = (grey[:, None].float() / 255.0).expand(-1, 3, -1, -1)
    with (
        torch.inference_mode(),
        torch.autocast(grey.device.type, enabled=False),
        torch.backends.cudnn.flags(enabled=True, allow_tf32=False),
    ):
        found: torch.Tensor = model(rgb.contiguous(memory_format=torch.channels_last))[0]
    return found.flatten(1).cpu().numpy()


def cached_features(
    images: np.ndarray,
    model: InceptionV3,
    inception_sha256: str,
    *,
    device: str | torch.device = "cpu",
    batch: int = INCEPTION_BATCH,
    cache: Path | None = DEFAULT_CACHE,
    progress: Callable[[int], object] | None = None,
) -> np.ndarray:
    """Return `features(images)`, from a file of an earlier call with the same images where there is one.

    Args:
        images: uint8 grey levels (N, H, W).
        model: from `load_inception`.
        inception_sha256: digest of its weights, part of the file's name.
        device: where to compute; its kind (cpu, cuda) is part of the file's name.
        batch: images per run at most.
        cache: folder of the files; None computes without one.
        progress: called with the number of images done, also when they come from a file.

    Returns:
        float32, shape (N, 2048).
    """

    def compute() -> np.ndarray:
        return features(images, model, device=device, batch=batch, progress=progress)

    if cache is None:
        return compute()
    digest = _key(inception_sha256, device, f"{images.dtype} {images.shape}")
    digest.update(images.tobytes())
    return _cached(cache, digest.hexdigest(), len(images), compute, progress)


def generated_features(
    sampler: Sampler,
    seed: int,
    start: int,
    count: int,
    model: InceptionV3,
    inception_sha256: str,
    *,
    cache: Path | None = DEFAULT_CACHE,
    progress: Callable[[int], object] | None = None,
) -> np.ndarray:
    """Return the features of images start to start + count - 1 of a seed, as `cached_features`.

    Images that come from a file are not generated again, but for one batch: the file's name holds a digest
    of the architecture and of the weights (not of the checkpoint's file, so a card may change), the seed
    and the range, and in case the code that draws has changed, of the first images of the range.

    Args:
        sampler: generates the images, on the device on which their features are computed.
        seed: of the images.
        start: index of the first.
        count: number of images, at least 1.
        model: from `load_inception`.
        inception_sha256: digest of its weights.
        cache: folder of the files; None computes without one.
        progress: called with the number of images done, also when they come from a file.

    Returns:
        float32, shape (count, 2048).
    """

    def compute() -> np.ndarray:
        blocks = _blocks(sampler, ImageRange(seed, start, count))
        return features(blocks, model, device=sampler.device, progress=progress)

    if cache is None:
        return compute()
    digest = _key(inception_sha256, sampler.device, f"{seed} {start} {count}")
    digest.update(sampler.checkpoint.generator_sha256.encode())
    digest.update(sampler.images(seed, 1, start).tobytes())
    return _cached(cache, digest.hexdigest(), count, compute, progress)


def _blocks(sampler: Sampler, images: ImageRange) -> Iterator[np.ndarray]:
    """Yield the images of a range in blocks of `INCEPTION_BATCH`, the last one smaller."""
    waiting: list[np.ndarray] = []
    for batch in sampler.batches(images):
        waiting += list(batch.images)
        while len(waiting) >= INCEPTION_BATCH:
            yield np.stack(waiting[:INCEPTION_BATCH])
            del waiting[:INCEPTION_BATCH]
    if waiting:
        yield np.stack(waiting)


def _key(inception_sha256: str, device: str | torch.device, of: str) -> hashlib._Hash:
    return hashlib.sha256(f"{inception_sha256} float32 {torch.device(device).type} {of}".encode())


def _cached(
    cache: Path,
    key: str,
    count: int,
    compute: Callable[[], np.ndarray],
    progress: Callable[[int], object] | None,
) -> np.ndarray:
    """Return the features in a file of the cache; compute them and write the file if there is none."""
    path = cache.expanduser() / f"{key}.npy"
    known = _read(path, count)
    if known is not None:
        if progress is not None:
            progress(count)
        return known
    found = compute()
    with whole_file(path) as file:
        np.save(file, found, allow_pickle=False)
    return found


def _read(path: Path, count: int) -> np.ndarray | None:
    """Return the features in a file, or None where there is none or it is not whole."""
    try:
        found: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.shape == (count, FEATURE_COUNT) and found.dtype == np.float32 else None


def fid_from_features(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Fréchet Inception distance between two sets of features.

    |m₁ - m₂|² + tr(S₁ + S₂ - 2 √(S₁S₂)) with the means and the unbiased covariances of both sets, as
    pytorch-fid's `calculate_frechet_distance`, in float64. Only the last trace is found another way: with
    S₁ = XᵀX and S₂ = YᵀY, tr √(S₁S₂) is the sum of the singular values of XYᵀ. That takes seconds instead
    of minutes, needs no square root of a matrix that is singular below 2,049 images, and does not call
    `sqrtm(disp=...)`, which SciPy 1.18 no longer has. A test holds that both functions agree.

    Args:
        first: (N, D) features.
        second: (M, D) features.

    Raises:
        ValueError: fewer than two rows on a side, or another number of columns.
    """
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(f"features must be (N, D) and (M, D), got {first.shape} and {second.shape}")
    if len(first) < 2 or len(second) < 2:
        raise ValueError(f"a covariance needs two images, got {len(first)} and {len(second)}")
    first_mean, first_root, first_trace = _moments(first)
    second_mean, second_root, second_trace = _moments(second)
    shared = np.linalg.svd(first_root @ second_root.T, compute_uv=False).sum()
    distance = ((first_mean - second_mean) ** 2).sum() + first_trace + second_trace - 2.0 * shared
    return max(float(distance), 0.0)  # rounding can end just below zero for equal sets


def _moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the mean, an X of at most D rows with XᵀX the covariance, and the covariance's trace."""
    rows = rows.astype(np.float64)
    mean = rows.mean(axis=0)
    root = (rows - mean) / np.sqrt(len(rows) - 1)
    trace = float((root**2).sum())
    if len(root) > root.shape[1]:
        root = np.linalg.qr(root, mode="r")
    return mean, root, trace
