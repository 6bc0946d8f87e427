"""Owners of jobs in the store: whose turn it is, how many each may have, what failed jobs keep."""

from __future__ import annotations

import pytest
from job_tools import CHECKPOINT, LONG, add_job

from service.jobs.job import Counts, JobError, State
from service.jobs.store import JobStore, KeyReusedError, OccupiedError, TooManyJobsError

STAYS = "what it has written stays where it is"


def fail(store: JobStore, state: State = State.FAILED) -> str:
    """Take up the next job, and have it fail; return its id."""
    job, token = store.take_to_make([CHECKPOINT], LONG)
    assert store.end(job.id, token, State.RUNNING, state, Counts(errors=(JobError(1.0, "no bucket"),)))
    return job.id


def take(store: JobStore) -> str:
    """Take up the next job, and end it; return its owner."""
    job, token = store.take_to_make([CHECKPOINT], LONG)
    store.end(job.id, token, State.RUNNING, State.COMPLETE, Counts())
    return job.owner


def test_owners_take_turns(store: JobStore) -> None:
    for number in range(4):
        add_job(store, f"a-{number}", owner="a")
    add_job(store, "b-0", owner="b")
    assert take(store) == "a"
    add_job(store, "c-0", owner="c")
    add_job(store, "b-1", owner="b")
    assert [take(store) for _ in range(6)] == ["b", "c", "a", "b", "a", "a"]


def test_a_job_given_back_waits_for_those_of_others(store: JobStore) -> None:
    first = add_job(store, "a", owner="a")
    job, token = store.take_to_make([CHECKPOINT], LONG)
    assert not store.others_wait("a", [CHECKPOINT])
    add_job(store, "a-1", owner="a")
    assert not store.others_wait("a", [CHECKPOINT]), "only its own"
    add_job(store, "b", owner="b")
    assert store.others_wait("a", [CHECKPOINT])
    assert not store.others_wait("a", ["b" * 64]), "nobody here can make it"
    store.release(job.id, token)
    assert [take(store) for _ in range(3)] == ["b", "a", "a"]
    assert store.get(first.id).state is State.COMPLETE


def test_cleaning_up_goes_by_turns_too(store: JobStore) -> None:
    for owner in ("a", "a", "a", "b"):
        job = add_job(store, f"{owner}-{len(store.newest(9, None))}", owner=owner)
        _, token = store.take_to_make([CHECKPOINT], LONG)
        store.cancel(job.id)
        store.release(job.id, token)
    taken = []
    for _ in range(4):
        job, token = store.take_to_cancel(LONG)
        store.end(job.id, token, State.CANCELLING, State.CANCELLED, Counts())
        taken.append(job.owner)
    assert taken.index("b") <= 1


def test_a_quota_of_one(store: JobStore) -> None:
    def add(prefix: str, owner: str) -> str:
        return add_job(store, prefix, owner=owner, max_open=1).id

    first = add("a-0", "a")
    with pytest.raises(TooManyJobsError):
        add("a-1", "a")
    add("b-0", "b")
    store.cancel(first)
    add("a-1", "a")


def test_failed_jobs_count_for_nothing(store: JobStore) -> None:
    failed = []
    for number in range(10):
        add_job(store, f"set-{number}", max_open=1)
        failed.append(fail(store, (State.FAILED, State.CANCEL_FAILED)[number % 2]))
    last = add_job(store, "last", max_open=1)
    with pytest.raises(TooManyJobsError):
        store.resume(failed[0], 1)
    store.cancel(last.id)
    assert store.resume(failed[0], 1).state is State.QUEUED


def test_the_wait_for_a_place_is_that_of_the_job_that_is_done_first(store: JobStore) -> None:
    for prefix, seconds in (("one", 900.0), ("two", 30.0)):
        add_job(store, prefix)
        job, token = store.take_to_make([CHECKPOINT], LONG)
        store.keep(job.id, token, LONG, Counts(seconds_left=seconds))
    with pytest.raises(TooManyJobsError) as refusal:
        add_job(store, "three", max_open=2)
    assert refusal.value.seconds == 30


