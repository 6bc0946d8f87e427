"""Models as clients see them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from endotwin.catalogue import conditions_of
from endotwin.generator.card import Card
from endotwin.mosaic.parameters import ImagePopulation
from endotwin.samples.conditions import SWITCHES
from endotwin.samples.labelling import LABELS
from service.models import Model, Models


class Limits(BaseModel):
    """The least and the greatest value of a condition."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    least: float
    most: float


class ModelSummary(BaseModel):
    """A model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="the name in its card")
    generator_sha256: str = Field(
        description="digest of what decides pixels: weights, architecture, version of the mosaic"
    )
    fid: float | None = Field(ge=0, description="recorded FID; null for an unscored model")
    scored: bool = Field(
        description="whether an FID is recorded; how real an unscored model looks nobody measured"
    )
    default: bool = Field(description="whether a request gets it that names no model")
    labels: bool = Field(description="whether its images come with labels, and meet conditions")
    label_names: list[str] = Field(description="the labels; none for a model without")
    labelled_place: int | None = Field(
        ge=0,
        description="a request for labels or conditions that names no model gets the model with the lowest "
        "place that takes them all; null for a model without labels",
    )
    conditions: dict[str, Limits] = Field(description="the conditions that it takes, by name")
    switches: list[str] = Field(description="the conditions that it takes and that are true or false")
    population: ImagePopulation | None = Field(
        description="what is drawn where a request sets no condition; null for a model without labels"
    )


class ModelDetails(ModelSummary):
    """A model with its whole card."""

    card: Card


class ModelList(BaseModel):
    """All models."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: list[ModelSummary]
    max_images: int = Field(ge=1, description="most images that one request may ask for")


def view_models(models: Models, max_images: int) -> ModelList:
    """Return all models as clients see them, with the operator's limit on one request."""
    return ModelList(models=[_summary(model, models) for model in models], max_images=max_images)


def view_model(model: Model, models: Models) -> ModelDetails:
    """Return a model with its card as clients see it."""
    return ModelDetails(**dict(_summary(model, models)), card=model.card)


def _summary(model: Model, models: Models) -> ModelSummary:
    labelled = models.labelled_in_order
    return ModelSummary(
        name=model.name,
        generator_sha256=model.generator_sha256,
        fid=model.fid,
        scored=model.fid is not None,
        default=model is models.default,
        labels=model.population is not None,
        label_names=[] if model.population is None else list(LABELS),
        labelled_place=labelled.index(model.name) if model.name in labelled else None,
        conditions={
            name: Limits(least=least, most=most)
            for name, (least, most) in conditions_of(model.card).items()
        },
        switches=[] if model.population is None else sorted(SWITCHES),
        population=model.population,
    )
