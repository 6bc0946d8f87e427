"""Failures of storage: those that pass are waited for, the others are explained."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
from fault_proxy import KINDS, FaultProxy, running_proxy
from live_server import free_port
from set_tools import Open, Workshop, digests
from swift_server import Swift

from endotwin.sets.storage import bucket as bucket_module
from endotwin.sets.storage.destination import StorageError
from endotwin.sets.storage.folder import FolderDestination
from endotwin.sets.storage.record import Record
from endotwin.sets.storage.retry import Retry


@pytest.fixture
def proxy(
    swift_server: Swift, aws: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[FaultProxy]:
    """Put a proxy between boto3 and Swift."""
    with running_proxy(swift_server.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy


def test_a_set_through_all_faults(
    workshop: Workshop,
    proxy: FaultProxy,
    open_place: Open,
    bucket: str,
    swift_server: Swift,
    tmp_path: object,
) -> None:
    place = open_place(f"s3://{bucket}/set", timeout_seconds=2, patience_seconds=3600)
    proxy.every = 10  # one of each in ten requests
    spec = workshop.spec(n=60, shard_size=16)
    workshop.finished(spec, place)
    proxy.every = 0
    assert set(proxy.happened) == set(KINDS)
    peaceful = FolderDestination(tmp_path)
    workshop.finished(spec, peaceful)
    assert digests(place) == digests(peaceful)
    assert "Uploads" not in swift_server.client().list_multipart_uploads(Bucket=bucket)


def test_a_large_object_through_all_faults(
    proxy: FaultProxy, open_place: Open, bucket: str, swift_server: Swift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_module, "PART", 5 << 20)
    content = os.urandom(7 * bucket_module.PART + 1)
    record = Record(set_digest="0" * 64, size=len(content), sha256="0" * 64)
    place = open_place(f"s3://{bucket}/set", timeout_seconds=5, patience_seconds=3600)
    proxy.every = 10
    with place.stage("large.bin") as staged:
        staged.file.write(content)
        staged.publish(record, replace=True)
    assert b"".join(place.read("large.bin")) == content
    place.discard_unfinished()  # what a lost answer to the beginning of an upload leaves
    assert "Uploads" not in swift_server.client().list_multipart_uploads(Bucket=bucket)


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (400, "ExpiredToken", "renew the credentials"),
        (403, "AccessDenied", "the credentials need s3:GetObject, PutObject"),
        (403, "RequestTimeTooSkewed", "set this machine's clock"),
        (411, "MissingContentLength", "ENDOTWIN_STORAGE_CHECKSUMS=when_required"),
        (507, "InsufficientStorage", "the storage is full"),
        (501, "NotImplemented", "ENDOTWIN_STORAGE_CHECKSUMS"),
        (400, "AuthorizationHeaderMalformed", "set AWS_REGION"),
    ],
)
def test_what_does_not_pass_is_explained_at_once(
    status: int,
    code: str,
    advice: str,
    workshop: Workshop,
    proxy: FaultProxy,
    open_place: Open,
    bucket: str,
) -> None:
    place = open_place(f"s3://{bucket}/set", patience_seconds=3600)
    proxy.refusal = status, code
    with pytest.raises(StorageError) as failure:
        workshop.make(workshop.spec(), place)
    message = str(failure.value)
    assert advice in message
    assert f"s3://{bucket}/set/set.json" in message
    assert "The same command goes on from here" in message


def test_what_does_not_pass_in_time_is_given_up(
    workshop: Workshop, proxy: FaultProxy, open_place: Open, bucket: str
) -> None:
    place = open_place(f"s3://{bucket}/set", patience_seconds=0.5)
    proxy.refusal = 503, "SlowDown"
    with pytest.raises(StorageError, match="did not recover in time"):
        workshop.make(workshop.spec(), place)


def test_a_server_that_is_not_there(
    workshop: Workshop, open_place: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StorageError, match="AWS_ENDPOINT_URL is right"):
        workshop.make(workshop.spec(), open_place("s3://bucket/set", patience_seconds=0.5))


def test_wrong_keys(
    workshop: Workshop, open_place: Open, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StorageError, match="check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"):
        workshop.make(workshop.spec(), open_place(f"s3://{bucket}/set"))


def test_no_keys(
    workshop: Workshop, open_place: Open, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(StorageError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        workshop.make(workshop.spec(), open_place(f"s3://{bucket}/set"))


def test_no_bucket(workshop: Workshop, open_place: Open, swift_server: Swift) -> None:
    with pytest.raises(StorageError, match="there is no such bucket: make it"):
        workshop.make(workshop.spec(), open_place("s3://no-such-bucket/set"))


def test_a_bucket_that_vanishes(
    workshop: Workshop, open_place: Open, bucket: str, swift_server: Swift
) -> None:
    place = open_place(f"s3://{bucket}/set")

    def vanish() -> None:
        client = swift_server.client()
        if place.stat("set.json") is not None:
            client.delete_object(Bucket=bucket, Key="set/set.json")
            client.delete_bucket(Bucket=bucket)

    calls = iter([None] * 3)

    def stop_if_asked() -> None:
        if next(calls, vanish) is vanish:
            vanish()

    with pytest.raises(StorageError, match=rf"s3://{bucket}/set/train/shard-.*there is no such bucket"):
        workshop.make(workshop.spec(n=16), place, stop_if_asked=stop_if_asked)


def test_pauses_grow_and_end_when_asked_to_stop() -> None:
    notes: list[str] = []

    def stop() -> None:
        if len(notes) == 2:
            raise KeyboardInterrupt

    def fail() -> None:
        raise OSError("no luck")

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        Retry(3600, stop, notes.append).call("writing x", fail, lambda _: True)
    assert time.monotonic() - began >= 0.25
    assert notes[0].startswith("writing x: no luck; trying again, for 3600 s at most")


def test_what_is_not_transient_is_raised_at_once() -> None:
    calls: list[None] = []

    def fail() -> None:
        calls.append(None)
        raise OSError("no luck")

    with pytest.raises(OSError, match="no luck"):
        Retry(3600, lambda: None, print).call("writing x", fail, lambda _: False)
    assert len(calls) == 1
