"""Sets in S3, against a real Swift server: the same set whatever happens while it is made."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from live_server import PATIENCE_SECONDS
from set_tools import (
    Counting,
    Killing,
    Open,
    Workshop,
    digests,
    kill_again_and_again,
    make_at_once,
    small_disk,
    start_command,
)
from swift_server import Swift

from endotwin.sets.manifest import SetError, load_manifest
from endotwin.sets.plan import plan_set
from endotwin.sets.storage import bucket as bucket_module
from endotwin.sets.storage.destination import ContentionError, StorageError
from endotwin.sets.storage.folder import FolderDestination
from endotwin.sets.storage.record import ObjectRecord
from endotwin.sets.verify import verify_set


def open_uploads(swift: Swift, bucket: str) -> list[dict[str, object]]:
    return swift.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])


def test_a_set_in_s3_is_the_one_in_a_folder(
    workshop: Workshop, undisturbed: dict[str, str], open_place: Open, bucket: str, swift_server: Swift
) -> None:
    outside = {"other/keep.txt", "sets/first-of-others/keep.txt", "sets/keep.txt"}
    for key in outside:
        swift_server.client().put_object(Bucket=bucket, Key=key, Body=b"precious")
    place = open_place(f"s3://{bucket}/sets/first")
    workshop.finished(workshop.spec(), place)
    assert digests(place) == undisturbed
    keys = {entry["Key"] for entry in swift_server.client().list_objects_v2(Bucket=bucket)["Contents"]}
    assert keys - {f"sets/first/{key}" for key in undisturbed} == outside
    head = swift_server.client().head_object(Bucket=bucket, Key="sets/first/train/shard-000000.tar")
    assert head["Metadata"]["sha256"] == undisturbed["train/shard-000000.tar"]
    assert head["ContentType"] == "application/x-tar"
    progress = Counting()
    workshop.finished(workshop.spec(), place, progress=progress)
    assert progress.images == 0


@pytest.mark.parametrize("kills", [1, pytest.param(5, marks=pytest.mark.long)])
def test_killed_again_and_again(  # the real command, at random moments
    kills: int,
    workshop: Workshop,
    tiny_checkpoint: Path,
    open_place: Open,
    aws: dict[str, str],
    bucket: str,
    swift_server: Swift,
    tmp_path: Path,
) -> None:
    place = open_place(f"s3://{bucket}/set")
    n = 320 if kills == 1 else 960
    spec = workshop.spec(name="endotwin-tiny-7", n=n, shard_size=16)
    arguments = ["--n", n, "--seed", 7, "--shard-size", 16, str(place.place)]
    kill_again_and_again(kills, place, lambda: start_command(tiny_checkpoint, tmp_path, *arguments, **aws))
    assert place.stat("manifest.json") is None
    left = swift_server.client().create_multipart_upload(
        Bucket=bucket, Key="set/train/shard-000009.tar"
    )  # what a kill within a larger shard leaves
    swift_server.client().upload_part(
        Bucket=bucket, Key=left["Key"], UploadId=left["UploadId"], PartNumber=1, Body=b"half"
    )
    process = start_command(tiny_checkpoint, tmp_path, *arguments, **aws)
    output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, output
    assert f"{n} images of seed 7" in output
    expected = FolderDestination(tmp_path / "expected")
    workshop.finished(spec, expected)
    assert digests(place) == digests(expected)
    assert open_uploads(swift_server, bucket) == []


def test_the_server_is_killed_and_comes_back(
    workshop: Workshop, undisturbed: dict[str, str], open_place: Open, bucket: str, swift_server: Swift
) -> None:
    place = open_place(f"s3://{bucket}/set", sleep=time.sleep, timeout_seconds=10)
    progress = Killing(swift_server, seconds=1)
    try:
        workshop.finished(workshop.spec(), place, progress=progress)
    finally:
        progress.restart.join()
    assert digests(place) == undisturbed
    assert open_uploads(swift_server, bucket) == []


def test_two_processes_at_once(
    workshop: Workshop, undisturbed: dict[str, str], open_place: Open, bucket: str
) -> None:
    runs = make_at_once(workshop, lambda: open_place(f"s3://{bucket}/set"))
    assert digests(open_place(f"s3://{bucket}/set")) == undisturbed
    assert all(progress.new for progress in runs)


def test_stopping_leaves_no_half_object(
    workshop: Workshop, open_place: Open, bucket: str, swift_server: Swift
) -> None:
    place = open_place(f"s3://{bucket}/set")
    progress = Counting()

    def stop_after_the_first() -> None:
        if progress.new:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workshop.make(workshop.spec(), place, progress=progress, stop_if_asked=stop_after_the_first)
    shards = set(place.list_keys("train/"))
    assert shards < {shard.key for shard in plan_set(workshop.spec())}
    assert set(place.list_keys("")) - shards == {"set.json"}
    assert open_uploads(swift_server, bucket) == []


def test_a_planted_object_is_found(
    workshop: Workshop, undisturbed: dict[str, str], open_place: Open, bucket: str, swift_server: Swift
) -> None:
    place = open_place(f"s3://{bucket}/set")
    workshop.finished(workshop.spec(), place)
    client, key = swift_server.client(), "train/shard-000001.tar"
    other = b"".join(place.read("train/shard-000002.tar"))
    client.put_object(Bucket=bucket, Key=f"set/{key}", Body=other)
    with pytest.raises(SetError, match=f"{key}: it has no record of Endotwin's.*--replace-wrong"):
        workshop.make(workshop.spec(), place)
    # with the metadata of the right one: only its content differs
    metadata = client.head_object(Bucket=bucket, Key="set/train/shard-000000.tar")["Metadata"]
    forged = b"x" * int(metadata["size"])
    client.put_object(Bucket=bucket, Key="set/train/shard-000000.tar", Body=forged, Metadata=metadata)
    manifest = load_manifest(place, "here")
    found = verify_set(manifest, place, on_images=lambda _: None, stop_if_asked=lambda: None)
    assert [problem.key for problem in found] == ["train/shard-000000.tar", key]
    distrusted = [problem.key for problem in found]
    progress = Counting()
    workshop.finished(workshop.spec(), place, replace_wrong=True, distrusted=distrusted, progress=progress)
    assert sorted(progress.new) == distrusted
    assert digests(place) == undisturbed


def test_a_set_grows(
    workshop: Workshop, undisturbed: dict[str, str], open_place: Open, bucket: str, swift_server: Swift
) -> None:
    place = open_place(f"s3://{bucket}/set")
    workshop.finished(workshop.spec(n=60), place)
    client = swift_server.client()
    kept = [f"set/train/shard-00000{i}.tar" for i in (0, 1)]
    before = [client.head_object(Bucket=bucket, Key=key)["LastModified"] for key in kept]
    workshop.finished(workshop.spec(), place)
    assert [client.head_object(Bucket=bucket, Key=key)["LastModified"] for key in kept] == before
    assert digests(place) == undisturbed


def record_of(content: bytes) -> ObjectRecord:
    return ObjectRecord(set_digest="0" * 64, size=len(content), sha256="0" * 64)


def test_a_large_object_goes_in_parts(open_place: Open, bucket: str, swift_server: Swift) -> None:
    content = os.urandom(2 * bucket_module.PART + 12345)
    place = open_place(f"s3://{bucket}/set")
    with place.stage("large.bin") as staged:
        staged.file.write(content)
        assert place.stat("large.bin") is None
        staged.publish(record_of(content), replace=False)
    head = swift_server.client().head_object(Bucket=bucket, Key="set/large.bin")
    assert head["ETag"].endswith('-3"')
    stored = place.stat("large.bin")
    assert (stored.size, stored.record) == (len(content), record_of(content))
    assert b"".join(place.read("large.bin")) == content
    with place.stage("large.bin") as staged:
        staged.file.write(content)
        with pytest.raises(ContentionError):
            staged.publish(record_of(content), replace=False)
        staged.publish(record_of(content), replace=True)
    assert open_uploads(swift_server, bucket) == []


def test_an_upload_that_is_removed_raises_contention(
    open_place: Open, bucket: str, swift_server: Swift, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(bucket_module.PART + 1)
    place = open_place(f"s3://{bucket}/set")
    complete = place.client.complete_multipart_upload

    def too_late(**arguments: object) -> object:
        open_place(f"s3://{bucket}/set").discard_unfinished()
        return complete(**arguments)

    monkeypatch.setattr(place.client, "complete_multipart_upload", too_late)
    with place.stage("large.bin") as staged:
        staged.file.write(content)
        with pytest.raises(ContentionError):
            staged.publish(record_of(content), replace=False)
    assert list(place.list_keys("")) == []
    assert open_uploads(swift_server, bucket) == []


def test_uploads_of_others_are_left_alone(open_place: Open, bucket: str, swift_server: Swift) -> None:
    upload = swift_server.client().create_multipart_upload(Bucket=bucket, Key="set-of-others/large.bin")
    open_place(f"s3://{bucket}/set").discard_unfinished()
    assert [entry["UploadId"] for entry in open_uploads(swift_server, bucket)] == [upload["UploadId"]]


def test_more_keys_than_one_listing_shows(
    open_place: Open, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = open_place(f"s3://{bucket}/set")
    names = [f"train/{i:02d}" for i in range(7)]
    for name in names:
        with place.stage(name) as staged:
            staged.publish(record_of(b""), replace=False)
    listing = place.client.list_objects_v2
    monkeypatch.setattr(
        place.client, "list_objects_v2", lambda **arguments: listing(**arguments, MaxKeys=3)
    )
    assert list(place.list_keys("train/")) == names


def test_a_full_temporary_folder(
    workshop: Workshop, open_place: Open, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "disk", "100k") as disk:
        monkeypatch.setattr("tempfile.tempdir", str(disk))
        with pytest.raises(StorageError, match=r"disk: No space left on device; .* set TMPDIR"):
            workshop.make(workshop.spec(), open_place(f"s3://{bucket}/set"))
        assert not list(disk.iterdir())
