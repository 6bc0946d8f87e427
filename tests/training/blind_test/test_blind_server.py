"""What the page's server answers: progress, images in each expert's order, and errors for people."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blind_sets import build_set
from fastapi.testclient import TestClient

from training.blind_test import answers as answers_module
from training.blind_test.answers import AnswerStore
from training.blind_test.blind_set import ANSWERS_FILE, KEY_FILE, BlindTestError, read_blind_set
from training.blind_test.server import LONGEST_MS, is_loopback, make_app, serve_blind_test

TOTAL = 8


@pytest.fixture(scope="module")
def folder(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a blind test without its key: the server does not need it."""
    made = tmp_path_factory.mktemp("served")
    build_set(tiny_checkpoint, made, 4, 4)
    (made / "set" / KEY_FILE).unlink()
    return made / "set"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AnswerStore]:
    opened = AnswerStore(tmp_path / ANSWERS_FILE)
    yield opened
    opened.close()


@pytest.fixture
def client(folder: Path, store: AnswerStore) -> TestClient:
    return TestClient(make_app(folder, read_blind_set(folder), store, ["testserver"]))


def put(client: TestClient, place: int, expert: str = "anna", **changed: Any) -> Any:
    given = {"answer": "real", "visible_ms": 1500, **changed}
    return client.put(f"/api/places/{place}", params={"expert": expert}, json=given)


def message(response: Any) -> str:
    return str(response.json()["error"]["message"])


def test_each_expert_sees_every_image_once_in_an_own_order(client: TestClient, folder: Path) -> None:
    orders = []
    for expert in ("anna", "bert"):
        order = []
        for place in range(TOTAL):
            reply = client.get(f"/api/places/{place}", params={"expert": expert}).json()
            assert reply == {"place": place, "image": reply["image"], "answer": None}
            order.append(reply["image"])
            assert put(client, place, expert).json()["answered"] == place + 1
        orders.append(order)
    images = {f"/images/{name}.png" for name in read_blind_set(folder).images}
    assert set(orders[0]) == set(orders[1]) == images
    assert orders[0] != orders[1]


def test_going_back_shows_the_answer_and_may_change_it(client: TestClient, store: AnswerStore) -> None:
    put(client, 0)
    assert put(client, 0, answer="generated").json()["answered"] == 1
    assert client.get("/api/places/0", params={"expert": "anna"}).json()["answer"] == "generated"
    assert [given.answer for given in store.all()] == ["real", "generated"]


def test_images_cannot_be_skipped(client: TestClient, store: AnswerStore) -> None:
    response = put(client, 1)
    assert (response.status_code, message(response)) == (
        409,
        "Images are answered one after the other; number 1 is next.",
    )
    assert put(client, TOTAL).status_code == 404
    assert put(client, -1).status_code == 404
    assert store.all() == []


@pytest.mark.parametrize("name", ["", "../key", "a b", "Ännchen", "x" * 33, "-anna", "a\n"])
def test_names_are_checked(client: TestClient, store: AnswerStore, name: str) -> None:
    response = put(client, 0, name)
    if name.strip() == "a":
        assert response.json()["expert"] == "a"
        return
    assert response.status_code == 422
    assert message(response).startswith("A name has 1 to 32 letters")
    assert store.all() == []


@pytest.mark.parametrize(
    "changed",
    [
        {"answer": "maybe"},
        {"visible_ms": -1},
        {"visible_ms": LONGEST_MS + 1},
        {"visible_ms": 1.5},
        {"more": 1},
    ],
)
def test_answers_are_checked(client: TestClient, store: AnswerStore, changed: dict[str, Any]) -> None:
    response = put(client, 0, **changed)
    assert response.status_code == 422
    assert next(iter(changed)) in message(response)
    assert store.all() == []


def test_only_images_and_the_page_are_served(client: TestClient) -> None:
    for address in (
        "/key.private.json",
        "/images/..%2Fkey.private.json",
        "/images/0.png",
        "/docs",
        "/openapi.json",
    ):
        assert client.get(address).status_code == 404
    for address in ("/", "/page.css", "/page.js"):
        response = client.get(address)
        assert response.status_code == 200
        assert "http://" not in response.text
        assert "https://" not in response.text


def test_a_page_from_elsewhere_cannot_ask(client: TestClient) -> None:
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    response = client.get("/")
    assert "access-control-allow-origin" not in response.headers
    assert response.headers["content-security-policy"].startswith("default-src 'self'")


def test_an_answer_that_cannot_be_stored_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers_module, "WAIT_SECONDS", 0.1)
    store = AnswerStore(tmp_path / ANSWERS_FILE)
    client = TestClient(make_app(folder, read_blind_set(folder), store, ["testserver"]))
    other = sqlite3.connect(tmp_path / ANSWERS_FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    response = put(client, 0)
    assert response.status_code == 503
    assert message(response) == "The answers' file on the server cannot be used: database is locked."
    other.execute("ROLLBACK")
    other.close()
    assert put(client, 0).json()["answered"] == 1
    store.close()


def test_no_answers_without_their_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / ANSWERS_FILE).write_text("no database, but long enough to be looked at as one " * 20)
    with pytest.raises(BlindTestError, match="the answers cannot be kept there: file is not a database"):
        AnswerStore(tmp_path / ANSWERS_FILE)


def test_a_taken_port_and_a_missing_set_are_reported(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BlindTestError, match=r"not a blind test: it has no blind-test\.json"):
        serve_blind_test(tmp_path, "127.0.0.1", 0, print)

    def try_again(address: str) -> None:
        port = int(address.rstrip("/").rpartition(":")[2])
        with pytest.raises(BlindTestError, match=f"port {port}: Address already in use"):
            serve_blind_test(folder, "127.0.0.1", port, print)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve_blind_test(folder, "127.0.0.1", 0, try_again)


def test_loopback_is_distinguished_from_other_addresses() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost")] == [True] * 3
    assert [is_loopback(host) for host in ("0.0.0.0", "192.168.1.4", "clinic.example")] == [False] * 3
