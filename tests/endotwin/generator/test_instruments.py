"""Which instrument an image is drawn like."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from mosaic_draws import fixed
from tiny_checkpoints import TINY_LABELLED, TINY_WITHOUT_CLARITY, make_card, save_tiny

from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.compact import MosaicArchitecture, MosaicGenerator
from endotwin.generator.instruments import Instrument, choose
from endotwin.generator.labelled import LabelledArchitecture, LabelledGenerator
from endotwin.generator.latents import draw_normals
from endotwin.generator.sampler import NotLabelledError, Sampler
from endotwin.image_range import ImageRange
from endotwin.mosaic.parameters import ClarityPopulation, Conditions

THREE = tuple(Instrument(name=name, share=share) for name, share in (("a", 1.0), ("b", 2.0), ("c", 1.0)))


def test_an_instrument_is_chosen_by_the_quantile_of_its_number() -> None:
    numbers = torch.tensor([-9.0, -0.68, -0.67, 0.0, 0.67, 0.68, 9.0])  # the quartiles are at 0.6745
    assert choose(THREE, numbers).tolist() == [0, 0, 1, 1, 1, 2, 2]
    assert choose(THREE[:1], numbers).tolist() == [0] * 7


def test_instruments_are_as_frequent_as_their_shares() -> None:
    numbers = torch.from_numpy(draw_normals(ImageRange(3, 0, 8_000), 1)[:, 0])
    share = torch.bincount(choose(THREE, numbers)) / len(numbers)
    assert share.tolist() == pytest.approx([0.25, 0.5, 0.25], abs=0.02)


def test_only_an_interlaced_instrument_tells_the_rows_apart() -> None:
    instruments = tuple(
        Instrument(name=name, share=1.0, interlaced=interlaced)
        for name, interlaced in (("video", True), ("camera", False))
    )
    torch.manual_seed(0)
    generator = MosaicGenerator(MosaicArchitecture(latent=8, width=8, instruments=instruments)).eval()
    draws = torch.from_numpy(draw_normals(ImageRange(1, 0, 32), generator.draws))
    other = draws.clone()
    other[:, 8 + 7] *= -1.0  # of the lattice, the number whose sign is the parity of the rows
    with torch.inference_mode():
        style = generator.style[0].weight  # the parity is among the style's inputs as well
        style[:, 8 + 7] = 0.0
        changed = (generator(draws) != generator(other)).flatten(1).any(dim=1)
    assert torch.equal(changed, generator.instruments(draws) == 0)
    assert 5 < int(changed.sum()) < 27


def test_the_spacing_is_that_of_the_instrument() -> None:
    for spacing in (15.0, 40.0):
        instruments = (Instrument(name="a", share=1.0, spacing_median=spacing, spacing_log_sd=0.0),)
        torch.manual_seed(0)
        generator = MosaicGenerator(MosaicArchitecture(latent=8, width=8, instruments=instruments))
        seen = {}
        generator.enter.register_forward_hook(
            lambda _module, inputs, _out, seen=seen: seen.update(x=inputs[0])
        )
        with torch.inference_mode():
            generator(torch.from_numpy(draw_normals(ImageRange(1, 0, 2), generator.draws)))
        relative = seen["x"][:, 5]
        assert float(relative.min()) == pytest.approx(math.log(spacing / 24.0), abs=1e-5)
        assert float(relative.max()) == pytest.approx(math.log(spacing / 24.0), abs=1e-5)


def test_sizes_of_cells_are_those_of_the_instrument_only_where_that_is_asked() -> None:
    """A served image must not tell by its haze, which is the instrument's, how large its cells are."""
    instruments = tuple(
        Instrument(name=str(spacing), share=1.0, spacing_median=spacing, spacing_log_sd=0.1)
        for spacing in (24.0, 32.0)
    )
    architecture = LabelledArchitecture(latent=8, width=8, instruments=instruments)
    generator = LabelledGenerator(architecture)
    draws = draw_normals(ImageRange(2, 0, 8), generator.draws)
    chosen = generator.instruments(torch.from_numpy(draws)).tolist()
    assert set(chosen) == {0, 1}
    for own in (False, True):
        scenes = generator.draw_scenes(draws, Conditions(), sizes_of_instruments=own)
        for row, scene, instrument in zip(draws, scenes, chosen, strict=True):
            median, log_sd = architecture.population.area_median, architecture.population.area_log_sd
            if own:  # a hexagon's area, which varies twice as much as its width
                median, log_sd = 0.5 * 3**0.5 * (24.0, 32.0)[instrument] ** 2, 0.2
            expected = median * math.exp(-log_sd * float(row[0]))
            assert scene.parameters.cell_area == pytest.approx(expected, rel=1e-6)


