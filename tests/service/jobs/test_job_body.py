"""What a client may ask for, and where a set may go: everything else is refused before any work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_samplers import FakeSampler
from hypothesis import example, given
from hypothesis import strategies as st

from endotwin.catalogue import load_checkpoints
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.place import Bucket
from endotwin.settings import Settings
from service.errors import ApiError
from service.jobs.job_body import JobBody, check_idempotency_key, parse_body, parse_job
from service.jobs.progress import redact
from service.models import Model, Models

ALLOWED = ("data/sets", "whole")
SETTINGS = Settings(storage_allow=ALLOWED, jobs_max_images=1000)
GOOD = {"n": 10, "seed": 7, "destination": "s3://data/sets/first"}


@pytest.fixture(scope="module")
def models(labelled_checkpoint: Path) -> Models:
    checkpoints = load_checkpoints(labelled_checkpoint.parent, allow_unscored=False).values()
    return Models([Model(one.card, one.generator_sha256, [FakeSampler()]) for one in checkpoints], "tiny")


def parse(models: Models, body: object) -> tuple[Bucket, SetSpec]:
    return parse_job(parse_body(json.dumps(body).encode()), models, SETTINGS)[:2]


def job_or_refusal(models: Models, body: object) -> tuple[tuple[Bucket, SetSpec] | None, ApiError | None]:
    try:
        return parse(models, body), None
    except ApiError as error:
        return None, error


def test_defaults(models: Models) -> None:
    destination, spec = parse(models, GOOD)
    assert str(destination) == "s3://data/sets/first"
    assert (spec.name, spec.model, spec.format) == ("endotwin-tiny-7", "tiny", "tar")
    assert (spec.start, spec.labels, spec.conditions, spec.validation_every) == (0, None, None, None)


@pytest.mark.parametrize(("n", "size"), [(10, 1), (300, 9), (10_000, 304), (1_000_000, 24_992)])
def test_shards_are_as_many_as_workers_need_unless_their_size_is_given(
    models: Models, n: int, size: int
) -> None:
    settings = Settings(storage_allow=ALLOWED)
    orders = [
        parse_job(parse_body(json.dumps({**GOOD, "n": n, **more}).encode()), models, settings)
        for more in ({}, {"shard_size": None}, {"shard_size": 25_000})
    ]
    assert [(order.spec.shard_size, order.any_shard_size) for order in orders] == [
        (size, True),
        (size, True),
        (25_000, False),
    ]


def test_a_part_for_validation_makes_the_set_of_the_command(models: Models) -> None:
    _, spec = parse(models, {**GOOD, "shard_size": 5, "validation_every": 10})
    own = {"name": "endotwin-tiny-7", "n": 10, "seed": 7, "model": "tiny", "shard_size": 5}
    assert spec == SetSpec(**own, generator_sha256=spec.generator_sha256, validation_every=10)


@pytest.mark.parametrize(
    ("given", "stored"), [(True, {"expert_hand": "true"}), ("true", {"expert_hand": "true"}), (False, None)]
)
def test_expert_hand_is_true_or_false(models: Models, given: object, stored: dict[str, str] | None) -> None:
    more = {"labels": ["borders"], "conditions": {"expert_hand": given}}
    _, spec = parse(models, {**GOOD, **more})
    assert spec.conditions == stored


@pytest.mark.parametrize(
    ("given", "stored"), [(3, {"appearance": "3"}), ("3", {"appearance": "3"}), (0, None), ("0", None)]
)
def test_an_appearance_is_a_whole_number(
    models: Models, given: object, stored: dict[str, str] | None
) -> None:
    more = {"labels": ["borders"], "conditions": {"appearance": given}}
    _, spec = parse(models, {**GOOD, **more})
    assert spec.conditions == stored


def test_labels_and_conditions_choose_a_labelled_model(models: Models) -> None:
    more = {"labels": ["instances", "borders"], "conditions": {"density": "1500.0:2500", "pixel_size": 0.9}}
    spec = parse(models, {**GOOD, **more, "format": "zip", "shard_size": 5})[1]
    assert spec.model == "tiny-labelled"
    assert spec.labels == ("borders", "instances")
    assert spec.conditions == {"density": "1500:2500", "pixel_size": "0.9"}
    assert (spec.format, spec.shard_size, spec.shards) == ("zip", 5, 2)


@pytest.mark.parametrize(
    ("written", "seed"),
    [
        (b"7.0", 7),
        (b"7e0", 7),
        (b"-0.0", 0),
        (b"70e-1", 7),
        (b"18446744073709551615.0", 2**64 - 1),
        (b"9007199254740993.00", 2**53 + 1),
        (b"1e19", 10**19),
    ],
)
def test_a_whole_number_is_one_however_it_is_written(models: Models, written: bytes, seed: int) -> None:
    body = parse_body(b'{"n": 1, "destination": "s3://data/sets/first", "seed": ' + written + b"}")
    assert parse_job(body, models, SETTINGS)[1].seed == seed


WRONG = [
    ({"n": 0}, "n", "from 1 to 1000, got '0'"),
    ({"n": 1001}, "n", "from 1 to 1000, got '1001'"),
    ({"n": "10"}, "n", "should be a valid integer"),
    ({"n": 1.5}, "n", "should be a valid integer"),
    ({"n": True}, "n", "should be a valid integer"),
    ({"n": 10**30}, "n", "from 1 to 1000"),
    ({"seed": -1}, "seed", "greater than or equal to 0"),
    ({"seed": 1e300}, "seed", "should be a valid integer"),
    ({"seed": 2**64}, "seed", "less than or equal to 18446744073709551615"),
    ({"seed": None}, "seed", "should be a valid integer"),
    ({"shard_size": 0}, "shard_size", "greater than or equal to 1"),
    ({"validation_every": 1}, "validation_every", "greater than or equal to 2"),
    ({"validation_every": 11}, "validation_every", "some for validation, got 11"),
    ({"validation_every": "10"}, "validation_every", "should be a valid integer"),
    ({"format": "npy"}, "format", "one of tar, zip, got 'npy'"),
    ({"model": "nope"}, "model", "tiny, tiny-labelled, got 'nope'"),
    ({"labels": ["bones"]}, "labels", "one or more of borders"),
    ({"labels": ["borders", "borders"]}, "labels", "each once"),
    ({"labels": "borders"}, "labels", "should be a valid list"),
    ({"labels": ["borders,instances,borders"]}, "labels", "each once"),
    ({"labels": ["borders"], "model": "tiny"}, "model", "tiny-labelled can"),
    ({"conditions": {"colour": "1"}}, "conditions", "there is no condition 'colour'; allowed are density"),
    ({"conditions": {"density": "many"}}, "density", "got 'many'"),
    ({"conditions": {"density": 1e300}}, "density", "must be a number"),
    ({"conditions": {"density": 10**400}}, "density", "must be a number"),
    ({"conditions": {"density": -1}}, "density", "must be a number"),
    ({"conditions": {"density": 99999}}, "density", "4500"),
    ({"conditions": {"density": True}}, "conditions", "valid"),
    ({"destination": 5}, "destination", "should be a valid string"),
]


@pytest.mark.parametrize(("change", "field", "allowed"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_value(models: Models, change: dict[str, object], field: str, allowed: str) -> None:
    with pytest.raises(ApiError) as refusal:
        parse(models, {**GOOD, **change})
    assert (refusal.value.status, refusal.value.code) == (400, "invalid_parameter")
    assert refusal.value.field == field
    assert allowed in refusal.value.message


@pytest.mark.parametrize("field", GOOD)
def test_a_field_that_is_missing(models: Models, field: str) -> None:
    with pytest.raises(ApiError, match=f"{field} is missing"):
        parse(models, {name: value for name, value in GOOD.items() if name != field})


@pytest.mark.parametrize(
    "field", ["start", "N", "endpoint", "aws_secret_access_key", "x" * 999, "\u202e", ""]
)
def test_an_unknown_field(models: Models, field: str) -> None:
    with pytest.raises(ApiError) as refusal:
        parse(models, {**GOOD, field: 1})
    assert refusal.value.code == "unknown_parameter"
    assert "allowed are n, seed, destination" in refusal.value.message
    assert len(refusal.value.message) < 300
    assert refusal.value.response().status_code == 400


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"7",
        b"[]",
        b"{",
        b"\xff",
        b'{"n": NaN}',
        b"[" * 9999,
        b'{"n": 1, "n": 2}',
        b"n=1",
        b'{"n":' + b"9" * 9999,
        b'{"n": "\\ud800"}',
    ],
    ids=lambda content: str(content[:20]),
)
def test_a_body_that_is_none(content: bytes) -> None:
    with pytest.raises(ApiError) as refusal:
        parse_body(content)
    assert (refusal.value.status, refusal.value.code) == (400, "invalid_body")


def test_a_digest_does_not_depend_on_how_a_body_is_written() -> None:
    one, other = parse_body(b'{"n": 1, "seed": 2}'), parse_body(b'{ "seed":2,"n":1 }')
    assert one == other
    assert one.sha256 != parse_body(b'{"n": 1, "seed": 3}').sha256


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "x" * 256, "a\x00"])
def test_a_wrong_key(key: str) -> None:
    with pytest.raises(ApiError, match="Idempotency-Key must be"):
        check_idempotency_key(key)


REFUSED = [
    "s3://data/sets-of-others/first",
    "s3://data/set",
    "s3://data/other/sets/first",
    "s3://other/sets/first",
    "s3://wholesome/first",
    "s3://data/sets/../other",
    "s3://data/sets/%2e%2e/other",
    "s3://data/sets/..%2fother",
    "s3://data/sets//first",
    "s3://data/sets/./first",
    "s3://data/sets/first\n",
    "s3://data/sets/first\x00",
    "s3://data/sets/first\u202e",
    "s3://data/sets/first?x=1",
    "s3://data/sets/first#x",
    "s3://data/sets\\first",
    "s3://key:secret@data/sets/first",
    "s3://data:80/sets/first",
    "s3://data",
    "s3://whole",
    "s3://",
    "",
    " s3://data/sets/first",
    "S3://data/sets/first",
    "https://data.s3.amazonaws.com/sets/first",
    "file:///etc",
    "gs://data/sets/first",
    "data/sets/first",
    "/etc/sets",
    "../sets",
]


@pytest.mark.parametrize("destination", REFUSED)
def test_a_destination_that_is_refused(models: Models, destination: str) -> None:
    with pytest.raises(ApiError) as refusal:
        parse(models, {**GOOD, "destination": destination})
    assert refusal.value.status in (400, 403)
    assert refusal.value.field == "destination"
    assert refusal.value.message.isprintable()


def test_nothing_is_allowed_unless_the_operator_says_so(models: Models) -> None:
    with pytest.raises(ApiError, match=r"not among the destinations that the operator allows$") as refusal:
        parse_job(parse_body(json.dumps(GOOD).encode()), models, Settings())
    assert refusal.value.code == "destination_not_allowed"


_segments = st.sampled_from(["data", "sets", "whole", "first", "..", ".", "", "%2e%2e", "sets-x", "a\\b"])


@given(
    st.text(max_size=30)
    | st.text(max_size=20).map("s3://data/sets".__add__)
    | st.lists(_segments, max_size=6).map(lambda parts: "s3://" + "/".join(parts))
)
@example("s3://data/sets/")
def test_whatever_is_accepted_lies_below_an_allowed_place(models: Models, destination: str) -> None:
    job, refusal = job_or_refusal(models, {**GOOD, "destination": destination})
    if refusal is not None:
        assert refusal.status in (400, 403)
        return
    place, _ = job
    parts = [place.name, *place.key("train/shard-000000.tar").split("/")]
    assert parts[:2] == ["data", "sets"] or parts[0] == "whole"
    assert not {"", ".", ".."} & set(parts)
    assert destination.rstrip("/") == str(place)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([*JobBody.model_fields]) | st.text(max_size=5), _values, max_size=4))
def test_any_body_is_read_or_refused(models: Models, change: dict[str, object]) -> None:
    job, refusal = job_or_refusal(models, {**GOOD, **change})
    if refusal is None:
        assert 1 <= job[1].n <= 1000
    else:
        assert 400 <= refusal.status < 500
        assert refusal.response().body


def test_secrets_and_addresses_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2+/x")
    text = redact('writing s3://b/k: "http://user:pass@10.0.0.5:8080/b/k" said hunter2+/x')
    assert text == 'writing s3://b/k: "https://…/b/k" said …'
