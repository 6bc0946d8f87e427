"""Labelled sets of made-up mosaics, as Endotwin writes them."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
from made_up_mosaics import lines_between, mosaic
from PIL import Image

RECORD = {
    "model": "labelled",
    "generator_sha256": "ab" * 32,
    "seed": 7,
    "conditions": {"expert_hand": "true"},
}


def one(seed: int, size: int = 128) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return image and borders, uint8 (size, size), and instances, uint16, 0 on a border."""
    labels, picture = mosaic(seed, size, size)
    lines = lines_between(labels)
    _, numbers = np.unique(labels, return_inverse=True)
    instances = np.where(lines, 0, numbers.reshape(labels.shape) + 1).astype(np.uint16)
    return picture, lines.astype(np.uint8) * 255, instances


def write_masks(folder: Path, seeds: range, size: int = 128, *, labels: bool = True) -> Path:
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        picture, borders, _ = one(seed, size)
        Image.fromarray(picture).save(folder / "images" / f"{seed:03}.png")
        if labels:
            Image.fromarray(borders).save(folder / "masks" / f"{seed:03}.png")
    return folder


def write_cellpose(folder: Path, seeds: range) -> Path:
    """Write instances only; every fourth image is for validation."""
    for name in ("train", "test"):
        (folder / name).mkdir(parents=True)
    for seed in seeds:
        picture, _, instances = one(seed)
        part = folder / ("train" if seed % 4 else "test")
        Image.fromarray(picture).save(part / f"{seed:03}.png")
        Image.fromarray(instances).save(part / f"{seed:03}_masks.png")
    (folder / "dataset.json").write_text(json.dumps({"endotwin": RECORD}))
    return folder


def write_shards(folder: Path, seeds: range) -> Path:
    """Write WebDataset shards; every fourth image is for validation."""
    for name, chosen in (
        ("train", [s for s in seeds if s % 4]),
        ("validation", [s for s in seeds if not s % 4]),
    ):
        write_tar(folder / name / "shard-000000.tar", chosen)
    (folder / "set.json").write_text(json.dumps(RECORD))
    return folder


def write_tar(path: Path, seeds: list[int]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for seed in seeds:
            picture, borders, _ = one(seed)
            for name, content in (
                (f"7-{seed:08}.png", _png(picture)),
                (f"7-{seed:08}.borders.png", _png(borders)),
                (f"7-{seed:08}.json", json.dumps(RECORD).encode()),
            ):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
