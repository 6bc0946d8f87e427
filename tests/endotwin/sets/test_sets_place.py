"""Where a set may go, and that nothing is ever written anywhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endotwin.sets.storage.place import Bucket, Folder, PlaceError, check_allowed, parse_bucket, parse_place
from endotwin.settings import SettingsError, load_settings

NAMES = st.text("abz09-_.=+@", min_size=1, max_size=12).filter(lambda name: name not in (".", ".."))
PREFIXES = st.lists(NAMES, min_size=1, max_size=5).map("/".join)


def test_a_prefix_of_a_bucket() -> None:
    place = parse_place("s3://my-bucket/sets/first")
    assert place == Bucket("my-bucket", "sets/first") == parse_place("s3://my-bucket/sets/first/")
    assert str(place) == "s3://my-bucket/sets/first"
    assert place.key("train/x.tar") == "sets/first/train/x.tar"


def test_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_place("sets/first") == Folder(tmp_path / "sets" / "first")
    assert parse_place("../elsewhere") == Folder(tmp_path.parent / "elsewhere")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s3://",
        "s3://bucket",
        "s3://bucket/",
        "s3:///prefix",
        "s3://bucket//prefix",
        "s3://bucket/a//b",
        "s3://bucket/../other",
        "s3://bucket/a/..",
        "s3://bucket/a/./b",
        "s3://bucket/a/b//",
        "s3://bucket/a\nb",
        "s3://bucket/a\x00b",
        "s3://bucket/a b",
        "s3://bucket/a%2e%2e/b",
        "s3://bucket/a?b",
        "s3://bucket/a#b",
        "s3://bucket/a\\b",
        "s3://bucket/ä",
        "s3://Bucket/a",
        "s3://bu/a",
        "s3://bucket..name/a",
        "s3://-bucket/a",
        "s3://user@bucket/a",
        "s3://bucket:80/a",
        f"s3://bucket/{'a' * 1000}",
        "S3://bucket/a",
        "s3:/bucket/a",
        "http://host/a",
        "https://bucket.s3.amazonaws.com/a",
        "gs://bucket/a",
        "file:///etc",
        "folder\x1b[31m",
        "folder\u202e",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(PlaceError) as refusal:
        parse_place(text)
    assert str(refusal.value).isprintable()


@given(st.text(max_size=40))
def test_whatever_is_accepted_stays_below_its_prefix(text: str) -> None:
    try:
        place = parse_place(f"s3://bucket/{text}")
    except PlaceError:
        return
    assert isinstance(place, Bucket)
    assert place.name == "bucket"
    segments = place.key("train/shard-000000.tar").split("/")
    assert not {"", ".", ".."} & set(segments)
    assert text.rstrip("/") == place.prefix


@given(PREFIXES)
def test_ordinary_names_are_accepted(prefix: str) -> None:
    assert parse_place(f"s3://bucket/{prefix}") == Bucket("bucket", prefix)


@given(area=PREFIXES, below=PREFIXES)
def test_what_lies_below_an_allowed_place_is_allowed(area: str, below: str) -> None:
    check_allowed(Bucket("bucket", f"{area}/{below}"), [f"bucket/{area}"])
    check_allowed(Bucket("bucket", area), [f"bucket/{area}"])
    check_allowed(Bucket("bucket", area), ["bucket"])
    with pytest.raises(PlaceError) as refusal:
        check_allowed(Bucket("bucket", f"{area}x"), [f"bucket/{area}", "other", "bucket/area/"])
    refused = f"s3://bucket/{area}x is not among the destinations that the operator allows"
    assert str(refusal.value) == refused, "and no word about those that are"


@pytest.mark.parametrize("allowed", [[], ["other"], ["buckets"], ["bucket/sets/of"], ["bucket/set"]])
def test_everything_else_is_not(allowed: list[str]) -> None:
    with pytest.raises(PlaceError, match="not among the destinations that the operator allows"):
        check_allowed(Bucket("bucket", "sets/others"), allowed)


def test_the_setting_is_read_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENDOTWIN_STORAGE_ALLOW", "bucket, other/sets/")
    allowed = load_settings().storage_allow
    assert [parse_bucket(text) for text in allowed] == [Bucket("bucket", ""), Bucket("other", "sets")]
    monkeypatch.setenv("ENDOTWIN_STORAGE_ALLOW", "bucket,s3://other")
    with pytest.raises(SettingsError, match=r"ENDOTWIN_STORAGE_ALLOW: leave out s3://.*'s3://other'"):
        load_settings()
