"""What a service says about itself: models, health, metrics, documentation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from live_server import LiveServer

from endotwin.generator.checkpoint import load_checkpoint, read_card
from endotwin.mosaic.parameters import CONDITION_LIMITS
from endotwin.samples.labelling import LABELS
from service import metrics
from service.query import DESCRIPTIONS


def test_models_are_listed(server: LiveServer, tiny_checkpoint: Path, labelled_checkpoint: Path) -> None:
    labelled = load_checkpoint(labelled_checkpoint)
    reply = server.request("/models", "GET")
    assert json.loads(reply.body) == {
        "models": [
            {
                "name": "tiny",
                "generator_sha256": load_checkpoint(tiny_checkpoint).generator_sha256,
                "fid": 123.5,
                "scored": True,
                "default": True,
                "labels": False,
                "label_names": [],
                "labelled_place": None,
                "conditions": {},
                "switches": [],
                "population": None,
            },
            {
                "name": "tiny-labelled",
                "generator_sha256": labelled.generator_sha256,
                "fid": 150.0,
                "scored": True,
                "default": False,
                "labels": True,
                "label_names": list(LABELS),
                "labelled_place": 0,
                "conditions": {
                    name: {"least": least, "most": most} for name, (least, most) in CONDITION_LIMITS.items()
                },
                "switches": ["expert_hand"],
                "population": labelled.card.architecture.population.model_dump(mode="json"),
            },
        ],
        "max_images": 5000,
    }


def test_model_shows_its_whole_card(server: LiveServer, tiny_checkpoint: Path) -> None:
    shown = json.loads(server.request("/models/tiny", "GET").body)
    assert shown["card"] == json.loads(read_card(tiny_checkpoint).model_dump_json())
    assert shown["generator_sha256"] == load_checkpoint(tiny_checkpoint).generator_sha256


def test_ready_means_that_every_generator_has_run(server: LiveServer) -> None:
    assert server.metrics_when_ready["endotwin_device_seconds_count"] == 2
    assert server.metrics_when_ready["endotwin_first_byte_seconds_count"] == 0
    assert server.metrics_when_ready["endotwin_recorded_fid"] == 123.5 + 150.0


def test_every_metric_is_served_but_those_of_jobs_without_jobs(server: LiveServer) -> None:
    server.generate("n=1")
    server.request("/generate?n=0")
    exposed = server.request("/metrics", "GET").body.decode()
    for metric in metrics.ALL:
        [family] = metric.describe()
        assert (f"\n{family.name}" in exposed) == (metric not in metrics.OF_JOBS)


def test_documentation_page_shows_the_parameters(server: LiveServer) -> None:
    assert server.request("/", "GET").headers["Content-Type"].startswith("text/html")
    paths = json.loads(server.request("/docs.json", "GET").body)["paths"]
    shown = [parameter["name"] for parameter in paths["/generate"]["post"]["parameters"]]
    assert shown == list(DESCRIPTIONS)
    assert "/models/{name}" in paths


def test_live_gauges_of_dead_workers_are_forgotten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    names = [f"gauge_livesum_{ended.pid}.db", f"gauge_livesum_{os.getpid()}.db", f"counter_{ended.pid}.db"]
    for name in names:
        (tmp_path / name).touch()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    metrics.forget_dead_workers()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])
