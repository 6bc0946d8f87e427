"""The record of the cells of generated and real images: numbers only."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

PER_PIXELS = 10_000
"""Density is given as cells in so many pixels of cells: the images come without a pixel size."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CellStatistics(_Record):
    """The cells of a set of crops, pooled. None where there is no cell to take it from."""

    crops: int = Field(ge=1)
    crops_without_cells: int = Field(ge=0, description="crops in which no whole cell was found")
    cells: int = Field(ge=0, description="cells that lie wholly inside their crop")
    density: float | None = Field(description="cells per 10,000 pixels")
    cv: float | None = Field(description="standard deviation of the areas over their mean")
    hexagonality: float | None = Field(description="share of cells with six neighbours")
    area_quantiles: dict[str, float] = Field(
        description="areas in pixels, by share of the cells below, in percent"
    )
    neighbours: dict[str, float] = Field(
        description="share of cells by number of neighbours, 3 or less to 9 or more"
    )
    group_density: tuple[float, ...] = Field(description="density of each group of crops")
    group_cv: tuple[float, ...] = Field(description="CV of each group of crops")
    group_hexagonality: tuple[float, ...] = Field(description="share of hexagons of each group of crops")


class Distances(_Record):
    """Wasserstein distances of two sets; 0 for equal distributions. None where one has no cells."""

    area: float | None = Field(description="of the areas, in pixels")
    neighbours: float | None = Field(description="of the numbers of neighbours")
    density: float | None = Field(description="of the groups' densities, in cells per 10,000 pixels")
    cv: float | None = Field(description="of the groups' CVs")
    hexagonality: float | None = Field(description="of the groups' shares of hexagons")


class ParameterError(_Record):
    """Relative errors of one parameter over images, signed: 0.05 is five percent too large."""

    median: float = Field(description="median of the signed errors: the bias")
    median_size: float = Field(ge=0, description="median of the errors' sizes, without their signs")
    errors: tuple[float, ...] = Field(description="one for each image in which both values are known")


class MethodError(_Record):
    """How far the method is from known cells: an expert's, or those of exact labels."""

    truth: str = Field(description="what it was compared with")
    images: int = Field(ge=1)
    cells: int = Field(ge=0, description="cells of the truth")
    density: ParameterError | None
    cv: ParameterError | None
    hexagonality: ParameterError | None


class CellComparison(_Record):
    """Cells of generated and of real images, found by one method, compared as distributions."""

    method: str
    seed: int = Field(description="of the crops and of the groups")
    group: int = Field(ge=1, description="crops per group")
    generated: CellStatistics
    training: CellStatistics
    training_again: CellStatistics = Field(description="a second draw of training crops")
    held_out: CellStatistics | None = Field(description="None without held-out images")
    generated_training: Distances
    training_training: Distances = Field(description="of the two draws: what chance leaves")
    held_out_training: Distances | None = Field(description="what real images of other eyes reach")
    expert_error: MethodError | None = Field(
        description="against expert borders; None if the images have none"
    )
    label_error: MethodError | None = Field(
        description="against the exact cells of generated images with labels; None without labels"
    )
