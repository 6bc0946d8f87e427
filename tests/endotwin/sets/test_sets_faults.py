"""Failures of storage: those that pass are waited for, the others are explained."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_proxy import KINDS, FaultProxy, running_proxy
from live_server import ROOT, free_port
from set_tools import Open, Workshop, digests
from swift_server import Swift

from endotwin.sets.storage import bucket as bucket_module
from endotwin.sets.storage.destination import StorageError
from endotwin.sets.storage.folder import FolderDestination
from endotwin.sets.storage.record import ObjectRecord
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
    place = open_place(f"s3://{bucket}/set", timeout_seconds=1, patience_seconds=3600)
    proxy.every = 10  # one of each in ten requests
    spec = workshop.spec(n=60, shard_size=16)
    workshop.finished(spec, place)
    proxy.every = 0
    assert set(proxy.happened) == set(KINDS)
    expected = FolderDestination(tmp_path)
    workshop.finished(spec, expected)
    assert digests(place) == digests(expected)
    assert "Uploads" not in swift_server.client().list_multipart_uploads(Bucket=bucket)


@pytest.mark.long
def test_a_large_object_through_all_faults(
    proxy: FaultProxy, open_place: Open, bucket: str, swift_server: Swift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_module, "PART", 5 << 20)
    content = os.urandom(7 * bucket_module.PART + 1)
    record = ObjectRecord(set_digest="0" * 64, size=len(content), sha256="0" * 64)
    place = open_place(f"s3://{bucket}/set", timeout_seconds=2, patience_seconds=3600)
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
    place = open_place(f"s3://{bucket}/set", patience_seconds=0.1)
    proxy.refusal = 503, "SlowDown"
    with pytest.raises(StorageError, match="did not recover in time"):
        workshop.make(workshop.spec(), place)


def test_a_server_that_is_not_there(
    workshop: Workshop, open_place: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StorageError, match="AWS_ENDPOINT_URL is right"):
        workshop.make(workshop.spec(), open_place("s3://bucket/set", patience_seconds=0.1))


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

    calls = iter([None] * 2)

    def stop_if_asked() -> None:
        if next(calls, vanish) is vanish:
            vanish()

    with pytest.raises(StorageError, match=rf"s3://{bucket}/set/train/shard-.*there is no such bucket"):
        workshop.make(workshop.spec(n=16), place, stop_if_asked=stop_if_asked)


def fail() -> None:
    raise OSError("no luck")


def test_pauses_end_when_asked_to_stop() -> None:
    notes: list[str] = []
    pauses: list[float] = []

    def stop() -> None:
        if len(notes) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Retry(3600, stop, notes.append, pauses.append).call("writing x", fail, lambda _: True)
    assert sum(pauses) >= 0.25
    assert notes[0].startswith("writing x: no luck; trying again, for 3600 s at most")


def test_a_long_pause_asks_often_whether_to_stop() -> None:
    pauses: list[float] = []

    def stop() -> None:
        if sum(pauses) > 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Retry(3600, stop, lambda _: None, pauses.append).call("writing x", fail, lambda _: True)
    assert sum(pauses) < 60.5
    assert max(pauses) < 0.25


def test_pauses_grow_to_half_a_minute_at_most() -> None:
    attempts, pauses = [0.0], [0.0]

    def request() -> None:
        attempts.append(sum(pauses))
        if len(attempts) < 200:
            fail()

    Retry(3600, lambda: None, lambda _: None, pauses.append).call("writing x", request, lambda _: True)
    between = [later - earlier for earlier, later in itertools.pairwise(attempts)]
    assert max(between[1:4]) <= 2
    assert 15 < max(between) <= 30.1


def test_patience_counts_from_the_first_failure() -> None:
    """A first attempt that takes longer than the patience is retried all the same."""
    attempts: list[None] = []

    def request() -> None:
        attempts.append(None)
        if len(attempts) == 1:
            time.sleep(0.2)
        fail()

    with pytest.raises(OSError, match="no luck"):
        Retry(0.1, lambda: None, lambda _: None).call("writing x", request, lambda _: True)
    assert len(attempts) > 1


def test_what_does_not_pass_is_raised_at_once() -> None:
    calls: list[None] = []

    def request() -> None:
        calls.append(None)
        fail()

    with pytest.raises(OSError, match="no luck"):
        Retry(3600, lambda: None, print).call("writing x", request, lambda _: False)
    assert len(calls) == 1


def test_boto3_does_not_retry_by_itself(
    proxy: FaultProxy, open_place: Open, bucket: str, swift_server: Swift
) -> None:
    """Nested retries would multiply, and could not be stopped."""
    place = open_place(f"s3://{bucket}/set", patience_seconds=0)
    proxy.refusal = 503, "SlowDown"
    with pytest.raises(StorageError):
        place.stat("set.json")
    assert proxy.refused == 1


@pytest.mark.long
def test_a_listing_through_all_faults(proxy: FaultProxy, open_place: Open, bucket: str) -> None:
    place = open_place(f"s3://{bucket}/set", timeout_seconds=1, patience_seconds=3600)
    names = [f"train/{i:02d}" for i in range(4)]
    for name in names:
        with place.stage(name) as staged:
            staged.publish(ObjectRecord(set_digest="0" * 64, size=0, sha256="0" * 64), replace=False)
    request = place.client.list_objects_v2
    place.client.list_objects_v2 = lambda **arguments: request(**arguments, MaxKeys=1)
    proxy.every = 7  # four requests or more, six of seven of which fail
    assert list(place.list_keys("train/")) == names
    assert proxy.happened


def test_without_the_extra_a_folder_works_and_s3_is_explained(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    program = """
import sys
from typer.testing import CliRunner
sys.modules |= dict.fromkeys(("boto3", "botocore", "tenacity"))  # imports of them fail
from endotwin.cli.main import app
order = ["set", "--n", "4", "--seed", "7", "--device", "cpu", "--checkpoint", sys.argv[1]]
for place in ("data", "s3://bucket/set"):
    result = CliRunner().invoke(app, [*order, place])
    print(result.exit_code, result.output)
"""
    result = subprocess.run(
        [sys.executable, "-c", program, str(tiny_checkpoint)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    folder, _, s3 = result.stdout.partition("1 Error: ")
    assert folder.startswith("0 "), result.stdout
    assert (tmp_path / "data" / "manifest.json").is_file()
    assert s3.startswith("s3://bucket/set: S3 storage takes boto3, which is not installed here: ")
    assert s3.strip().endswith("pip install 'endotwin[s3]'")
