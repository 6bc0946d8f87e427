"""Start a generator from the weights of another one of the same layers."""

from __future__ import annotations

import torch
from torch import Tensor

from endotwin.generator.architectures import Generator
from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.compact import MosaicGenerator
from endotwin.generator.dcgan import DcganGenerator
from endotwin.generator.labelled import LabelledGenerator
from endotwin.generator.renderer import STYLE_EXTRA

_STYLE_WEIGHT = "style.0.weight"
_MORE_IN_LABELLED = (_STYLE_WEIGHT, "up128.0.convolution.weight")
"""Layers where a labelled network has inputs, the last ones, that an unlabelled one has not."""


class WarmStartError(Exception):
    """The weights do not fit; the message names the first that do not."""


def start_from(generator: Generator, checkpoint: Checkpoint) -> None:
    """Copy a checkpoint's weights into a generator.

    Where a layer of the generator has more input channels than the checkpoint's, the additional ones, which
    come last, start at zero: at first the generator does what the checkpoint did. An instrument that the
    checkpoint does not know starts as the mean of those that it knows. An unlabelled generator leaves out
    the inputs that only a labelled checkpoint has: the finest border and the clarity.

    Raises:
        WarmStartError: a weight is missing or its shape does not fit.
    """
    have = _of_instruments(checkpoint, generator)
    want = generator.state_dict()
    name = checkpoint.card.name
    if have.keys() != want.keys():
        different = sorted(have.keys() ^ want.keys())
        raise WarmStartError(
            f"{checkpoint.path}: {name} is built otherwise; only one of both has {different[:3]}"
        )
    if _same_but_for_labels(checkpoint.generator, generator):
        have = have | {key: have[key][:, : want[key].shape[1]] for key in _MORE_IN_LABELLED}
    generator.load_state_dict({key: _fit(have[key], want[key], f"{name}: {key}") for key in want})


def _same_but_for_labels(known: Generator, wanted: Generator) -> bool:
    """Whether a labelled network's style has the inputs of an unlabelled one's, and then its clarity."""
    return (
        isinstance(known, LabelledGenerator)
        and isinstance(wanted, MosaicGenerator)
        and known.architecture.latent == wanted.architecture.latent
        and bool(known.architecture.instruments) == bool(wanted.architecture.instruments)
    )


def _of_instruments(checkpoint: Checkpoint, generator: Generator) -> dict[str, Tensor]:
    """Return a checkpoint's weights for the instruments of another generator."""
    weights: dict[str, Tensor] = checkpoint.generator.state_dict()
    if isinstance(checkpoint.generator, DcganGenerator) or isinstance(generator, DcganGenerator):
        return weights
    known, wanted = checkpoint.generator.architecture, generator.architecture
    if not known.instruments or not wanted.instruments:
        return weights
    first = known.latent + STYLE_EXTRA
    before, columns, after = torch.split(
        weights[_STYLE_WEIGHT],
        [first, len(known.instruments), weights[_STYLE_WEIGHT].shape[1] - first - len(known.instruments)],
        dim=1,
    )
    shares = torch.tensor([instrument.share for instrument in known.instruments])
    mean = columns @ (shares / shares.sum()).to(columns)
    by_name = {instrument.name: columns[:, k] for k, instrument in enumerate(known.instruments)}
    chosen = torch.stack([by_name.get(instrument.name, mean) for instrument in wanted.instruments], dim=1)
    return {**weights, _STYLE_WEIGHT: torch.cat([before, chosen, after], dim=1)}


def _fit(have: Tensor, want: Tensor, where: str) -> Tensor:
    if have.shape == want.shape:
        return have
    wider = want.dim() >= 2 and want.shape[1] > have.shape[1]
    if not wider or want.shape[:1] + want.shape[2:] != have.shape[:1] + have.shape[2:]:
        raise WarmStartError(f"{where} has shape {tuple(have.shape)}, needed is {tuple(want.shape)}")
    fitted = torch.zeros_like(want)
    fitted[:, : have.shape[1]] = have
    return fitted
