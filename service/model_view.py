"""Models as clients see them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from endotwin.generator.card import Card
from endotwin.mosaic.parameters import ImagePopulation
from service.models import Model, Models


class ModelSummary(BaseModel):
    """A model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="the name in its card")
    generator_sha256: str = Field(
        description="digest of what decides pixels: weights, architecture, version of the mosaic"
    )
    fid: float | None = Field(ge=0, description="recorded FID; null for an unscored model")
    default: bool = Field(description="whether a request gets it that names no model")
    labels: bool = Field(description="whether its images come with labels, and meet conditions")
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


def view_models(models: Models) -> ModelList:
    """Return all models as clients see them."""
    return ModelList(models=[_summary(model, models) for model in models])


def view_model(model: Model, models: Models) -> ModelDetails:
    """Return a model with its card as clients see it."""
    return ModelDetails(**dict(_summary(model, models)), card=model.card)


def _summary(model: Model, models: Models) -> ModelSummary:
    return ModelSummary(
        name=model.name,
        generator_sha256=model.generator_sha256,
        fid=model.fid,
        default=model is models.default,
        labels=model.population is not None,
        population=model.population,
    )
