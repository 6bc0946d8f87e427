"""A whole session over HTTP, without a browser: the server is killed in the middle, the scores come out."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from blind_server import serving
from blind_sets import build_set
from browsers import browser_path
from scripted_expert import ScriptedExpert, other

from training.blind_test.answers import AnswerStore
from training.blind_test.blind_set import ANSWERS_FILE
from training.blind_test.scores import score_answers

# Where there is a browser, test_blind_browser plays the same session.
pytestmark = [pytest.mark.long] if browser_path() else []


def test_session_with_a_killed_server(tiny_checkpoint: Path, tmp_path: Path) -> None:
    key = build_set(tiny_checkpoint, tmp_path, generated=11, real=9)
    expert = ScriptedExpert(key)

    def answer(client: httpx.Client, place: int) -> None:
        at = {"expert": "anna"}
        found = client.get(f"/api/places/{place}", params=at).raise_for_status().json()
        right = expert.answer(found["image"])
        assert client.get(found["image"]).content.startswith(b"\x89PNG")
        if place == 3:  # a slip of the finger, mended right away
            slip = {"answer": other(right), "visible_ms": 1000}
            client.put(f"/api/places/{place}", params=at, json=slip).raise_for_status()
        given = {"answer": right, "visible_ms": 2000 + place}
        reply = client.put(f"/api/places/{place}", params=at, json=given).raise_for_status().json()
        assert reply["answered"] == place + 1

    with serving(tmp_path / "set") as server, httpx.Client(base_url=server.address, timeout=120) as client:
        for place in range(8):
            answer(client, place)
        server.kill()
    with serving(tmp_path / "set") as server, httpx.Client(base_url=server.address, timeout=120) as client:
        started = client.get("/api/progress", params={"expert": "Anna "}).json()
        assert (started["answered"], started["total"]) == (8, 20)
        for place in range(8, 20):
            answer(client, place)

    store = AnswerStore(tmp_path / "set" / ANSWERS_FILE)
    [scores] = score_answers(key, store.all()).experts
    store.close()
    assert scores.confusion == expert.confusion()
    assert scores.against_chance.accuracy == 13 / 20
    assert (scores.finished, scores.changed) == (True, 1)
    assert scores.times.overall.answers == 20
