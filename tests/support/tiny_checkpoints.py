"""Tiny checkpoints with untrained weights and made-up scores."""

from __future__ import annotations

from pathlib import Path

import torch

from endotwin.generator.architectures import Architecture, build_generator
from endotwin.generator.card import Card, Data, FidRecord, FidScore, Source, Training
from endotwin.generator.checkpoint import save_checkpoint
from endotwin.generator.compact import MosaicArchitecture
from endotwin.generator.instruments import Instrument
from endotwin.generator.labelled import LabelledArchitecture
from endotwin.image_range import IMAGE_SIZE

TINY = MosaicArchitecture(latent=8, width=8)
TINY_LABELLED = LabelledArchitecture(
    latent=8, width=8, instruments=(Instrument(name="made-up", share=1.0),)
)
TINY_WITHOUT_CLARITY = LabelledArchitecture(latent=8, width=8)
"""As models were before clarity was a condition."""


def make_card(
    name: str = "tiny", fid: float = 123.5, *, recorded: bool = True, architecture: Architecture = TINY
) -> Card:
    """Return the card of a tiny checkpoint with made-up scores."""

    def score(first: str, second: str, value: float) -> FidScore:
        return FidScore(fid=value, first=first, second=second, first_count=3000, second_count=3000)

    record = FidRecord(
        generated_training=score("generated", "training crops", fid),
        generated_held_out=score("generated", "held-out crops", fid + 20),
        real_real=score("training crops", "training crops", 6.0),
        real_held_out=score("training crops", "held-out crops", 40.0),
        noise_real=score("uniform noise", "training crops", 400.0),
        protocol="made up for a test",
        inception_sha256="0" * 64,
        pytorch_fid="0.3.0",
        seed=0,
        device="cpu",
    )
    return Card(
        name=name,
        description="A tiny generator with untrained weights, for tests.",
        created="2026-11-25",
        image_size=IMAGE_SIZE,
        architecture=architecture,
        data=Data(
            sources=(Source(name="made-up", images=3, held_out=1, left_out=0, weight=1.0),),
            crop_size=IMAGE_SIZE,
            max_upscale=1.0,
            image_list_sha256="0" * 64,
            split_seed=0,
            validation_share=0.25,
            terms="none",
        ),
        training=Training(
            recipe="none",
            epochs=0,
            images_seen=0,
            seconds=0,
            hardware="none",
            torch=torch.__version__,
            git_revision="none",
            seed=0,
        ),
        fid=record if recorded else None,
    )


def save_tiny(folder: Path, card: Card) -> Path:
    """Save a checkpoint of a card's name whose weights are random but fixed."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        generator = build_generator(card.architecture)
    path = folder / f"{card.name}.safetensors"
    save_checkpoint(path, generator, card)
    return path