@pytest.mark.parametrize("state", [State.FAILED, State.CANCEL_FAILED])
def test_a_failed_job_is_abandoned_without_the_storage(store: JobStore, state: State) -> None:
    add_job(store)
    identity = fail(store, state)
    with pytest.raises(OccupiedError):
        add_job(store)
    for _ in range(2):
        job = store.abandon(identity)
        assert job.state is State.ABANDONED
        assert [error.message for error in job.counts.errors] == [
            "no bucket",
            f"its owner gave it up: {STAYS}",
        ]
    assert store.resume(identity, 9).state is State.ABANDONED
    assert store.cancel(identity).state is State.ABANDONED
    assert store.take_to_cancel(LONG) is None
    add_job(store)


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.CANCELLING, State.COMPLETE])
def test_only_a_failed_job_can_be_abandoned(store: JobStore, state: State) -> None:
    job = add_job(store)
    store._run("UPDATE jobs SET state = ? WHERE id = ?", state, job.id)
    assert store.abandon(job.id).state is state
    assert store.abandon("nope") is None


@pytest.mark.parametrize("state", [State.FAILED, State.CANCEL_FAILED])
def test_a_failed_job_keeps_its_destination_from_nobody_else(store: JobStore, state: State) -> None:
    add_job(store, "set/below", owner="a")
    failed = fail(store, state)
    with pytest.raises(OccupiedError):
        add_job(store, "set", owner="a")
    with pytest.raises(TooManyJobsError):
        add_job(store, "set", owner="b", max_open=0)
    assert store.get(failed).state is state, "a job that is refused changes nothing"
    add_job(store, "set", owner="b")
    assert store.get(failed).state is State.ABANDONED
    assert "another job has its destination now" in store.get(failed).counts.errors[-1].message
    with pytest.raises(OccupiedError) as refusal:
        add_job(store, "set/below", owner="a")
    assert refusal.value.job.owner == "b"


def test_idempotency_keys_are_those_of_an_owner(store: JobStore) -> None:
    first = add_job(store, "a", owner="a", key="k")
    second = add_job(store, "b", owner="b", key="k", request_sha256="2")
    assert first.id != second.id
    assert add_job(store, "a", owner="a", key="k") == first
    assert store.find("k", "2", "b") == second
    assert store.find("k", "1") is None
    with pytest.raises(KeyReusedError):
        store.find("k", "1", "b")


def test_a_job_is_charged_when_it_is_new_and_may_be_added_and_else_not(store: JobStore) -> None:
    charged = []

    def refuse() -> None:
        raise KeyError

    for _ in range(3):
        add_job(store, "set", key="k", accept=lambda: charged.append("set"))
    with pytest.raises(OccupiedError):
        add_job(store, "set/below", accept=lambda: charged.append("occupied"))
    with pytest.raises(TooManyJobsError):
        add_job(store, "other", max_open=1, accept=lambda: charged.append("too many"))
    assert charged == ["set"]
    with pytest.raises(KeyError):
        add_job(store, "other", accept=refuse)
    assert len(store.newest(9, None)) == 1


def test_failed_jobs_are_forgotten_in_the_end_and_only_those_of_their_owner(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobs.store._ENDED_KEPT", 2)
    add_job(store, "of-another", owner="b")
    kept = [fail(store)]
    for number in range(4):
        add_job(store, f"set-{number}", owner="a")
        kept.append(fail(store))
    waiting = add_job(store, "last", owner="a").id
    assert [job.id for job in store.newest(9, None)] == [waiting, kept[4], kept[3], kept[0]]
    assert [job.id for job in store.newest(9, None, "a")] == [waiting, kept[4], kept[3]]
    assert [job.id for job in store.newest(9, kept[4], "b")] == [kept[0]]
