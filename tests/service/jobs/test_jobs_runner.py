"""Services on one store, without a web server: which works on which job, and what a stop leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from job_tools import Held, contents
from live_server import wait_for
from swift_server import Swift

from endotwin.generator.checkpoint import load_checkpoint
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.place import Bucket
from endotwin.settings import Settings
from service.device_queue import DeviceQueue
from service.jobs import runner
from service.jobs.job import Job, State
from service.jobs.runner import JobRunner
from service.jobs.store import JobStore
from service.models import Model, Models

Start = Callable[..., JobRunner]

SPEC = SetSpec(name="endotwin-tiny-7", n=80, seed=7, model="tiny", generator_sha256="0" * 64, shard_size=16)


@pytest.fixture
def start(tiny_checkpoint: Path, tmp_path: Path, bucket: str) -> Iterator[Start]:
    """Return a function that starts the jobs of a service, all on one store."""
    card = load_checkpoint(tiny_checkpoint).card
    with ExitStack() as services:

        def start(sampler: object, allow: str = bucket) -> JobRunner:
            models = Models([Model(card=card, generator_sha256="0" * 64, samplers=[sampler])], card.name)
            settings = Settings(storage_allow=(allow,), jobs_lease_seconds=2)
            device = services.enter_context(ExitStack())
            thread = DeviceQueue()
            device.callback(thread.close)
            worker = JobRunner(JobStore(tmp_path / "jobs.sqlite"), models, thread, "test", settings)
            device.callback(worker.close)
            return worker

        yield start


def add(worker: JobRunner, bucket: str, prefix: str = "set", owner: str = "", n: int = SPEC.n) -> str:
    spec = SPEC.model_copy(update={"n": n})
    options = {"key": None, "request_sha256": "", "max_open": 9, "owner": owner}
    job = worker.store.add(Bucket(bucket, prefix), spec, **options)
    worker.wake()
    return job.id


def state(worker: JobRunner, identity: str) -> State:
    job = worker.store.get(identity)
    assert job is not None
    return job.state


def test_a_service_that_stops_goes_on_at_its_next_start(
    start: Start, bucket: str, swift_server: Swift
) -> None:
    held = Held(free=2)
    first = start(held)
    identity = add(first, bucket)
    wait_for(lambda: len(held.calls) == 3, "the job to begin")
    first.close()
    assert state(first, identity) is State.QUEUED, "given back at once, though a batch is not at its end"
    held.release()
    assert "set/manifest.json" not in contents(swift_server, bucket)
    second = start(Held(free=10**6))
    wait_for(lambda: state(second, identity) is State.COMPLETE, "the job to go on")
    assert len(contents(swift_server, bucket, "set/train/")) == SPEC.shards


def test_two_services_share_jobs_and_do_none_twice(start: Start, bucket: str) -> None:
    one, other = Held(), Held()
    services = [start(one), start(other)]
    ids = [add(services[0], bucket, prefix) for prefix in ("first", "second")]
    wait_for(lambda: bool(one.calls and other.calls), "each to have a job")
    one.release()
    other.release()
    for identity in ids:
        wait_for(lambda identity=identity: state(services[0], identity) is State.COMPLETE, "the jobs")
    assert sorted(one.calls) == sorted(other.calls) == [(7, block) for block in range(5)]


def test_a_long_job_does_not_keep_others_waiting(
    start: Start, bucket: str, swift_server: Swift, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its turn ends with the shards that were begun, none of which is made twice."""
    monkeypatch.setattr("service.jobs.runner._TURN_SECONDS", 0)
    held = Held(free=1)
    worker = start(held)
    long = add(worker, bucket, "long", owner="a")
    wait_for(lambda: len(held.calls) == 2, "the job to begin")
    short = [add(worker, bucket, f"short-{number}", owner="b", n=16) for number in range(2)]
    held.release()
    for identity in [long, *short]:
        wait_for(lambda identity=identity: state(worker, identity) is State.COMPLETE, "all jobs")
    ended = [worker.store.get(identity).finished for identity in (*short, long)]
    assert ended == sorted(ended)
    assert sorted(held.calls) == [(7, 0)] * 3 + [(7, block) for block in range(1, 5)]
    assert len(contents(swift_server, bucket, "long/train/")) == SPEC.shards


