"""Train the reader of visibility: where an expert could draw the borders of cells.

What it learns from: areas in which experts drew borders, and the surroundings of the centres that a reader
counted; beyond them, with some distance, nothing could be drawn. Of alizarine only the inside counts: its
experts drew a part of what they saw.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save
from scipy.ndimage import binary_closing, distance_transform_edt, gaussian_filter
from scipy.spatial import cKDTree
from torch import Tensor, nn

from endotwin.image_range import IMAGE_SIZE
from endotwin.mosaic.visibility import ACTIVATION_BITS, DILATIONS, MIDDLE_GREY, STEP, WEIGHT_BITS
from training.data.split import ImageFolder, load_dataset

EXPERTS = ("gavet", "cwru", "strip", "confocal", "alizarine")
CLINIC = "clinic"
CLINIC_BLOCK = 25
CLINIC_HELD_OUT = (2878, 2881, 2891)
"""Consecutive numbers of clinic's images that stay on one side of the split, and the blocks held out: those
that `checkpoints/compact-clinic.toml` holds out (`keep_folders_together`, seed 0)."""

_PARTLY_DRAWN = "alizarine"
_WIDTH = 16
_HELD_OUT = 0.2
_BATCH = 12
_RATE = 2e-3
_SURROUNDINGS, _NO_CELL = 0.75, 1.3
"""Distances from the nearest centre, in the median distance of neighbouring ones, up to which cells can be
seen and from which on they cannot."""
_DOUBT = 10
"""Pixels around an area that experts drew where they might have gone on: cells that the edge cuts."""
_CLOSING = 3
_ZOOMS = (0.75, 1.35)
_THRESHOLDS = np.linspace(-1.0, 2.0, 31)
_HAZED = 0.2
"""Share of the crops that are blurred, or robbed of contrast, until nothing can be seen."""


@dataclass(frozen=True)
class ReadImage:
    """An image and what is known of it.

    Attributes:
        pixels: uint8 (H, W).
        visible: bool (H, W).
        known: bool (H, W), whether `visible` is known.
        source: its folder.
        held_out: whether the reader does not learn from it.
    """

    pixels: np.ndarray
    visible: np.ndarray
    known: np.ndarray
    source: str
    held_out: bool


def read_images(data: Path) -> list[ReadImage]:
    """Read the experts' images and clinic's raw ones, split as `training.data.split` does.

    Args:
        data: the folder that holds the sources, each with `images`, and `cells` or `centres`.
    """
    images = []
    for source in EXPERTS:
        held = _held_out(ImageFolder(data / source))
        for file in sorted((data / source / "images").glob("*.png")):
            if (data / source / "cells" / file.name).exists():
                images.append(_read_drawn(data / source, file.name, file.name in held))
    files = sorted((data / CLINIC / "images").glob("*.jpg"))
    held_out = [int(file.stem) // CLINIC_BLOCK in CLINIC_HELD_OUT for file in files]
    return images + [_read_counted(*one) for one in zip(files, held_out, strict=True)]


def _held_out(folder: ImageFolder) -> set[str]:
    return {
        image.file for image in load_dataset([folder], crop_size=64, validation_share=_HELD_OUT).held_out
    }


def _read_drawn(folder: Path, name: str, held_out: bool) -> ReadImage:
    pixels = np.asarray(Image.open(folder / "images" / name).convert("L"))
    cells = np.asarray(Image.open(folder / "cells" / name)) > 0
    drawn = binary_closing(np.pad(cells, 2 * _CLOSING), iterations=_CLOSING)
    drawn = drawn[2 * _CLOSING : -2 * _CLOSING, 2 * _CLOSING : -2 * _CLOSING]
    far = distance_transform_edt(~drawn) > _DOUBT
    known = drawn if folder.name == _PARTLY_DRAWN else drawn | far
    return ReadImage(pixels, drawn, known, folder.name, held_out)


def _read_counted(file: Path, held_out: bool) -> ReadImage:
    pixels = np.asarray(Image.open(file).convert("L"))
    table = file.parent.parent / "centres" / f"{file.stem}.csv"
    lines = table.read_text(encoding="utf-8").split()[1:]
    centres = np.array([line.split(",") for line in lines], dtype=np.float64)
    nothing = np.zeros(pixels.shape, dtype=bool)
    if len(centres) < 2:
        return ReadImage(pixels, nothing, ~nothing, CLINIC, held_out)
    tree = cKDTree(centres)
    spacing = np.median(tree.query(centres, k=2)[0][:, 1])
    rows, columns = np.indices(pixels.shape)
    away = tree.query(np.column_stack([columns.ravel(), rows.ravel()]))[0].reshape(pixels.shape) / spacing
    visible = away < _SURROUNDINGS
    return ReadImage(pixels, visible, visible | (away > _NO_CELL), CLINIC, held_out)


class VisibilityNetwork(nn.Module):
    """The reader in floating point, rounded to the whole numbers that it will compute with."""

    def __init__(self) -> None:
        """Build it with fresh weights."""
        super().__init__()
        widths = [STEP * STEP, *[_WIDTH] * (len(DILATIONS) - 1), 1]
        self.layers = nn.ModuleList(
            nn.Conv2d(widths[n], widths[n + 1], 3, padding=d, dilation=d, padding_mode="replicate")
            for n, d in enumerate(DILATIONS)
        )
        for layer in self.layers:
            assert isinstance(layer, nn.Conv2d)
            nn.init.kaiming_normal_(layer.weight)

    def forward(self, grey: Tensor) -> Tensor:
        """Map grey levels (B, 1, H, W), 0 to 255, to scores (B, 1, H / STEP, W / STEP)."""
        one = 2.0**ACTIVATION_BITS
        maps = F.pixel_unshuffle((grey - MIDDLE_GREY) / one, STEP)
        for n, layer in enumerate(self.layers):
            assert isinstance(layer, nn.Conv2d)
            d = DILATIONS[n]
            maps = F.conv2d(
                F.pad(maps, (d, d, d, d), mode="replicate"),
                _rounded(layer.weight, 2.0**WEIGHT_BITS).clamp(-127 / 2**WEIGHT_BITS, 127 / 2**WEIGHT_BITS),
                layer.bias,
                dilation=d,
            )
            if n < len(self.layers) - 1:
                maps = _rounded(maps, one).clamp(0.0, 255.0 / one)
        return maps

    def numbers(self) -> dict[str, Tensor]:
        """Return the whole numbers, as `endotwin.mosaic.visibility` reads them."""
        found = {}
        for n, layer in enumerate(self.layers):
            assert isinstance(layer, nn.Conv2d)
            assert layer.bias is not None
            weight = torch.round(layer.weight.detach() * 2**WEIGHT_BITS).clamp(-127, 127)
            bias = torch.round(layer.bias.detach() * 2 ** (WEIGHT_BITS + ACTIVATION_BITS))
            found[f"weight.{n}"], found[f"bias.{n}"] = weight.to(torch.int8), bias.to(torch.int32)
        return found


def _rounded(values: Tensor, steps: float) -> Tensor:
    """Round to whole numbers of 1 / steps; gradients pass unchanged."""
    return values + (torch.floor(values * steps + 0.5) / steps - values).detach()


def fit(images: list[ReadImage], steps: int, seed: int = 0) -> VisibilityNetwork:
    """Train a reader on the images that are not held out.

    Args:
        images: see `read_images`.
        steps: of Adam, with a rate that falls to 0.
        seed: of all randomness.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    sources = [*EXPERTS, CLINIC]
    by_source = {s: [i for i in images if i.source == s and not i.held_out] for s in sources}
    weights = np.array([1.0, 3.0, 0.5, 1.0, 0.5, 6.0])
    network = VisibilityNetwork()
    optimiser = torch.optim.Adam(network.parameters(), lr=_RATE, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps, pct_start=0.1)
    for _ in range(steps):
        chosen = random.choice(len(sources), size=_BATCH, p=weights / weights.sum())
        crops = [_crop(_any(by_source[sources[k]], random), random) for k in chosen]
        grey, visible, known = (
            torch.from_numpy(np.stack(maps)[:, None].astype(np.float32))
            for maps in zip(*crops, strict=True)
        )
        sure = F.avg_pool2d(known, STEP)
        target = F.avg_pool2d(visible * known, STEP) / sure.clamp(min=1e-3)
        losses = F.binary_cross_entropy_with_logits(network(grey), target, reduction="none")
        optimiser.zero_grad()
        loss: Tensor = (losses * sure).sum() / sure.sum().clamp(min=1.0)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return network


