"""Pictures with faults, and pictures of other things, drawn for a made-up raw collection."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy import ndimage

from training.curation.clean_field import Box

SAMPLES = Path(skimage.data.__file__).parent
"""Photographs that come with scikit-image; the retina is a real fundus photograph."""


def to_levels(values: np.ndarray) -> np.ndarray:
    """Round and clip to uint8 grey levels."""
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def rescaled(rng: np.random.Generator, pixels: np.ndarray) -> np.ndarray:
    """Return an image at 0.75 to 1.6 times its size."""
    factor = float(rng.choice([0.75, 0.85, 1.25, 1.6]))
    size = (round(pixels.shape[1] * factor), round(pixels.shape[0] * factor))
    if min(size) < 96:
        size = (round(pixels.shape[1] * 1.25), round(pixels.shape[0] * 1.25))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def recropped(rng: np.random.Generator, pixels: np.ndarray) -> np.ndarray:
    """Return 0.7 to 0.95 of an image's width and height, from anywhere in it."""
    height, width = pixels.shape
    tall, wide = (max(100, round(side * rng.uniform(0.7, 0.95))) for side in (height, width))
    top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
    return np.ascontiguousarray(pixels[top : top + tall, left : left + wide])


def brightness_changed(rng: np.random.Generator, pixels: np.ndarray) -> np.ndarray:
    """Return an image with another gain, offset and gamma."""
    levels = 255 * (pixels / 255) ** rng.uniform(0.8, 1.25)
    return to_levels(levels * rng.uniform(0.7, 1.15) + rng.uniform(-10, 10))


def rotated(rng: np.random.Generator, pixels: np.ndarray) -> np.ndarray:
    """Return an image upside down, with a little noise."""
    return to_levels(pixels[::-1, ::-1] + rng.normal(0, 1, pixels.shape))


def all_at_once(rng: np.random.Generator, pixels: np.ndarray) -> np.ndarray:
    """Return an image cropped, scaled, of another brightness and upside down."""
    return rotated(rng, brightness_changed(rng, rescaled(rng, recropped(rng, pixels))))


def export_screen(rng: np.random.Generator, base: np.ndarray, k: int) -> tuple[np.ndarray, Box]:
    """Put an image into a screen as microscopes export it; k chooses the layout.

    Returns:
        The screen, grey or RGB, and where the image lies in it.
    """
    height, width = base.shape
    layout = k % 4
    background = (236, 18, 128, 255)[layout]
    ink = 0 if background > 127 else 255
    left, top = ((20, 40), (190, 24), (8, 8), (0, 0))[layout]
    right, bottom = ((220, 30), (20, 24), (8, 90), (0, 60))[layout]
    screen = np.full((top + height + bottom, left + width + right), background, dtype=np.uint8)
    screen[top : top + height, left : left + width] = base
    image = Image.fromarray(screen).convert("RGB" if layout == 0 else "L")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(int(rng.integers(11, 16)))
    colour: tuple[int, int, int] | int = (ink,) * 3 if layout == 0 else ink
    x = left + width + 12 if layout == 0 else 10 if layout == 1 else left + 4
    y = top if layout < 2 else top + height + 6
    lines = ["Name: DOE^JANE", "ID 0012345 OD", "2020-01-31 10:12", f"CD {rng.integers(1500, 3000)} /mm2"]
    for line in lines + (["CV 31", "HEX 58", "AVE 412"] if layout < 2 else []):
        if y + 16 < image.height:
            draw.text((x, y), line, fill=colour, font=font)
        y += 18
    if layout == 0:  # a histogram in colour and a traced frame
        for bar in range(8):
            tall = int(rng.integers(5, 60))
            box = [x + 20 * bar, image.height - 20 - tall, x + 20 * bar + 14, image.height - 20]
            draw.rectangle(box, fill=(30, 90, 220))
    if layout == 1:
        draw.rectangle([left - 1, top - 1, left + width, top + height], outline=255)
    if layout == 3:  # a letter, as on strips, and a scale bar, both burnt into the image
        big = ImageFont.load_default(26)
        draw.text((3, height - 34), "R", fill=235, font=big, stroke_width=2, stroke_fill=10)
        draw.rectangle([width - 60, height - 14, width - 12, height - 11], fill=255)
    return np.asarray(image), Box(left, top, left + width, top + height)


def fundus(rng: np.random.Generator, k: int) -> np.ndarray:
    """Draw a fundus photograph: a disc with an optic nerve head and vessels that branch, on black."""
    size = int(rng.integers(380, 700))
    y, x = np.mgrid[:size, :size] / size - 0.5
    radius = np.hypot(x, y)
    level = 120 - 90 * radius + 70 * np.exp(-((np.hypot(x - 0.17, y) / 0.06) ** 2))
    vessels = Image.new("L", (size, size), 0)
    draw = ImageDraw.Draw(vessels)

    def branch(px: float, py: float, angle: float, thick: float) -> None:
        for _ in range(int(rng.integers(12, 25))):
            qx = px + math.cos(angle) * size * 0.02
            qy = py + math.sin(angle) * size * 0.02
            draw.line([px, py, qx, qy], fill=255, width=max(1, round(thick)))
            px, py, angle = qx, qy, angle + rng.normal(0, 0.18)
            if thick > 1.5 and rng.random() < 0.12:
                branch(px, py, angle + float(rng.choice([-0.6, 0.6])), thick * 0.7)

    for _ in range(int(rng.integers(6, 10))):
        branch(size * 0.67, size * 0.5, rng.uniform(0, 2 * math.pi), size / 90)
    dark = ndimage.gaussian_filter(np.asarray(vessels, dtype=float), 1.2) / 255
    level = level * (1 - 0.45 * dark) + rng.normal(0, 1.5, level.shape)
    level[radius > 0.48] = 3
    if k % 3 == 0:
        return to_levels(level)
    return to_levels(np.stack([level * 1.5, level * 0.75, level * 0.35], axis=2))


