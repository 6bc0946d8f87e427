"""Cells of generated against real images: equal mosaics are near, others are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_up_cells import mosaic
from mosaic_draws import draw_scenes
from PIL import Image

from endotwin.image_reading import DataError
from endotwin.mosaic.labels import Label
from training.data.sources import Sources
from training.data.split import Dataset, ImageFolder, load_dataset
from training.scores.cells.comparison import compare_cells
from training.scores.cells.error import expert_error, label_error, read_experts
from training.scores.cells.figures import plot_areas, plot_groups
from training.scores.cells.record import CellComparison
from training.scores.cells.segmentation import WholeCells, whole_cells
from training.trial.borders import thin

COUNT = 20


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("data") / "drawn"
    folder.mkdir()
    for seed in range(10):
        Image.fromarray(mosaic(seed, 200, 200)[0]).save(folder / f"{seed}.png")
    return load_dataset([ImageFolder(folder)])


def crops(spacing: float, jitter: float = 0.25) -> np.ndarray:
    return np.stack([mosaic(100 + k, 128, 128, spacing=spacing, jitter=jitter)[0] for k in range(COUNT)])


@pytest.fixture(scope="module")
def alike(dataset: Dataset) -> CellComparison:
    return compare_cells(crops(20.0), dataset)


def test_the_same_kind_of_mosaic_is_as_near_as_real_to_real(alike: CellComparison) -> None:
    assert alike.generated.crops == alike.training.crops == COUNT
    assert alike.generated.cells > 300
    assert alike.generated.density == pytest.approx(alike.training.density, rel=0.05)
    assert alike.generated_training.area is not None
    assert alike.generated_training.area < 30
    assert sum(alike.generated.neighbours.values()) == pytest.approx(1.0, abs=1e-3)
    assert len(alike.generated.group_density) == 100


def test_other_cells_are_further_away(dataset: Dataset, alike: CellComparison) -> None:
    larger = compare_cells(crops(26.0), dataset)
    assert larger.generated.density is not None
    assert larger.training.density is not None
    assert larger.generated.density / larger.training.density == pytest.approx((20 / 26) ** 2, rel=0.08)
    ordered = compare_cells(crops(20.0, jitter=0.05), dataset)
    for name, other in (("area", larger), ("density", larger), ("cv", ordered), ("hexagonality", ordered)):
        far, near = getattr(other.generated_training, name), getattr(alike.generated_training, name)
        assert far > 2 * near, name
        assert far > 2 * getattr(other.training_training, name), name


def test_images_without_cells_are_counted_and_end_in_no_error(dataset: Dataset) -> None:
    black = np.zeros((4, 128, 128), dtype=np.uint8)
    found = compare_cells(black, dataset)
    assert (found.generated.cells, found.generated.crops_without_cells) == (0, 4)
    assert found.generated.density is None
    assert found.generated_training.area is None
    assert CellComparison.model_validate_json(found.model_dump_json()) == found
    for png in (plot_areas(found), plot_groups(found)):
        assert png.startswith(b"\x89PNG")


def test_the_same_call_gives_the_same_record(dataset: Dataset) -> None:
    few = crops(20.0)[:6]
    found = compare_cells(few, dataset)
    done: list[int] = []
    assert compare_cells(few, dataset, workers=2, progress=done.append) == found
    assert sum(done) == 4 * len(few)
    assert compare_cells(few, dataset, seed=1).training != found.training
    assert CellComparison.model_validate_json(found.model_dump_json()) == found


def of_labels(labels: list[Label]) -> list[WholeCells]:
    """Return the cells of a segmentation without error: the instances, with the borders given to cells."""
    found = []
    for label in labels:
        cells = label.instances.astype(np.int32)
        while (cells == 0).any():
            grown = cells.copy()
            for axis in (0, 1):
                for step in (1, -1):
                    moved = np.roll(cells, step, axis=axis)
                    grown = np.where(grown == 0, moved, grown)
            cells = grown
        found.append(whole_cells(cells))
    return found


def test_a_segmentation_that_is_the_label_has_hardly_an_error() -> None:
    labels = [scene.label() for scene in draw_scenes(3, 96)]  # two groups alone scatter too much
    clear = sum(label.measured.guttae == 0.0 for label in labels)
    error = label_error(of_labels(labels), labels)
    assert error is not None
    assert error.images == clear // 16 * 16
    assert error.density is not None
    assert error.cv is not None
    assert error.hexagonality is not None
    assert error.density.median_size < 0.05
    assert error.cv.median_size < 0.1
    assert error.hexagonality.median_size < 0.1
    assert label_error(of_labels(labels[:15]), labels[:15]) is None


def test_expert_borders_are_read_and_compared(tmp_path: Path) -> None:
    folder = tmp_path / "drawn"
    for part in ("images", "borders", "cells"):
        (folder / part).mkdir(parents=True)
    for seed in range(3):
        picture, cells = mosaic(seed, 220, 220, jitter=0.15)
        lines = np.zeros(cells.shape, dtype=bool)
        lines[:-1] |= cells[:-1] != cells[1:]
        lines[:, :-1] |= cells[:, :-1] != cells[:, 1:]
        cut = np.unique(np.concatenate([cells[0], cells[-1], cells[:, 0], cells[:, -1]]))
        inside = np.where(lines | np.isin(cells, cut), 0, cells).astype(np.uint16)
        Image.fromarray(picture).save(folder / "images" / f"{seed}.png")
        if seed < 2:
            Image.fromarray(thin(lines).astype(np.uint8) * 255).save(folder / "borders" / f"{seed}.png")
            Image.fromarray(inside).save(folder / "cells" / f"{seed}.png")
    sources = Sources((ImageFolder(folder),))
    error = expert_error(read_experts(sources))
    assert error.images == 2
    assert error.density is not None
    assert error.cv is not None
    assert error.density.median_size < 0.05
    assert error.cv.median_size < 0.15
    (folder / "cells" / "0.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"cells/0\.png"):
        read_experts(sources)