def set_threshold(network: VisibilityNetwork, images: list[ReadImage]) -> float:
    """Shift a network's score so that what it calls visible agrees best with the images it learned from.

    Clinic says most of where nothing can be seen, experts of where they stopped: the mean over sources of
    the intersection over union is made as large as it can be.

    Returns:
        What was taken off the score.
    """
    overlaps = []
    for source in (*EXPERTS, CLINIC):
        both, either = np.zeros(len(_THRESHOLDS)), np.zeros(len(_THRESHOLDS))
        for image in images:
            if image.source == source and not image.held_out:
                height, width = (size - size % STEP for size in image.pixels.shape)
                grey = torch.from_numpy(image.pixels[:height, :width].astype(np.float32))[None, None]
                with torch.inference_mode():
                    scores = F.interpolate(network(grey), scale_factor=STEP, mode="bilinear")[0, 0].numpy()
                known = image.known[:height, :width]
                seen, visible = scores[known] > _THRESHOLDS[:, None], image.visible[:height, :width][known]
                both += (seen & visible).sum(axis=1)
                either += (seen | visible).sum(axis=1)
        overlaps.append(both / either)
    best = float(_THRESHOLDS[np.mean(overlaps, axis=0).argmax()])
    last = network.layers[-1]
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    with torch.no_grad():
        last.bias -= best
    return best