def real_fundus(rng: np.random.Generator, k: int) -> np.ndarray:
    """Return the fundus photograph of scikit-image at another size, brightness and side; a third grey."""
    with Image.open(SAMPLES / "retina.jpg") as image:
        size = int(rng.integers(400, 1000))
        small = image.resize((size, size))
    pixels = np.asarray(small.convert("L") if k % 3 == 0 else small, dtype=float)
    pixels = pixels[:, ::-1] if rng.random() < 0.5 else pixels
    return to_levels(pixels * rng.uniform(0.7, 1.2))


def slit_lamp(rng: np.random.Generator, k: int) -> np.ndarray:
    """Draw a slit-lamp photograph: iris, pupil, lids, lashes and a bright curved slit."""
    height, width = int(rng.integers(300, 600)), int(rng.integers(420, 800))
    y, x = np.mgrid[:height, :width]
    cx, cy, r = width * rng.uniform(0.4, 0.6), height * 0.5, height * 0.33
    distance, angle = np.hypot(x - cx, y - cy), np.arctan2(y - cy, x - cx)
    level = (
        105 + 25 * np.sin(x / width * 3) + ndimage.gaussian_filter(rng.normal(0, 40, (height, width)), 6)
    )
    iris = 60 + 18 * np.sin(angle * 40 + 2 * np.sin(angle * 7)) * np.exp(
        -(((distance - r * 0.7) / (r * 0.4)) ** 2)
    )
    level = np.where(distance < r, iris, level)
    level = np.where(distance < r * 0.35, 12, level)
    slit = np.abs(x - cx - r * 0.5 - 0.0012 * (y - cy) ** 2 * rng.choice([-1, 1]))
    level = level + 140 * np.exp(-((slit / (width * 0.012)) ** 2))
    lid = height * 0.12 + 0.0004 * (x - cx) ** 2
    level = np.where((y < lid) | (y > height - lid), 130 + 10 * np.sin(y / 3), level)
    image = Image.fromarray(to_levels(ndimage.gaussian_filter(level + rng.normal(0, 2, level.shape), 0.7)))
    draw = ImageDraw.Draw(image)
    for _ in range(25):
        px = float(rng.uniform(0.1, 0.9)) * width
        draw.line([px, height * 0.12, px + rng.normal(0, 20), height * 0.28], fill=25, width=2)
    grey = np.asarray(image.filter(ImageFilter.GaussianBlur(0.6)), dtype=float)
    if k % 3 == 0:
        return to_levels(grey)
    return to_levels(np.stack([grey * 1.15, grey * 0.8, grey * 0.62], axis=2))


def report_page(rng: np.random.Generator, k: int) -> np.ndarray:
    """Draw a page of a report: headings, lines of text, a table, sometimes a graph."""
    width, height = ((600, 800), (800, 600), (500, 700))[k % 3]
    paper = (255, 245, 225, 30)[k % 4]
    ink = 20 if paper > 127 else 230
    image = Image.new("L", (width, height), paper)
    draw = ImageDraw.Draw(image)
    draw.text((40, 30), "Endothelial cell report", fill=ink, font=ImageFont.load_default(26))
    words = [
        "cornea",
        "oculus",
        "dexter",
        "cell",
        "density",
        "mm2",
        "normal",
        "patient",
        "left",
        "right",
        "mean",
        "hexagonality",
        "of",
        "the",
        "and",
    ]
    font = ImageFont.load_default(int(rng.integers(11, 17)))
    y = 80
    while y < height * 0.65:
        draw.text((40, y), " ".join(rng.choice(words, width // 70)), fill=ink, font=font)
        y += 20
    for row in range(5):
        draw.line([40, y + 18 * row, width - 40, y + 18 * row], fill=ink)
    if k % 2:
        heights = rng.integers(5, 80, 12)
        for bar, tall in enumerate(heights):
            draw.rectangle([60 + 30 * bar, height - 40 - int(tall), 80 + 30 * bar, height - 40], fill=90)
    return to_levels(np.asarray(image) + rng.normal(0, (0, 1.0)[k % 2], (height, width)))


def logo(rng: np.random.Generator, k: int) -> np.ndarray:
    """Draw a logo: a few flat shapes and a word; or the logo of scikit-image."""
    if k % 4 == 3:
        with Image.open(SAMPLES / "logo.png") as image:
            flat = Image.new("RGB", image.size, "white")
            flat.paste(image.convert("RGB"), mask=image.convert("RGBA").getchannel("A"))
            return np.asarray(flat.resize([int(rng.integers(200, 500))] * 2))
    width, height = int(rng.integers(200, 500)), int(rng.integers(160, 300))
    image = Image.new("RGB", (width, height), ("white", "black", "navy")[k % 3])
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(2, 5))):
        x, y, r = rng.integers(20, width - 20), rng.integers(20, height - 20), rng.integers(15, 70)
        draw.ellipse([x - r, y - r, x + r, y + r], fill=tuple(int(v) for v in rng.integers(0, 255, 3)))
    draw.text((20, height - 60), "OPTIKA", fill="orange", font=ImageFont.load_default(36))
    return np.asarray(image if k % 2 else image.convert("L"))
