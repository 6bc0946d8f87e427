"""The networks, and the numbers that describe them.

An architecture (pydantic model) says everything needed to build a network again; it is stored in the
checkpoint's card. Every generator takes one flat row of standard normal numbers per image, `draws`
of them, and nothing else: whatever is random in an image comes from that row.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from endotwin.generator.compact import MosaicArchitecture, MosaicGenerator
from endotwin.generator.dcgan import DcganArchitecture, DcganGenerator
from endotwin.generator.labelled import LabelledArchitecture, LabelledGenerator

Architecture = Annotated[
    DcganArchitecture | MosaicArchitecture | LabelledArchitecture, Field(discriminator="kind")
]

PRESETS: dict[str, Architecture] = {
    "paper": DcganArchitecture(),
    "paper-512": DcganArchitecture(channels=(512, 256, 128, 64, 32)),
    "compact": MosaicArchitecture(),
    "labelled": LabelledArchitecture(),
}
"""Named architectures: `paper` is the QCAV 2021 network, `paper-512` the same layout a quarter as
wide, `compact` trains on two CPU cores, and so does
`labelled`, whose images come with labels."""


Generator = DcganGenerator | MosaicGenerator | LabelledGenerator


def build_generator(architecture: Architecture) -> Generator:
    """Build the generator an architecture describes, with fresh weights."""
    if isinstance(architecture, DcganArchitecture):
        return DcganGenerator(architecture)
    if isinstance(architecture, MosaicArchitecture):
        return MosaicGenerator(architecture)
    return LabelledGenerator(architecture)


def to_grey_levels(images: Tensor) -> Tensor:
    """Turn images in -1..1 (B, 1, H, W) into 8-bit grey levels (B, H, W), rounded to nearest."""
    return torch.round((images[:, 0].float() + 1.0) * 127.5).clamp_(0, 255).to(torch.uint8)
