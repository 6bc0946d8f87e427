"""The instruments of a run: one for each folder of images."""

from __future__ import annotations

from collections.abc import Sequence

from endotwin.generator.architectures import Architecture
from endotwin.generator.dcgan import DcganArchitecture
from endotwin.generator.instruments import Instrument
from endotwin.mosaic.parameters import ClarityPopulation
from training.data.split import ImageFolder


def with_instruments(architecture: Architecture, folders: Sequence[ImageFolder]) -> Architecture:
    """Return an architecture that tells the folders' instruments apart, each as frequent as its weight.

    The paper's network, which has one latent vector for everything, is returned as it is.
    """
    if isinstance(architecture, DcganArchitecture):
        return architecture
    instruments = tuple(
        Instrument(
            name=folder.name,
            share=folder.weight,
            interlaced=folder.interlaced,
            spacing_median=folder.spacing[0],
            spacing_log_sd=folder.spacing[1],
            clarity=ClarityPopulation(median=folder.clarity[0], log_sd=folder.clarity[1]),
        )
        for folder in folders
    )
    return architecture.model_copy(update={"instruments": instruments})
