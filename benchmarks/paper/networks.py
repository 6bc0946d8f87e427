"""The networks of the preset `paper`, layer by layer, from the code: `python -m benchmarks.paper.networks`.

Prints the tables of docs/paper.md beside Fig. 4 and 5 of the paper.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from endotwin.generator.architectures import PRESETS
from endotwin.generator.dcgan import DcganArchitecture, DcganGenerator
from training.learning.discriminators.dcgan import DcganDiscriminator


@dataclass(frozen=True)
class Layer:
    """A convolution and what follows it.

    Attributes:
        kind: convolution or transposed convolution, with kernel and stride.
        then: normalisation and activation, in their order.
        output: channels, height and width.
        parameters: of all of these together.
    """

    kind: str
    then: str
    output: tuple[int, int, int]
    parameters: int


def list_layers(network: nn.Module, layers: nn.Sequential, inputs: Tensor) -> list[Layer]:
    """Return the layers of a network, as a run of it finds them.

    Args:
        network: on any device, also the one without memory ("meta").
        layers: convolutions, each followed by what belongs to it.
        inputs: of one image, on the same device.
    """
    outputs: dict[nn.Module, Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda module, _inputs, output: outputs.__setitem__(module, output))
        for module in layers
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    ]
    network.eval()(inputs)
    for hook in hooks:
        hook.remove()
    found: list[Layer] = []
    for module in layers:
        own = sum(parameter.numel() for parameter in module.parameters())
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            kind = "transposed convolution" if isinstance(module, nn.ConvTranspose2d) else "convolution"
            (channels, height, width) = outputs[module].shape[1:]
            found.append(
                Layer(
                    f"{kind} {module.kernel_size[0]} × {module.kernel_size[1]}, stride {module.stride[0]}",
                    "",
                    (channels, height, width),
                    own,
                )
            )
        else:
            last = found[-1]
            then = ", ".join(filter(None, [last.then, _NAMES[type(module)]]))
            found[-1] = Layer(last.kind, then, last.output, last.parameters + own)
    return found


_NAMES: dict[type[nn.Module], str] = {
    nn.BatchNorm2d: "batch normalisation",
    nn.LeakyReLU: "leaky ReLU",
    nn.Tanh: "tanh",
}


def paper_networks(architecture: DcganArchitecture) -> dict[str, list[Layer]]:
    """Return the layers of generator and discriminator of an architecture, without allocating weights."""
    with torch.device("meta"):
        generator, discriminator = DcganGenerator(architecture), DcganDiscriminator(architecture)
        return {
            "generator": list_layers(generator, generator.layers, torch.zeros(1, architecture.latent)),
            "discriminator": list_layers(discriminator, discriminator.layers, torch.zeros(1, 1, 128, 128)),
        }


def main() -> None:
    """Print a table for each network."""
    architecture = PRESETS["paper"]
    assert isinstance(architecture, DcganArchitecture)
    for name, layers in paper_networks(architecture).items():
        rows = [
            [layer.kind, layer.then, " × ".join(map(str, layer.output)), f"{layer.parameters:,}"]
            for layer in layers
        ]
        total = sum(layer.parameters for layer in layers)
        print(f"{name}: {total:,} parameters\n")
        for row in [["layer", "then", "output", "parameters"], ["---"] * 4, *rows]:
            print(f"| {' | '.join(row)} |")
        print()


if __name__ == "__main__":
    main()
