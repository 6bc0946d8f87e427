"""Start a generator from the weights of another one of the same layers."""

from __future__ import annotations

import torch
from torch import Tensor

from endotwin.generator.architectures import Generator
from endotwin.generator.checkpoint import Checkpoint


class WarmStartError(Exception):
    """The weights do not fit; the message names the first that do not."""


def start_from(generator: Generator, checkpoint: Checkpoint) -> None:
    """Copy a checkpoint's weights into a generator.

    Where a layer of the generator has more input channels than the checkpoint's, the additional ones, which
    come last, start at zero: at first the generator does what the checkpoint did.

    Raises:
        WarmStartError: a weight is missing or its shape does not fit.
    """
    have = checkpoint.generator.state_dict()
    want = generator.state_dict()
    name = checkpoint.card.name
    if have.keys() != want.keys():
        different = sorted(have.keys() ^ want.keys())
        raise WarmStartError(
            f"{checkpoint.path}: {name} is built otherwise; only one of both has {different[:3]}"
        )
    generator.load_state_dict({key: _fit(have[key], want[key], f"{name}: {key}") for key in want})


def _fit(have: Tensor, want: Tensor, where: str) -> Tensor:
    if have.shape == want.shape:
        return have
    wider = want.dim() >= 2 and want.shape[1] > have.shape[1]
    if not wider or want.shape[:1] + want.shape[2:] != have.shape[:1] + have.shape[2:]:
        raise WarmStartError(f"{where} has shape {tuple(have.shape)}, needed is {tuple(want.shape)}")
    fitted = torch.zeros_like(want)
    fitted[:, : have.shape[1]] = have
    return fitted