@pytest.mark.parametrize("any_shard_size", [True, False])
def test_a_set_grows_with_the_shards_that_it_has(
    start: Start, bucket: str, swift_server: Swift, any_shard_size: bool
) -> None:
    """Also when a job of another size of set would make shards of another size."""
    worker = start(Held(free=10**6))
    earlier = add(worker, bucket, n=40)
    wait_for(lambda: state(worker, earlier) is State.COMPLETE, "the set")
    larger = SPEC.model_copy(update={"shard_size": 32})
    options = {"key": None, "request_sha256": "", "max_open": 9, "any_shard_size": any_shard_size}
    job = worker.store.add(Bucket(bucket, "set"), larger, **options)
    worker.wake()
    wait_for(lambda: state(worker, job.id) in (State.COMPLETE, State.FAILED), "the larger set")
    grown = worker.store.get(job.id)
    assert isinstance(grown, Job)
    if any_shard_size:
        assert (grown.state, grown.spec, grown.earlier_n) == (State.COMPLETE, SPEC, 40)
        assert len(contents(swift_server, bucket, "set/train/")) == SPEC.shards
    else:
        assert grown.state is State.FAILED
        assert "shard_size is 16 there and 32 here" in grown.counts.errors[-1].message


def test_another_set_lends_no_size_of_shards(start: Start, bucket: str) -> None:
    worker = start(Held(free=10**6))
    earlier = add(worker, bucket)
    wait_for(lambda: state(worker, earlier) is State.COMPLETE, "the set")
    other = SPEC.model_copy(update={"seed": 8, "name": "endotwin-tiny-8", "shard_size": 32})
    options = {"key": None, "request_sha256": "", "max_open": 9, "any_shard_size": True}
    job = worker.store.add(Bucket(bucket, "set"), other, **options)
    worker.wake()
    wait_for(lambda: state(worker, job.id) is State.FAILED, "the other job to fail")
    refused = worker.store.get(job.id)
    assert isinstance(refused, Job)
    assert refused.spec == other


def test_a_place_that_is_not_allowed_any_more(start: Start, bucket: str, swift_server: Swift) -> None:
    worker = start(Held(free=10**6), allow=f"{bucket}/elsewhere")
    identity = add(worker, bucket)
    wait_for(lambda: state(worker, identity) is State.FAILED, "the job to be refused")
    job = worker.store.get(identity)
    assert "not among the destinations that the operator allows" in job.counts.errors[-1].message
    assert contents(swift_server, bucket) == {}


def test_a_cancelled_job_whose_clean_up_fails_stays_cancelled(
    start: Start, bucket: str, swift_server: Swift
) -> None:
    held = Held(free=2)
    first = start(held)
    identity = add(first, bucket)
    wait_for(lambda: bool(contents(swift_server, bucket, "set/train/")), "a shard")
    first.close()
    held.release()
    refusing = start(Held(), allow=f"{bucket}/elsewhere")
    refusing.store.cancel(identity)
    wait_for(lambda: state(refusing, identity) is State.CANCEL_FAILED, "the clean-up to fail")
    message = refusing.store.get(identity).counts.errors[-1].message
    assert "not among the destinations that the operator allows" in message
    assert refusing.store.resume(identity, 9).state is State.CANCEL_FAILED
    refusing.close()
    allowed = start(Held())
    assert state(allowed, identity) is State.CANCEL_FAILED
    allowed.store.cancel(identity)
    wait_for(lambda: state(allowed, identity) is State.CANCELLED, "the clean-up")
    assert contents(swift_server, bucket) == {}


def test_errors_of_one_job_stop_no_other(
    start: Start, bucket: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also errors that nothing was written for: the threads go on with other jobs."""
    monkeypatch.setattr("service.jobs.runner._PAUSE_AFTER_ERROR_SECONDS", 0.05)
    worker = start(Held(free=10**6))
    monkeypatch.setattr("service.jobs.runner.JobProgress", FailsOnce(runner.JobProgress))
    bad, good = add(worker, bucket, "bad"), add(worker, bucket, "good")
    for identity in (good, bad):  # the bad one again, when its lease has run out
        wait_for(lambda identity=identity: state(worker, identity) is State.COMPLETE, "both jobs")
    assert "the first job fails" in caplog.text


class FailsOnce:
    def __init__(self, then: Callable[..., object]) -> None:
        self.then = then
        self.calls = 0

    def __call__(self, job: Job) -> object:
        self.calls += 1
        if self.calls == 1:
            raise KeyError("the first job fails")
        return self.then(job)
