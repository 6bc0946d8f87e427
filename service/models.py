"""The models a service offers: the checkpoints of one folder, by the name in their card."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from endotwin.catalogue import choose_labelled, labelled_in_order, population_of, recorded_fid
from endotwin.generator.card import Card
from endotwin.generator.sampler import Sampler
from endotwin.image_range import ImageRange
from endotwin.mosaic.parameters import Conditions, ImagePopulation
from endotwin.samples.labelling import Labelling


@dataclass(frozen=True)
class Model:
    """A checkpoint that is loaded: its card, its digest, and what generates its images.

    Attributes:
        card: what it is.
        generator_sha256: what decides pixels.
        samplers: one for each device of the service.
    """

    card: Card
    generator_sha256: str
    samplers: Sequence[Sampler]

    @property
    def name(self) -> str:
        """Return the name in the card."""
        return self.card.name

    @property
    def fid(self) -> float | None:
        """Return the recorded FID; None for an unscored checkpoint."""
        return recorded_fid(self.card)

    @property
    def population(self) -> ImagePopulation | None:
        """Return what is drawn where a request sets no condition; None for a model without labels."""
        return population_of(self.card)

    def rows(self, part: ImageRange, conditions: Conditions | None = None) -> int:
        """Return how many rows of a batch the images of one aligned batch take, on any device."""
        return self.samplers[0].rows(part, conditions)


class Models:
    """All models of a service, and which one a request gets that names none.

    Attributes:
        default: the model of a request that names none and asks for no labels.
        labelled_in_order: names of the labelled models; see `endotwin.catalogue.labelled_in_order`.
    """

    def __init__(self, models: Iterable[Model], default: str) -> None:
        self._by_name = {model.name: model for model in sorted(models, key=lambda model: model.name)}
        self.default = self._by_name[default]
        self._cards = {name: model.card for name, model in self._by_name.items()}
        self.labelled_in_order = labelled_in_order(self._cards, default)

    def __iter__(self) -> Iterator[Model]:
        return iter(self._by_name.values())

    @property
    def names(self) -> list[str]:
        """Return the names, sorted."""
        return list(self._by_name)

    def get(self, name: str) -> Model | None:
        """Return a model by name, or None if there is none of that name."""
        return self._by_name.get(name)

    def labelled(self, wanted: str | None, labelling: Labelling) -> Model:
        """Return the model for a request with labels or conditions; see `choose_labelled`."""
        return self._by_name[choose_labelled(self._cards, wanted, self.default.name, labelling)]
