"""The labelled generator: a mosaic with clinical parameters, rendered as an image of the modality.

The mosaic is drawn by `endotwin.mosaic`, on the CPU and in double precision, whatever device renders it:
labels are the same on every device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from endotwin.field_size import STANDARD, FieldSize
from endotwin.generator.illumination import LIGHT_CHANNELS, light_fields, light_of_field, light_shapes
from endotwin.generator.instruments import Instrument, choose, number_of, one_hot, per_image
from endotwin.generator.latents import FIRST_STREAM_OF_APPEARANCES, draw_normals, size_stream
from endotwin.generator.renderer import (
    DrawsReader,
    RenderingNetwork,
    noise_shapes,
    video_fields,
    whole_steps,
)
from endotwin.image_range import ImageRange
from endotwin.mosaic.guttae import soften
from endotwin.mosaic.parameters import (
    PARAMETER_NUMBERS,
    ClarityPopulation,
    Conditions,
    ImagePopulation,
)
from endotwin.mosaic.scene import Rendered, Scene, draw_scene, numbers_of_appearance, scene_numbers

_MOSAIC_CHANNELS = 6
GUTTAE_CHANNELS = 3
FINE_CHANNELS = 1
_UNIT_SPACING, _UNIT_LOG_SD = 24.0, 0.2
_UNIT_CLARITY = 15.0
_GUTTA_DEPTH, _GUTTA_DEPTH_SD = 0.39, 0.12
_LEAST_DEPTH, _LARGEST_DEPTH, _DARKEST = 0.12, 0.5, 0.85
"""Share of the brightness that a gutta takes away, over images; and the most that it takes at any pixel."""
_GUTTA_GRAIN = 0.85
"""How much of the grain, of a place without their borders, guttae keep."""
_BORDER_WIDTH = 2.0
"""Width in pixels (sigma) of the borders that are drawn deeper or shallower to meet the clarity."""
_LIGHT_CELL = 16
"""Side in pixels of the squares whose means are the light of an image."""


class LabelledArchitecture(BaseModel):
    """Numbers of a `LabelledGenerator`.

    Attributes:
        latent: length of the style vector (illumination, focus, contrast).
        width: channels at 128 pixels; deeper layers have multiples of it.
        population: the cells of the training images.
        instruments: those that took the training images; none if the network does not tell them apart, and
            then it does not set the clarity of images either.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["labelled"] = "labelled"
    latent: int = Field(default=64, ge=1, le=1024)
    width: int = Field(default=16, ge=8, le=256, multiple_of=8)
    population: ImagePopulation = ImagePopulation()
    instruments: tuple[Instrument, ...] = ()