def write_reader(network: VisibilityNetwork, path: Path, card: dict[str, object]) -> None:
    """Write the whole numbers of a reader, and a card in the file's metadata."""
    path.write_bytes(save(network.numbers(), metadata={"card": json.dumps(card)}))


def _any(images: list[ReadImage], random: np.random.Generator) -> ReadImage:
    return images[random.integers(len(images))]


def _crop(image: ReadImage, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut, zoom, turn and shade a crop: grey levels, what is visible, what is known, (128, 128) each."""
    zoom = np.exp(random.uniform(*np.log(_ZOOMS)))
    if image.source == "confocal":
        zoom *= 0.6
    planes = [image.pixels, image.visible, image.known]
    height, width = image.pixels.shape
    side = round(IMAGE_SIZE / zoom)
    top, left = (
        int(random.integers(min(0, size - side), max(1, size - side + 1))) for size in (height, width)
    )
    cut = []
    for plane, order in zip(
        planes, (Image.Resampling.BILINEAR, *[Image.Resampling.NEAREST] * 2), strict=True
    ):
        mode = np.pad(
            plane.astype(np.uint8),
            [
                (max(0, -start), max(0, start + side - size))
                for start, size in ((top, height), (left, width))
            ],
            mode="reflect" if plane is image.pixels else "constant",
        )[max(top, 0) :, max(left, 0) :][:side, :side]
        cut.append(np.asarray(Image.fromarray(mode).resize((IMAGE_SIZE, IMAGE_SIZE), order)))
    grey, visible, known = cut[0].astype(np.float32), cut[1] > 0, cut[2] > 0
    if random.random() < _HAZED:
        smooth = gaussian_filter(grey, random.uniform(5.0, 9.0))
        left_over = random.choice([0.0, random.uniform(0.0, 0.2)])
        grey = (
            smooth + left_over * (grey - smooth) + random.normal(0.0, random.uniform(0.3, 2.0), grey.shape)
        )
        visible, known = np.zeros_like(visible), np.ones_like(known)
    grey = (grey - grey.mean()) * random.uniform(0.7, 1.35) + grey.mean() * random.uniform(0.8, 1.2)
    grey = np.clip(grey + random.uniform(-12.0, 12.0), 0.0, 255.0).round()
    turns, mirrored = int(random.integers(4)), random.random() < 0.5
    turned = [np.rot90(plane, turns) for plane in (grey, visible, known)]
    one, two, three = (plane[:, ::-1].copy() if mirrored else plane.copy() for plane in turned)
    return one, two, three
