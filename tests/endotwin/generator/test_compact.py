"""The drawn mosaic against a brute-force Voronoi diagram, and a network without a frame."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from endotwin.generator.compact import (
    MAX_SPACING,
    MIN_SPACING,
    SITE_TABLE,
    MosaicArchitecture,
    MosaicGenerator,
    draw_jittered_grid,
)
from endotwin.generator.latents import draw_normals
from endotwin.generator.renderer import MOSAIC_SIZE, video_fields
from endotwin.image_range import IMAGE_SIZE, ImageRange

MEDIAN, LOG_SD = 24.0, 0.2
ROW = math.sqrt(3) / 2


def draw(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw what `draw_jittered_grid` takes: lattice, sites, warp."""
    numbers = torch.from_numpy(
        draw_normals(ImageRange(seed, 0, count), 8 + SITE_TABLE * SITE_TABLE * 4 + 32)
    )
    lattice, sites, warp = numbers.split([8, SITE_TABLE * SITE_TABLE * 4, 32], dim=1)
    return lattice.clone(), sites.reshape(count, -1, 4).clone(), warp.reshape(count, 2, 4, 4).clone()


def brute_force(lattice: Tensor, sites: Tensor, warp: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mosaic of one image in double precision, every pixel against every site of the grid.

    Returns:
        (64, 64) distance to the nearest site in spacings, (64, 64) distance to the border in pixels,
        (64, 64, 2) look of the nearest site.
    """
    lattice = lattice.double()
    spacing = float((MEDIAN * torch.exp(LOG_SD * lattice[0])).clamp(MIN_SPACING, MAX_SPACING))
    uniform = torch.special.ndtr(lattice).numpy()
    jitter, angle = 0.06 + 0.12 * uniform[1], 2 * math.pi * uniform[2]
    stretch, shear = (float(np.clip(0.06 * value, -0.2, 0.2)) for value in lattice[3:5].tolist())
    bend = F.interpolate(
        warp.double()[None], size=(MOSAIC_SIZE, MOSAIC_SIZE), mode="bicubic", align_corners=True
    )[0].numpy()
    axis = np.arange(MOSAIC_SIZE) * 2.0 + 1.0 - IMAGE_SIZE / 2
    x, y = axis[None, :] / spacing + 0.15 * bend[0], axis[:, None] / spacing + 0.15 * bend[1]
    x, y = math.cos(angle) * x - math.sin(angle) * y, math.sin(angle) * x + math.cos(angle) * y
    x = x * (1 + stretch) + y * shear + uniform[5] * SITE_TABLE
    y = y + uniform[6] * SITE_TABLE

    b = np.arange(math.floor(y.min() / ROW) - 4, math.ceil(y.max() / ROW) + 5)
    a = np.arange(math.floor((x - y / ROW / 2).min()) - 4, math.ceil((x - y / ROW / 2).max()) + 5)
    a, b = (grid.ravel() for grid in np.meshgrid(a, b))
    table = (a % SITE_TABLE) * SITE_TABLE + b % SITE_TABLE
    moved = np.clip(jitter * sites[table, :2].double().numpy(), -0.45, 0.45)
    distances = np.hypot(
        x.reshape(-1, 1) - (a + 0.5 * b + moved[:, 0]), y.reshape(-1, 1) - (b * ROW + moved[:, 1])
    )
    two = np.argpartition(distances, 1, axis=1)[:, :2]
    near = np.take_along_axis(distances, two, axis=1)
    nearest = two[np.arange(len(two)), near.argmin(axis=1)]
    border = 0.5 * np.ptp(near, axis=1) * spacing
    look = sites[table[nearest], 2:].numpy()
    shape = (MOSAIC_SIZE, MOSAIC_SIZE)
    return near.min(axis=1).reshape(shape), border.reshape(shape), look.reshape(*shape, 2)


def unchanged(lattice: Tensor, sites: Tensor, warp: Tensor) -> None:
    """Leave the draws as they are."""


def smallest_cells(lattice: Tensor, sites: Tensor, warp: Tensor) -> None:
    lattice[:, 0] = -20.0


def largest_cells(lattice: Tensor, sites: Tensor, warp: Tensor) -> None:
    lattice[:, 0] = 20.0


def most_irregular(lattice: Tensor, sites: Tensor, warp: Tensor) -> None:
    lattice[:, 1] = 6.0


def most_stretched(lattice: Tensor, sites: Tensor, warp: Tensor) -> None:
    lattice[:, 1] = 6.0
    lattice[:, 3], lattice[:, 4] = -6.0, 6.0


def sites_as_far_out_as_they_go(lattice: Tensor, sites: Tensor, warp: Tensor) -> None:
    sites[:, :, :2] *= 100.0


def most_bent(lattice: Tensor, sites: Tensor, warp: Tensor) -> None:
    lattice[:, 0] = -20.0
    warp *= 3.0


@pytest.mark.parametrize(
    ("change", "count"),
    [
        (unchanged, 12),
        (smallest_cells, 3),
        (largest_cells, 3),
        (most_irregular, 4),
        (most_stretched, 4),
        (sites_as_far_out_as_they_go, 3),
        (most_bent, 3),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_nineteen_neighbours_find_what_all_sites_find(
    change: Callable[[Tensor, Tensor, Tensor], None], count: int
) -> None:
    lattice, sites, warp = draw(count, seed=5)
    change(lattice, sites, warp)
    mosaics = mosaics_of(lattice, sites, warp).numpy()
    for k in range(count):
        first, border, look = brute_force(lattice[k], sites[k], warp[k])
        np.testing.assert_allclose(mosaics[k, 0], np.exp(-border / 1.5), atol=5e-4)
        np.testing.assert_allclose(mosaics[k, 1], np.exp(-border / 5.0), atol=5e-4)
        np.testing.assert_allclose(mosaics[k, 2], first, atol=5e-5)
        decided = border > 1e-3  # nearer to the border, float32 may take the other cell
        np.testing.assert_array_equal(mosaics[k, 3:5].transpose(1, 2, 0)[decided], look[decided])


def mosaics_of(lattice: Tensor, sites: Tensor, warp: Tensor) -> Tensor:
    median, log_sd = torch.full_like(lattice[:, 0], MEDIAN), torch.full_like(lattice[:, 0], LOG_SD)
    return draw_jittered_grid(lattice, sites, warp, MEDIAN, median, log_sd)


def regular(spacing: float) -> Tensor:
    """Return the mosaic of hexagons that have their sites on rows along x, one site in the middle."""
    lattice = torch.zeros(1, 8)
    lattice[0, 0] = math.log(spacing / MEDIAN) / LOG_SD
    lattice[0, 2] = -40.0  # no rotation
    lattice[0, 5] = lattice[0, 6] = -40.0  # no offset
    looks = torch.zeros(1, SITE_TABLE * SITE_TABLE, 4)
    looks[0, :, 2] = torch.arange(SITE_TABLE * SITE_TABLE)
    return mosaics_of(lattice, looks, torch.zeros(1, 2, 4, 4))[0]


def test_a_border_is_where_two_sites_are_equally_far() -> None:
    spacing = 28.0
    mosaic = regular(spacing)
    # The row of pixels half a pixel from the sites' row: x = 1, 3, 5 ... pixels from a site.
    sharp, soft, first, look = (mosaic[c, MOSAIC_SIZE // 2, MOSAIC_SIZE // 2 :] for c in range(4))
    x = torch.arange(32) * 2.0 + 1.0
    to_site = (x + spacing / 2) % spacing - spacing / 2
    near = torch.hypot(to_site, torch.tensor(1.0))
    along = torch.hypot(spacing - to_site.abs(), torch.tensor(1.0))
    across = torch.hypot(spacing / 2 - to_site.abs(), torch.tensor(spacing * ROW - 1.0))
    far = torch.minimum(along, across)  # the next site of the row, or one of the row beside it
    border = (far - near) / 2
    torch.testing.assert_close(first, near / spacing, atol=1e-4, rtol=0)
    torch.testing.assert_close(sharp, torch.exp(-border / 1.5), atol=1e-3, rtol=0)
    torch.testing.assert_close(soft, torch.exp(-border / 5.0), atol=1e-3, rtol=0)
    on_border = x == 13.0  # one pixel from the middle between two sites, 14
    assert float(sharp[on_border]) == pytest.approx(math.exp(-1 / 1.5), abs=0.01)
    assert len(look[x < 14].unique()) == 1
    assert len(look[x < 42].unique()) == 2


def test_spacing_is_told_relative_to_the_median() -> None:
    for spacing in (14.0, 24.0, 50.0):
        torch.testing.assert_close(
            regular(spacing)[5], torch.full((64, 64), math.log(spacing / MEDIAN)), atol=1e-5, rtol=1e-5
        )


def cells_of(look: np.ndarray) -> int:
    """Count cells without favour to large ones: of those on the edges, two sides' are left out."""
    inside = set(np.unique(look))
    return len(inside - set(look[0]) - set(look[:, 0]))


@pytest.mark.parametrize(
    "spacing",
    [20.0, pytest.param(14.0, marks=pytest.mark.long), pytest.param(30.0, marks=pytest.mark.long)],
)
def test_the_number_of_cells_follows_from_the_spacing(spacing: float) -> None:
    count = 48
    lattice, sites, warp = draw(count, seed=11)
    lattice[:, 0] = math.log(spacing / MEDIAN) / LOG_SD
    lattice[:, 3:5] = 0.0  # stretching changes the area of a cell
    looks = mosaics_of(lattice, sites, warp)[:, 3].numpy()
    found = np.mean([cells_of(look) for look in looks])
    assert found == pytest.approx(IMAGE_SIZE**2 / (spacing**2 * ROW), rel=0.06)


@pytest.fixture(scope="module")
def generator() -> MosaicGenerator:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return MosaicGenerator(MosaicArchitecture(latent=8, width=8)).eval()


def test_no_convolution_pads_with_zeros(generator: MosaicGenerator) -> None:
    wide = [m for m in generator.modules() if isinstance(m, nn.Conv2d) and m.kernel_size != (1, 1)]
    assert wide
    for convolution in wide:
        with torch.inference_mode():
            flat = convolution(torch.ones(1, convolution.in_channels, 32, 32))[0]
        spread = flat.amax(dim=(1, 2)) - flat.amin(dim=(1, 2))
        assert float(spread.max()) < 1e-5  # zeros would make the edge of a flat field differ


def test_rows_of_video_are_told_apart_by_parity() -> None:
    rows = torch.randn(2, 1, IMAGE_SIZE, 1)
    video = video_fields(rows, torch.tensor([1.0, -1.0]))
    assert video.shape == (2, 2, IMAGE_SIZE, IMAGE_SIZE)
    torch.testing.assert_close(video[:, 0], rows[:, 0].expand(2, IMAGE_SIZE, IMAGE_SIZE))
    assert video[0, 1, :4, 0].tolist() == [1.0, -1.0, 1.0, -1.0]
    assert torch.equal(video[1, 1], -video[0, 1])
