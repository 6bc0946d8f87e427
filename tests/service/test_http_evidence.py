"""What `endotwin-training evaluate --record` wrote into a card is shown by the service."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from live_server import Client
from tiny_checkpoints import make_card, save_tiny

from endotwin.generator.card import EvidenceRecord, MemorisationSummary, ScoreSummary, Spread
from endotwin.settings import Settings
from service.runtime import Runtime, start_runtime


def evidence() -> EvidenceRecord:
    spread = Spread(mean=0.75, deviation=0.125)
    summary = ScoreSummary(
        fid=spread, kid=spread, precision=spread, recall=spread, density=spread, coverage=spread
    )
    return EvidenceRecord(
        created="2026-11-25",
        count=3000,
        draws=3,
        seed=0,
        protocol="made up for a test",
        generated_training=summary,
        generated_held_out=None,
        real_real=summary,
        real_held_out=None,
        noise_real=summary,
        memorisation=MemorisationSummary(
            verdict="no copies found",
            images=1000,
            threshold=0.5,
            beyond=0,
            copies=0,
            nearer_to_training=0.5,
        ),
        morphometry=None,
        device="cpu",
        versions={"python": "3.11"},
    )


def test_a_model_shows_its_evidence(serve_runtime: Callable[[Runtime], Client], tmp_path: Path) -> None:
    card = make_card().model_copy(update={"evidence": evidence()})
    save_tiny(tmp_path, card)
    client = serve_runtime(start_runtime(Settings(checkpoint_dir=tmp_path)))
    shown = json.loads(client.request("/models/tiny", "GET").body)["card"]["evidence"]
    assert EvidenceRecord.model_validate(shown) == evidence()
    assert shown["generated_training"]["coverage"] == {"mean": 0.75, "deviation": 0.125}
