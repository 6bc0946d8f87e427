"""Services in processes of their own on one store: killed by SIGKILL, and started again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from job_tools import JobClient, contents, open_uploads, order, undisturbed
from live_server import LiveServer, wait_for
from swift_server import Swift

from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.device import describe_device, resolve_device
from endotwin.generator.sampler import Sampler

N, SHARD_SIZE = 320, 16
BLOCKS = N // SHARD_SIZE
WANTED = {"n": N, "shard_size": SHARD_SIZE}


class JobServer(LiveServer, JobClient):
    """A service whose jobs are asked for."""

    def kill(self) -> None:
        """Kill all its processes, as a power cut would."""
        for process in self.processes():
            process.kill()
        self._process.wait()

    def generated(self) -> float:
        return self.metric("endotwin_job_images_total")


@pytest.fixture
def start(tiny_checkpoint: Path, tmp_path: Path, bucket: str) -> Iterator[Callable[[str], JobServer]]:
    """Yield a function that starts a service; all have one store, each its own home."""
    with ExitStack() as servers:

        def start(home: str) -> JobServer:
            folder = tmp_path / home
            folder.mkdir()
            server = JobServer(
                folder,
                checkpoint_dir=str(tiny_checkpoint.parent),
                jobs_store=str(tmp_path / "jobs.sqlite"),
                jobs_lease_seconds="3",
                storage_allow=bucket,
            )
            servers.callback(server.stop)
            return server

        yield start


def shards(swift: Swift, bucket: str, prefix: str) -> int:
    listed = swift.client().list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/train/")
    return int(listed["KeyCount"])


def check_sets(swift: Swift, bucket: str, names: list[str], tiny_checkpoint: Path, folder: Path) -> None:
    """Check that sets below these prefixes are as without any kill, with nothing left over."""
    checkpoint = load_checkpoint(tiny_checkpoint)
    fields = {**WANTED, "generator_sha256": checkpoint.generator_sha256}
    device = describe_device(resolve_device("auto"))
    expected = undisturbed(folder / "undisturbed", checkpoint.card, Sampler(checkpoint), device, **fields)
    for name in names:
        assert contents(swift, bucket, f"{name}/") == expected
    assert open_uploads(swift, bucket) == []


def test_a_service_that_is_killed_goes_on_when_it_is_started_again(
    start: Callable[[str], JobServer],
    bucket: str,
    swift_server: Swift,
    tiny_checkpoint: Path,
    tmp_path: Path,
) -> None:
    server = start("first")
    identity = server.created(order(f"s3://{bucket}/set", **WANTED))
    wait_for(lambda: shards(swift_server, bucket, "set") >= 2, "some shards")
    server.kill()
    left = shards(swift_server, bucket, "set")
    assert left < BLOCKS
    again = start("again")
    again.wait_for_state(identity, "complete")
    assert again.generated() <= N - left * SHARD_SIZE
    check_sets(swift_server, bucket, ["set"], tiny_checkpoint, tmp_path)


@pytest.mark.long
def test_two_services_share_jobs_and_take_over_those_of_a_killed_one(
    start: Callable[[str], JobServer],
    bucket: str,
    swift_server: Swift,
    tiny_checkpoint: Path,
    tmp_path: Path,
) -> None:
    one, other = start("one"), start("other")

    # Two jobs, two services: each has one, and together they do no more than there is to do.
    ids = [one.created(order(f"s3://{bucket}/{name}", **WANTED)) for name in ("first", "second")]
    for identity in ids:
        one.wait_for_state(identity, "complete")
    assert one.generated() + other.generated() == 2 * N
    assert one.generated() > 0
    assert other.generated() > 0

    # One job: the service that has it is killed, and the other takes it over.
    before = one.generated()
    identity = one.created(order(f"s3://{bucket}/third", **WANTED))
    wait_for(lambda: shards(swift_server, bucket, "third") >= 2, "some shards")
    busy, idle = (one, other) if one.generated() > before else (other, one)
    busy.kill()
    assert shards(swift_server, bucket, "third") < BLOCKS
    idle.wait_for_state(identity, "complete")
    check_sets(swift_server, bucket, ["first", "second", "third"], tiny_checkpoint, tmp_path)