def test_an_open_clarity_is_that_of_the_instrument() -> None:
    instruments = tuple(
        Instrument(name=str(median), share=1.0, clarity=ClarityPopulation(median=median, log_sd=0.0))
        for median in (6.0, 21.0)
    )
    generator = LabelledGenerator(LabelledArchitecture(latent=8, width=8, instruments=instruments))
    draws = draw_normals(ImageRange(2, 0, 8), generator.draws)
    scenes = generator.draw_scenes(draws, Conditions())
    chosen = generator.instruments(torch.from_numpy(draws)).tolist()
    assert set(chosen) == {0, 1}
    for scene, instrument in zip(scenes, chosen, strict=True):
        assert scene.parameters.clarity == pytest.approx((6.0, 21.0)[instrument])


def test_a_model_from_before_draws_no_clarity_and_takes_none(tmp_path: Path) -> None:
    path = save_tiny(tmp_path, make_card("older", architecture=TINY_WITHOUT_CLARITY))
    sampler = Sampler(load_checkpoint(path))
    (batch,) = sampler.batches(ImageRange(1, 0, 2))
    assert [scene.parameters.clarity for scene in batch.scenes] == [None, None]
    assert all(label.measured.clarity is not None for label in batch.labels())
    with pytest.raises(NotLabelledError, match="older does not set the clarity"):
        sampler.batch(ImageRange(1, 0, 2), Conditions(clarity=fixed(20.0)))


@pytest.mark.parametrize("clarity", [4.0, 12.0, 35.0])
def test_a_clarity_that_is_asked_for_is_met(clarity: float, tmp_path: Path) -> None:
    """Even by random weights: of 255 grey levels, the written image rounds each to the next."""
    path = save_tiny(tmp_path, make_card(architecture=TINY_LABELLED))
    conditions = Conditions(clarity=fixed(clarity), guttae=fixed(0.1))
    measured = [
        label.measured.clarity
        for batch in Sampler(load_checkpoint(path)).batches(ImageRange(4, 0, 16), conditions)
        for label in batch.labels()
    ]
    assert measured == pytest.approx([clarity] * 16, abs=0.1)


def test_a_missing_clarity_is_added_along_the_borders_alone() -> None:
    """Grain and light inside of cells say nothing of the haze, so they stay."""
    torch.manual_seed(0)
    generator = LabelledGenerator(
        LabelledArchitecture(latent=8, width=8, instruments=(Instrument(name="a", share=1.0),))
    )
    generator.style[0].weight.data[:, -1] = 0.0  # the network is not told the clarity
    draws = draw_normals(ImageRange(2, 0, 4), generator.draws)
    images, missing, inside = [], [], []
    for clarity in (5.0, 30.0):
        scenes = generator.draw_scenes(
            draws, Conditions(clarity=fixed(clarity), guttae=fixed(0.0), density=fixed(900.0))
        )
        with torch.inference_mode():
            image, missed = generator.render_and_correct(torch.from_numpy(draws), scenes)
        images.append(image)
        missing.append(missed)
        inside = [torch.from_numpy(scene.raster.border > 10.0) for scene in scenes]
    assert (missing[1] - missing[0]).tolist() == pytest.approx([25.0 / 127.5] * 4, abs=1e-4)
    changed = (images[1] - images[0]).abs()[:, 0]
    assert all(float(change[cell].max()) < 1e-4 for change, cell in zip(changed, inside, strict=True))
    assert all(float(change.max()) > 20.0 / 127.5 for change in changed)