class LabelledGenerator(RenderingNetwork):
    """Scenes, rendered: `draw_scenes` is what an image shows, `render_scenes` how it looks."""

    def __init__(self, architecture: LabelledArchitecture) -> None:
        """Build it with fresh weights."""
        super().__init__(
            architecture.latent,
            architecture.width,
            _MOSAIC_CHANNELS + LIGHT_CHANNELS,
            FINE_CHANNELS,
            style_more=len(architecture.instruments) + 1 if architecture.instruments else 0,
        )
        self.architecture = architecture
        self.draws = self.draws_of(STANDARD)

    def draws_of(self, size: FieldSize) -> int:
        """Return how many standard normal numbers an image of a size takes."""
        return (
            scene_numbers(size)
            + self.architecture.latent
            + 1  # field parity
            + sum(map(math.prod, light_shapes(size)))
            + 1  # depth of guttae
            + whole_steps(size)[0]
            + sum(map(math.prod, noise_shapes(size).values()))
            + (1 if self.architecture.instruments else 0)
        )

    def instruments(self, draws: Tensor) -> Tensor:
        """Return the instrument of each image, int64 (B,), an index; all 0 if there are none."""
        return choose(self.architecture.instruments, draws[:, -1])

    def forward(self, draws: Tensor) -> Tensor:
        """Map standard normal numbers (B, draws) to images (B, 1, 128, 128) in -1..1, unconditionally."""
        scenes = self.draw_scenes(draws.detach().cpu().numpy(), Conditions())
        return self.render_scenes(draws, scenes)

    def draw_numbers(
        self,
        images: ImageRange,
        appearance: int,
        instrument: int | None = None,
        size: FieldSize = STANDARD,
    ) -> np.ndarray:
        """Draw the numbers of images in one of their looks.

        Appearance 0 has those of `draw_normals`. Another one has those of a stream of its own wherever
        neither the mosaic nor its labels depend on them.

        Args:
            images: which.
            appearance: 0 or more.
            instrument: its index, for all images; None for one that is drawn.
            size: of the images.

        Returns:
            float32 (images.count, draws_of(size)) standard normal.
        """
        draws, stream = self.draws_of(size), size_stream(size)
        numbers = draw_normals(images, draws, stream)
        if appearance > 0:
            others = draw_normals(images, draws, stream + FIRST_STREAM_OF_APPEARANCES + appearance - 1)
            of_look = np.ones(draws, dtype=bool)
            of_look[: scene_numbers(size)] = numbers_of_appearance(size)
            numbers[:, of_look] = others[:, of_look]
        if instrument is not None:
            numbers[:, -1] = number_of(self.architecture.instruments, instrument)
        return numbers

    def draw_scenes(
        self,
        draws: np.ndarray,
        conditions: Conditions,
        before_each: Callable[[], None] = lambda: None,
        *,
        sizes_of_instruments: bool = False,
    ) -> list[Scene]:
        """Draw the scenes of images.

        Args:
            draws: float32 (B, draws_of(conditions.size)) standard normal.
            conditions: what the caller asked for.
            before_each: is called before each scene, which takes some ten milliseconds.
            sizes_of_instruments: draw open sizes of cells as each instrument's own images have them, to be
                compared with these. Not for images that are served: one instrument is hazier, and haze
                must not tell the size of cells.
        """
        population = self.architecture.population
        instruments = self.architecture.instruments
        populations = [
            each.cells(population) if sizes_of_instruments else population for each in instruments
        ] or [population]
        usual: list[ClarityPopulation | None] = [instrument.clarity for instrument in instruments] or [None]
        chosen = self.instruments(torch.from_numpy(draws)).tolist()
        scenes = []
        used = scene_numbers(conditions.size)
        for row, instrument in zip(draws, chosen, strict=True):
            before_each()
            scenes.append(draw_scene(row[:used], conditions, populations[instrument], usual[instrument]))
        return scenes

    def render_scenes(self, draws: Tensor, scenes: Sequence[Rendered]) -> Tensor:
        """Render scenes.

        Args:
            draws: (B, draws_of(size)) standard normal, the ones that the scenes were drawn with.
            scenes: B of them, all of one size.

        Returns:
            Images (B, 1, H, W) in -1..1.
        """
        return self.render_and_correct(draws, scenes)[0]

    def render_and_correct(self, draws: Tensor, scenes: Sequence[Rendered]) -> tuple[Tensor, Tensor]:
        """Render scenes as `render_scenes` does, and tell how much of their clarity had to be corrected.

        Returns:
            Images (B, 1, H, W) in -1..1, and by how much of these units the network missed the clarity
            of each, (B,); 0 where it does not set it.
        """
        rows, columns = scenes[0].raster.owner.shape
        size = FieldSize(columns, rows)
        height, width = whole_steps(size)
        numbers = DrawsReader(draws[:, scene_numbers(size) :])
        latent = numbers.take(self.architecture.latent)
        parity = numbers.take(1)
        smooth, ramps = (numbers.take(*shape) for shape in light_shapes(size))
        depth = numbers.take(1, 1, 1)
        of_rows = numbers.take(1, height, 1)
        noise = {at: numbers.take(*shape) for at, shape in noise_shapes(size).items()}

        drawn = torch.from_numpy(np.stack([_fields(scene) for scene in scenes])).to(draws.device)
        mosaic, guttae, fine = torch.split(drawn, [_MOSAIC_CHANNELS, GUTTAE_CHANNELS, FINE_CHANNELS], dim=1)
        # What the network makes beyond the field is cut off; its convolutions reflect the edges, too.
        beyond = (0, width - size.width, 0, height - size.height)
        mosaic, fine = (F.pad(maps, beyond, mode="reflect") for maps in (mosaic, fine))
        about = torch.from_numpy(np.stack([self._about(scene) for scene in scenes])).to(draws.device)
        mosaic = F.avg_pool2d(mosaic, 2)
        if size == STANDARD:
            light = light_fields(smooth, ramps)
        else:
            light = light_of_field(smooth, ramps, (height // 2, width // 2))
        style = torch.cat([latent, about, draws[:, _LATTICE_COLUMNS], parity], dim=1)
        video = video_fields(of_rows, parity[:, 0], width)
        instruments = self.architecture.instruments
        if instruments:
            chosen = self.instruments(draws)
            clarity = torch.log(_clarity_of(scenes).to(style.device) / _UNIT_CLARITY)
            style = torch.cat([style, one_hot(instruments, chosen), clarity[:, None]], dim=1)
            video = video * per_image([i.interlaced for i in instruments], chosen)[:, None, None, None]
        images = self.render(
            torch.cat([mosaic, light], dim=1),
            style,
            video,
            noise,
            fine,
        )[:, :, : size.height, : size.width]
        missing = torch.zeros(len(images), device=images.device)
        if instruments:
            images, missing = _set_clarity(images, scenes)
        return _cover(images, guttae, depth), missing

    def _about(self, scene: Rendered) -> np.ndarray:
        """Return the input of the style network: (2,), size of the cells and disorder, about -3 to 3."""
        population = self.architecture.population
        size = math.log(scene.spacing / _UNIT_SPACING) / _UNIT_LOG_SD
        disorder = population.hexagonality_mean - scene.parameters.hexagonality
        spread = max(population.hexagonality_sd, 1e-3)
        return np.array([size, max(-3.0, min(3.0, disorder / spread))], dtype=np.float32)


_LATTICE_COLUMNS = slice(PARAMETER_NUMBERS, PARAMETER_NUMBERS + 5)
"""Rotation, stretch (2) and offset (2) within a row of draws: after the numbers of the parameters."""


def _fields(scene: Rendered) -> np.ndarray:
    """Turn a scene into what the network sees, float32 (channels, H, W).

    Border sharp and soft (1 on a border, towards 0 inside), distance to the cell's site in spacings, two
    numbers constant within a cell, size of the cells; the soft guttae, their depth and glints; and, for
    128 pixels, the border finest.
    """
    raster = scene.raster
    spacing = scene.spacing
    size = np.full(raster.border.shape, math.log(spacing / _UNIT_SPACING), dtype=np.float32)
    return np.stack(
        [
            np.exp(-raster.border / 1.5),
            np.exp(-raster.border / 5.0),
            raster.centre / np.float32(spacing),
            scene.looks[..., 0],
            scene.looks[..., 1],
            size,
            scene.soft_guttae,
            soften(scene.guttae * scene.gutta_look.depths, scene.gutta_look),
            scene.gutta_look.glints,
            np.exp(-raster.border),
        ]
    )


def _set_clarity(images: Tensor, scenes: Sequence[Rendered]) -> tuple[Tensor, Tensor]:
    """Give images (B, 1, H, W) the clarity of their scenes: haze depends on nothing that is drawn.

    The network is told the clarity and trained to meet it; what it misses is added along the borders.

    Returns:
        The images, and what was missing, (B,).
    """
    weights, profiles = (
        torch.from_numpy(np.stack(maps)).to(images.device)
        for maps in zip(*(_border_maps(scene) for scene in scenes), strict=True)
    )
    known = (weights != 0.0).flatten(1).any(dim=1)
    wanted = _clarity_of(scenes).to(images.device) / 127.5
    missing = (wanted - _sum_each(images[:, 0] * weights)) * known
    return (images + (missing[:, None, None] * profiles)[:, None]).clamp(-1.0, 1.0), missing


def _sum_each(maps: Tensor) -> Tensor:
    """Return the sum of each of several maps (B, H, W); of a single one, whatever the number of threads."""
    return maps.flatten(1).sum(dim=1) if len(maps) > 1 else maps.sum(dim=2).sum(dim=1)


def _border_maps(scene: Rendered) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of a scene's clarity, and the borders that add one to it: float32 (H, W) each.

    Both are 0 where too little is visible to tell a clarity.
    """
    weights = scene.clarity_weights
    if weights is None:
        nothing = np.zeros(scene.raster.border.shape, dtype=np.float32)
        return nothing, nothing
    profile = np.exp(-0.5 * np.square(scene.raster.border / np.float32(_BORDER_WIDTH)))
    return weights, profile / np.float32((weights.astype(np.float64) * profile).sum())


def _clarity_of(scenes: Sequence[Rendered]) -> Tensor:
    """Return the clarity that scenes were drawn with, in grey levels, (B,)."""
    return torch.tensor([scene.parameters.clarity for scene in scenes], dtype=torch.float32)


def _light_of(images: Tensor) -> Tensor:
    """Return the smooth part of images (B, 1, H, W)."""
    height, width = images.shape[2:]
    means = F.avg_pool2d(images, _LIGHT_CELL, stride=_LIGHT_CELL, ceil_mode=True)
    smooth = F.interpolate(means, scale_factor=_LIGHT_CELL, mode="bilinear", align_corners=False)
    return smooth[:, :, :height, :width]


def _cover(images: Tensor, guttae: Tensor, depth: Tensor) -> Tensor:
    """Darken and blur images (B, 1, H, W) where guttae cover them, and add their glints.

    This is done to the rendered image: a network that gets the guttae as an input, and is trained on images
    with few of them, learns to render them away.

    Args:
        images: in -1..1.
        guttae: (B, GUTTAE_CHANNELS, H, W), see `_fields`.
        depth: (B, 1, 1, 1), standard normal.
    """
    covered, deep, glints = torch.split(guttae, 1, dim=1)
    darker = (_GUTTA_DEPTH + _GUTTA_DEPTH_SD * depth).clamp(_LEAST_DEPTH, _LARGEST_DEPTH) * deep
    smooth = _light_of(images)
    grain = (images - F.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)).flip(3)
    blurred = images + covered * (smooth + _GUTTA_GRAIN * grain - images)
    brightness = (blurred + 1.0) * (1.0 - darker.clamp(max=_DARKEST)) * (1.0 + glints)
    return torch.clamp(brightness - 1.0, -1.0, 1.0)
