"""Whatever is asked wrongly gets a 4xx of the common shape that says what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_samplers import FakeSampler
from hypothesis import given
from hypothesis import strategies as st
from live_server import LiveServer

from endotwin.catalogue import load_checkpoints
from service.errors import ApiError
from service.models import Model, Models
from service.query import DESCRIPTIONS, parse_query

WRONG_QUERIES = [
    ("n=0", "invalid_parameter", "n", "from 1 to 5000"),
    ("n=-1", "invalid_parameter", "n", "from 1 to 5000"),
    ("n=5001", "invalid_parameter", "n", "from 1 to 5000"),
    ("n=1e9", "invalid_parameter", "n", "from 1 to 5000"),
    ("n=1000000000", "invalid_parameter", "n", "from 1 to 5000"),
    ("n=abc", "invalid_parameter", "n", "'abc'"),
    ("n=", "invalid_parameter", "n", "''"),
    ("n", "invalid_parameter", "n", "''"),
    ("n=1_0", "invalid_parameter", "n", "'1_0'"),
    ("n=+1", "invalid_parameter", "n", "' 1'"),
    ("n=1.0", "invalid_parameter", "n", "'1.0'"),
    ("n=%D9%A7", "invalid_parameter", "n", "integer"),
    ("n=%FF", "invalid_parameter", "n", "integer"),
    ("n=" + "9" * 5000, "invalid_parameter", "n", "from 1 to 5000"),
    ("n=1&n=1", "repeated_parameter", "n", "at most once"),
    ("n=1&count=1", "unknown_parameter", "count", "n, seed, start, format, model"),
    ("=1", "unknown_parameter", None, "n, seed, start, format, model"),
    ("N=1", "unknown_parameter", "N", "n, seed, start, format, model"),
    ("seed=-1", "invalid_parameter", "seed", "18446744073709551615"),
    ("seed=18446744073709551616", "invalid_parameter", "seed", "18446744073709551615"),
    ("seed=", "invalid_parameter", "seed", "integer"),
    ("start=9007199254740992", "invalid_parameter", "start", "9007199254740991"),
    ("start=9007199254740991&n=2", "invalid_parameter", "start", "9007199254740991"),
    ("format=png", "invalid_parameter", "format", "tar, zip, npy"),
    ("format=TAR", "invalid_parameter", "format", "tar, zip, npy"),
    ("format=", "invalid_parameter", "format", "tar, zip, npy"),
    ("model=nope", "invalid_parameter", "model", "tiny"),
    ("model=../tiny", "invalid_parameter", "model", "tiny"),
    ("model=", "invalid_parameter", "model", "tiny"),
]


@pytest.mark.parametrize(
    ("query", "code", "field", "allowed"), WRONG_QUERIES, ids=lambda value: str(value)[:30]
)
def test_wrong_query(server: LiveServer, query: str, code: str, field: str | None, allowed: str) -> None:
    reply = server.request(f"/generate?{query}")
    assert reply.status == 400
    assert reply.headers["Content-Type"] == "application/json"
    error = reply.error
    assert (error["code"], error.get("field")) == (code, field)
    assert allowed in error["message"]
    assert len(error["message"]) < 300


def test_labels_of_a_service_without_a_labelled_model(models: Models) -> None:
    unlabelled = Models([models.default], "tiny")
    for query, field in (("labels=borders", "labels"), ("density=2000&model=tiny", "density")):
        with pytest.raises(ApiError, match="labelled model, and there is none here") as refusal:
            parse_query(query, unlabelled, 100)
        assert (refusal.value.status, refusal.value.code) == (400, "invalid_parameter")
        assert refusal.value.field == field


OTHER_MISTAKES = {
    "a body": ("POST", "/generate", b'{"n": 1}', 415, "body_not_allowed", "query"),
    "a long body": ("POST", "/generate", b"x" * 3_000_000, 415, "body_not_allowed", "query"),
    "images by GET": ("GET", "/generate", None, 405, "method_not_allowed", "POST"),
    "images by PUT": ("PUT", "/generate?n=1", None, 405, "method_not_allowed", "POST"),
    "models by POST": ("POST", "/models", None, 405, "method_not_allowed", "GET"),
    "a model by DELETE": ("DELETE", "/models/tiny", None, 405, "method_not_allowed", "GET"),
    "health by POST": ("POST", "/readyz", None, 405, "method_not_allowed", "GET"),
    "unknown model": ("GET", "/models/nope", None, 404, "unknown_model", "tiny"),
    "unknown path": ("GET", "/nowhere", None, 404, "not_found", "/generate"),
    "path below": ("POST", "/generate/7", None, 404, "not_found", "/generate"),
    "long path": ("POST", "/" + "x" * 3000, None, 404, "not_found", "/generate"),
}


@pytest.mark.parametrize("mistake", OTHER_MISTAKES)
def test_other_mistakes(server: LiveServer, mistake: str) -> None:
    method, path, body, status, code, allowed = OTHER_MISTAKES[mistake]
    reply = server.request(path, method, body)
    assert reply.status == status
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.error["code"] == code
    assert allowed in reply.error["message"]
    assert len(reply.error["message"]) < 300


def test_chunked_body_is_refused(server: LiveServer) -> None:
    reply = server.request("/generate", body=iter([b"n=1"]), headers={"Transfer-Encoding": "chunked"})
    assert reply.status == 415
    assert reply.error["code"] == "body_not_allowed"


def test_refusals_are_counted(server: LiveServer) -> None:
    before = server.metric("endotwin_requests_total:refused")
    server.request("/generate?n=0")
    assert server.metric("endotwin_requests_total:refused") == before + 1


@pytest.fixture(scope="module")
def models(labelled_checkpoint: Path) -> Models:
    checkpoints = load_checkpoints(labelled_checkpoint.parent, allow_unscored=False).values()
    return Models([Model(one.card, one.generator_sha256, [FakeSampler()]) for one in checkpoints], "tiny")


@pytest.mark.parametrize(
    ("labels", "most"), [("", 32_767), ("&labels=cells", 32_767), ("&labels=soft,guttae", 16_383)]
)
def test_a_zip_is_bounded(models: Models, labels: str, most: int) -> None:
    assert parse_query(f"format=zip&n={most}{labels}", models, 100_000).images.count == most
    with pytest.raises(
        ApiError, match=f"at most {most} with these labels, .*65535 files.*format=tar"
    ) as refusal:
        parse_query(f"format=zip&n={most + 1}{labels}", models, 100_000)
    assert (refusal.value.status, refusal.value.field) == (400, "n")
    assert len(refusal.value.message) < 300
    assert parse_query(f"format=tar&n={most + 1}{labels}", models, 100_000)


_pairs = st.tuples(
    st.sampled_from([*DESCRIPTIONS, "x"]) | st.text(max_size=5),
    st.integers(-2, 2**64).map(str)
    | st.sampled_from(["tar", "npy", "tiny", "tiny-labelled", "borders", "2000", "0.3:0.5"])
    | st.text(max_size=9),
)


@given(
    st.text() | st.lists(_pairs, max_size=4).map(lambda pairs: "&".join("=".join(pair) for pair in pairs))
)
def test_any_query_is_read_or_refused(models: Models, query: str) -> None:
    refusal = None
    try:
        wanted = parse_query(query, models, max_images=100)
    except ApiError as error:
        refusal = error
    if refusal:
        assert refusal.status == 400
        assert refusal.message
    else:
        images = wanted.images
        assert 1 <= images.count <= 100
        assert 0 <= images.seed < 2**64
        assert 0 <= images.start <= images.start + images.count - 1 < 2**53
        assert wanted.model.name == "tiny-labelled" or not wanted.labelling
