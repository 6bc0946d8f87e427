"""Tables and figures of docs/paper.md."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.paper.curves import curves_figure, read_points
from benchmarks.paper.networks import paper_networks
from benchmarks.paper.stages import choose_stages, stages_figure
from endotwin.generator.architectures import PRESETS, build_generator
from endotwin.generator.dcgan import DcganArchitecture
from training.learning.discriminators.dcgan import DcganDiscriminator
from training.scores.figures import figure_png


def test_the_layers_are_those_of_the_paper_and_all_parameters_are_told() -> None:
    architecture = PRESETS["paper"]
    assert isinstance(architecture, DcganArchitecture)
    networks = paper_networks(architecture)
    assert [layer.output for layer in networks["generator"]] == [
        (2048, 4, 4),
        (1024, 8, 8),
        (512, 16, 16),
        (256, 32, 32),
        (128, 64, 64),
        (1, 128, 128),
    ]
    assert [layer.output[0] for layer in networks["discriminator"]] == [128, 256, 512, 1024, 2048, 1]
    assert networks["generator"][0].then == "batch normalisation, leaky ReLU"
    assert networks["generator"][-1].then == "tanh"
    small = PRESETS["paper-512"]
    assert isinstance(small, DcganArchitecture)
    told = {
        name: sum(layer.parameters for layer in layers) for name, layers in paper_networks(small).items()
    }
    for name, network in (
        ("generator", build_generator(small)),
        ("discriminator", DcganDiscriminator(small)),
    ):
        assert told[name] == sum(parameter.numel() for parameter in network.parameters())


def test_stages_are_those_nearest_to_the_wanted_fids_and_the_best() -> None:
    scores = {8000: 310.0, 16000: 240.0, 24000: 100.0, 32000: 70.0, 40000: 41.0, 48000: 44.0}
    assert choose_stages(scores, [250, 90, 35]) == [16000, 24000, 40000]
    assert choose_stages({8000: 300.0}, [250, 90]) == [8000]
    assert choose_stages({8000: 300.0, 16000: 20.0}, [290]) == [8000, 16000]


def test_the_figures_are_drawn(tmp_path: Path) -> None:
    grid = np.zeros((518, 518), dtype=np.uint8)
    stages = Image.open(io.BytesIO(figure_png(stages_figure([(grid, "one"), (grid, "two")]))))
    assert stages.width > 1.5 * stages.height
    lines = [{"images": 800 * k, "epoch": 2.0 * k, "quick_fid": 300.0 / k} for k in (1, 2, 3)]
    (tmp_path / "statistics.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    points = read_points(tmp_path)
    assert points == [(2.0, 300.0), (4.0, 150.0), (6.0, 100.0)]
    assert Image.open(io.BytesIO(figure_png(curves_figure({"a": points, "b": points[:2]})))).width > 500


def test_a_run_without_scores_says_how_to_get_them(tmp_path: Path) -> None:
    (tmp_path / "statistics.jsonl").write_text('{"images": 800, "epoch": 1.0}\n')
    with pytest.raises(SystemExit, match="--score-every"):
        read_points(tmp_path)
