"""Pictures: a sample grid holds every image where it belongs, figures are whole PNGs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from endotwin.generator.card import ImageStatistics
from endotwin.generator.checkpoint import read_card
from training.scores.figures import (
    draw_run_figures,
    figure_png,
    image_png,
    plot_fid,
    plot_losses,
    spectra_figure,
)


def records() -> list[dict[str, float]]:
    lines: list[dict[str, float]] = []
    for k in range(1, 26):
        images = 800 * k
        lines.append(
            {
                "images": images,
                "epoch": images / 50,
                "seconds": images / 20,
                "session_seconds": images / 20,
                "generator": 1.0 + 1 / k,
                "discriminator": 2.0 - 1 / k,
            }
        )
        if k % 5 == 0:
            lines.append({"images": images, "quick_fid": 400 / k})
    return lines


def is_png(file: Path | io.BytesIO) -> bool:
    with Image.open(file) as image:
        image.load()
        return image.format == "PNG" and np.asarray(image.convert("L")).std() > 1


def test_a_picture_as_png_is_the_picture() -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, size=(128, 130), dtype=np.uint8))
    with Image.open(io.BytesIO(image_png(picture))) as saved:
        assert saved.format == "PNG"
        np.testing.assert_array_equal(np.asarray(saved), np.asarray(picture))


def test_run_figures(tmp_path: Path, tiny_checkpoint: Path) -> None:
    draw_run_figures(tmp_path, records(), read_card(tiny_checkpoint).fid)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fid.png", "losses.png"]
    assert is_png(tmp_path / "fid.png")
    assert is_png(tmp_path / "losses.png")


def test_run_figures_of_a_run_that_has_just_started(tmp_path: Path) -> None:
    draw_run_figures(tmp_path, [])
    assert list(tmp_path.iterdir()) == []
    draw_run_figures(tmp_path, records()[:1])
    assert [path.name for path in tmp_path.iterdir()] == ["losses.png"]


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no quick FID"):
        plot_fid(records()[:1], tmp_path / "fid.png")
    with pytest.raises(ValueError, match="no losses"):
        plot_losses([{"images": 5, "quick_fid": 3.0}], tmp_path / "losses.png")
    assert list(tmp_path.iterdir()) == []


def test_spectra() -> None:
    def spectrum(level: float) -> dict[str, tuple[float, ...]]:
        falling = tuple(level - 0.05 * k for k in range(64))
        return {"radial": falling, "horizontal": falling, "vertical": falling}

    statistics = ImageStatistics(
        count=9,
        generated_correlation=0.01,
        real_correlation=0.02,
        generated_spectrum=spectrum(1.0),
        real_spectrum=spectrum(2.0),
    )
    assert is_png(io.BytesIO(figure_png(spectra_figure(statistics))))
