"""Jobs through the Python client: started once, watched, waited for, cancelled."""

from __future__ import annotations

import asyncio

import pytest
from documentation import python_blocks, run_block
from fake_samplers import FakeSampler
from job_tools import Held, Serve
from live_server import wait_for

import endotwin
from endotwin.client import views
from service.jobs import job_view
from service.jobs.job import WAITING, State
from service.model_view import ModelDetails


def test_a_job_from_its_start_to_its_end(serve_jobs: Serve, bucket: str, held: Held) -> None:
    url = f"http://127.0.0.1:{serve_jobs(held).port}"
    with endotwin.Client(url) as client:
        destination = f"s3://{bucket}/first"
        job = client.start_job(destination, 7, 100, shard_size=24, idempotency_key="one")
        assert client.start_job(destination, 7, 100, shard_size=24, idempotency_key="one").id == job.id
        assert (job.n, job.seed, job.destination, job.ended) == (100, 7, destination, False)
        with pytest.raises(TimeoutError, match=f"job {job.id} is .* after 0.1 s"):
            client.wait_for_job(job.id, timeout=0.1, every=0.05)
        seen = []
        for state in client.job_progress(job.id, every=0.05):
            seen.append(state)
            held.release()
        assert seen[-1].state == "complete"
        assert seen[-1].images.done == 100
        assert len(seen) > 1
        assert client.wait_for_job(job.id).state == "complete"
        assert [one.id for one in client.jobs()] == [job.id]
        with pytest.raises(endotwin.ServiceError, match="the job is complete"):
            client.cancel_job(job.id)
        with pytest.raises(endotwin.ServiceError, match="only one that failed can be resumed"):
            client.resume_job(job.id)
        with pytest.raises(endotwin.ServiceError, match="only one that failed can be abandoned"):
            client.abandon_job(job.id)


def test_a_cancelled_job_is_no_set(serve_jobs: Serve, bucket: str, held: Held) -> None:
    url = f"http://127.0.0.1:{serve_jobs(held).port}"

    async def start_and_cancel() -> str:
        async with endotwin.AsyncClient(url) as client:
            job = await client.start_job(f"s3://{bucket}/first", 7, 100, shard_size=24)
            await client.cancel_job(job.id)
            held.release()
            states = [one.state async for one in client.job_progress(job.id, every=0.05)]
            assert states[-1] == "cancelled"
            assert [one.id async for one in client.jobs()] == [job.id]
            with pytest.raises(endotwin.JobFailedError, match=f"job {job.id} is cancelled") as raised:
                await client.wait_for_job(job.id, timeout=10)
            return raised.value.state

    assert asyncio.run(start_and_cancel()) == "cancelled"


def test_a_failed_job_says_why(serve_jobs: Serve, bucket: str) -> None:
    with endotwin.Client(f"http://127.0.0.1:{serve_jobs(FakeSampler()).port}") as client:
        job = client.start_job("s3://jobs-99/none", 7, 100, shard_size=24)
        wait_for(lambda: client.job(job.id).ended, "the job to fail")
        with pytest.raises(endotwin.JobFailedError, match="jobs-99") as raised:
            client.wait_for_job(job.id)
        assert raised.value.state == "failed"
        assert client.abandon_job(job.id).state == "abandoned"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (views.Job, job_view.JobView),
        (views.JobPage, job_view.JobPage),
        (views.Share, job_view.Progress),
        (views.JobError, job_view.JobErrorView),
        (views.ModelInfo, ModelDetails),
    ],
)
def test_a_client_knows_every_field(ours: type, theirs: type) -> None:
    assert ours.model_fields.keys() == theirs.model_fields.keys()


def test_a_client_knows_every_end() -> None:
    assert {state.value for state in State if state not in (*WAITING, State.CANCELLING)} == views.ENDED


def test_the_example_of_the_page(
    serve_jobs: Serve, bucket: str, held: Held, capsys: pytest.CaptureFixture[str]
) -> None:
    held.release()
    [block] = [block for block in python_blocks("python.md") if "start_job" in block]
    address = f"http://127.0.0.1:{serve_jobs(held).port}"
    block = block.replace("http://127.0.0.1:3000", address).replace("s3://data/", f"s3://{bucket}/")
    run_block(block, "python.md", {"endotwin": endotwin})
    assert capsys.readouterr().out.endswith("complete: 1000 of 1000 images\n")
