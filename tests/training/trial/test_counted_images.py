"""Images with counted centres: read and trimmed, and what the centres say of cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_up_mosaics import hexagon_sites, write_counted
from PIL import Image

from endotwin.image_reading import DataError
from training.trial.annotated_images import MARGIN
from training.trial.counted_images import CountedImage, counted_files, read_counted, resized_counted

AREA = 20**2 * np.sqrt(0.75)


def hexagons() -> CountedImage:
    """Return an image of 200 × 240 whose cells, 20 pixels apart, were all counted."""
    sites = hexagon_sites(20.0, 200, 240)
    inside = (sites > 5).all(axis=1) & (sites < (195, 235)).all(axis=1)
    return CountedImage("made-up.png", np.zeros((200, 240), np.uint8), sites[inside][:, ::-1])


def test_cells_are_measured_on_their_centres() -> None:
    image = hexagons()
    assert image.spacing == pytest.approx(20)
    assert image.cell_area == pytest.approx(AREA, rel=0.03)
    assert image.hull.sum() == pytest.approx(170 * 215, rel=0.1)


def test_in_the_inner_region_every_territory_is_a_whole_cell() -> None:
    image = hexagons()
    region = image.inner_region
    assert 0.4 < region.sum() / image.hull.sum() < 0.8
    assert not (region & ~image.hull).any()
    sizes = np.bincount(image.territories.ravel())[np.unique(image.territories[region])]
    assert np.median(sizes) == pytest.approx(AREA, rel=0.01)
    assert sizes.max() < 1.2 * AREA  # beside a cell that the image's edge cuts, and nobody counted


def test_an_image_is_trimmed_to_its_centres_and_a_margin(tmp_path: Path) -> None:
    folder = write_counted(tmp_path / "made-up", range(1), height=300, width=200)
    table = folder / "centres" / "0.csv"
    lines = table.read_text().splitlines()
    kept = [line for line in lines[1:] if float(line.split(",")[1]) > 170]
    table.write_text("\n".join([lines[0], *kept, "323,351", "12,-4"]) + "\n")  # two slips of the hand
    image = read_counted(folder, "0.png")
    assert image is not None
    assert len(image.centres) == len(kept)
    whole = np.asarray(Image.open(folder / "images" / "0.png"))
    assert (image.pixels == whole[-len(image.pixels) :]).all()
    assert image.centres[:, 1].min() == pytest.approx(MARGIN, abs=1)
    labels_at = [whole.shape[0] - len(image.pixels) + row for row in image.places[0]]
    assert min(labels_at) > 169


def test_an_image_with_few_centres_is_not_scored(tmp_path: Path) -> None:
    folder = write_counted(tmp_path / "made-up", range(2))
    table = folder / "centres" / "0.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:20]) + "\n")
    assert read_counted(folder, "0.png") is None
    (folder / "centres" / "1.csv").write_text("x,y\n")
    assert read_counted(folder, "1.png") is None
    assert counted_files(folder) == ["0.png", "1.png"]


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "x,y\n1\n", "x,y\none,2\n", "x,y\nnan,2\n"])
def test_a_table_that_is_none_is_refused_by_name(tmp_path: Path, text: str) -> None:
    folder = write_counted(tmp_path / "made-up", range(1))
    (folder / "centres" / "0.csv").write_text(text)
    with pytest.raises(DataError, match=r"centres/0\.csv: "):
        read_counted(folder, "0.png")


def test_centres_on_one_line_are_refused_by_name() -> None:
    centres = np.column_stack([np.arange(30.0, 60.0), np.arange(30.0, 60.0)])
    with pytest.raises(DataError, match=r"made-up\.png: its centres lie on one line"):
        _ = CountedImage("made-up.png", np.zeros((100, 100), np.uint8), centres).hull


def test_centres_move_with_a_resized_image() -> None:
    image = hexagons()
    for factor in (0.5, 1.5):
        found = resized_counted(image, factor)
        assert found.pixels.shape == (200 * factor, 240 * factor)
        assert found.spacing == pytest.approx(20 * factor)
        assert found.cell_area == pytest.approx(image.cell_area * factor**2, rel=0.01)
        # The middle of the image stays the middle: (99.5, 119.5) of pixels numbered from 0.
        assert found.centres.mean(axis=0) + 0.5 == pytest.approx(
            factor * (image.centres.mean(axis=0) + 0.5)
        )


def test_the_digest_is_of_pixels_and_centres() -> None:
    image = hexagons()
    assert image.digest() == hexagons().digest()
    moved = CountedImage(image.file, image.pixels, image.centres + 1)
    assert moved.digest() != image.digest()
