"""What the routes of jobs answer."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from fastapi import Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from endotwin.quoting import shorten
from endotwin.settings import variable
from service.access.caller import caller_of
from service.error_codes import ErrorCode
from service.errors import ApiError, invalid_parameter
from service.jobs.job import ENDED, WAITING, Job, State, StoredJob, UnreadableJob
from service.jobs.job_body import LARGEST_BODY, check_idempotency_key, parse_body, parse_job
from service.jobs.job_view import JobPage, view_job
from service.jobs.store import KeyReusedError, OccupiedError, TooManyJobsError
from service.request_record import current_record
from service.runtime import Runtime

if TYPE_CHECKING:
    from service.jobs.runner import JobRunner

PAGE = 50
LARGEST_PAGE = 200
"""Jobs of one answer: where a request does not say, and at most."""

_RETRY_AFTER_SECONDS, _LONGEST_RETRY_AFTER_SECONDS = 60, 3600
_OCCUPIED = "a job of another key writes there, above it or below it; choose another destination"
_NUMBER = re.compile(r"[0-9]{1,4}")


async def create_job(request: Request) -> JSONResponse:
    """Create a job that writes a large set to storage. The same Idempotency-Key and body give the same job.

    Everything that can be checked without the storage is checked before the answer.
    """
    jobs, caller = _jobs(request), caller_of(request)
    content = await _read_body(request)
    runtime: Runtime = request.app.state.runtime

    def create() -> StoredJob:
        body = parse_body(content)
        key = check_idempotency_key(request.headers.get("idempotency-key"))
        # A request that was accepted once stays accepted, whatever the operator has changed since.
        known = jobs.store.find(key, body.sha256, caller.owner)
        if known is not None:
            return known
        destination, spec, any_shard_size = parse_job(body, runtime.models, runtime.settings)
        counted = spec.labelling.size.count_as(spec.n)
        if caller.job_images is not None and counted > caller.job_images:
            message = (
                f"{caller.name} may have {caller.job_images} images in a job, and this asks for {counted}"
            )
            raise ApiError(ErrorCode.OVER_LIMIT, message, field="n")
        return jobs.store.add(
            destination,
            spec,
            any_shard_size=any_shard_size,
            key=key,
            request_sha256=body.sha256,
            max_open=runtime.settings.jobs_max_open,
            owner=caller.owner,
            accept=None if runtime.quota is None else partial(runtime.quota.charge, caller, counted),
        )

    try:
        job = await run_in_threadpool(create)
    except KeyReusedError as error:
        message = "this Idempotency-Key came with another request before; use a new one for a new job"
        raise ApiError(ErrorCode.IDEMPOTENCY_KEY_REUSED, message) from error
    except OccupiedError as error:
        message = _occupied(error.job) if caller.sees_jobs_of(error.job.owner) else _OCCUPIED
        raise ApiError(ErrorCode.DESTINATION_IN_USE, message, field="destination") from error
    except TooManyJobsError as error:
        raise _too_many(error, runtime) from error
    jobs.wake()
    record = current_record()
    record.note(job=job.id)
    if isinstance(job, Job):
        record.note_images(job.spec.model, job.spec.images, job.spec.format, job.spec.labelling)
    return _answer(view_job(job), 202, {"Location": job.path})


def list_jobs(request: Request) -> JSONResponse:
    """List jobs, the newest first; `next` is the address of the older ones, if there are any."""
    jobs, caller = _jobs(request), caller_of(request)
    query = request.query_params
    for name in query:
        if name not in ("limit", "before"):
            message = f"there is no parameter {shorten(name)}; allowed are limit, before"
            raise ApiError(ErrorCode.UNKNOWN_PARAMETER, message)
    limit = query.get("limit", str(PAGE))
    if not _NUMBER.fullmatch(limit) or not 1 <= int(limit) <= LARGEST_PAGE:
        message = f"limit must be an integer from 1 to {LARGEST_PAGE}, got {shorten(limit)}"
        raise invalid_parameter("limit", message)
    before = query.get("before")
    if before is not None and _visible(jobs.store.get(before), request) is None:
        message = f"before must be the id of a job, got {shorten(before)}"
        raise invalid_parameter("before", message)
    owner = None if caller.has("admin") else caller.owner
    found = jobs.store.newest(int(limit) + 1, before, owner)
    shown = found[: int(limit)]
    following = f"/jobs?limit={limit}&before={shown[-1].id}" if len(found) > len(shown) else None
    return _answer(JobPage(jobs=[view_job(job) for job in shown], next=following))


def show_job(request: Request) -> JSONResponse:
    """Return how far a job is."""
    return _answer(view_job(_find(request, _jobs(request))))


def cancel_job(request: Request) -> JSONResponse:
    """Cancel a job: everything that it wrote is removed. Again is no error; a complete job stays.

    A job that this service cannot read is removed from its list.
    """
    jobs = _jobs(request)
    job = _changed(request, jobs, jobs.store.cancel)
    if isinstance(job, UnreadableJob):
        return _answer(view_job(job).model_copy(update={"state": State.CANCELLED}))
    if job.state is State.COMPLETE:
        message = "the job is complete; to remove its set use the tools of your storage"
        raise ApiError(ErrorCode.JOB_COMPLETE, message)
    jobs.wake()
    return _answer(view_job(job), 200 if job.state in ENDED else 202)


def resume_job(request: Request) -> JSONResponse:
    """Resume a job that failed. For one that is waiting or running nothing changes."""
    jobs = _jobs(request)
    runtime: Runtime = request.app.state.runtime
    try:
        resume = partial(jobs.store.resume, max_open=runtime.settings.jobs_max_open)
        job = _readable(_changed(request, jobs, resume))
    except TooManyJobsError as error:
        raise _too_many(error, runtime) from error
    if job.state not in WAITING:
        message = f"the job is {job.state.value}; only one that failed can be resumed"
        if job.state is State.CANCEL_FAILED:
            message += f"; DELETE {job.path} tries again to remove what it wrote"
        raise ApiError(ErrorCode.JOB_NOT_FAILED, message)
    jobs.wake()
    return _answer(view_job(job), 202)


def abandon_job(request: Request) -> JSONResponse:
    """Abandon a job that failed: what it wrote stays, and the storage is not asked. Again is no error.

    Its destination is free for another job then.
    """
    jobs = _jobs(request)
    job = _readable(_changed(request, jobs, jobs.store.abandon))
    if job.state is not State.ABANDONED:
        message = f"the job is {job.state.value}; only one that failed can be abandoned"
        raise ApiError(ErrorCode.JOB_NOT_FAILED, message)
    return _answer(view_job(job))


def _answer(view: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(view.model_dump(mode="json"), status, headers)


def _jobs(request: Request) -> JobRunner:
    runtime: Runtime = request.app.state.runtime
    if runtime.jobs is None:
        message = f"this service takes no jobs: its operator has not set {variable('jobs_store')}"
        raise ApiError(ErrorCode.NO_JOBS, message)
    return runtime.jobs


def _visible(job: StoredJob | None, request: Request) -> StoredJob | None:
    return job if job is not None and caller_of(request).sees_jobs_of(job.owner) else None


def _find(request: Request, jobs: JobRunner) -> StoredJob:
    """Return the job that a request names; one of another owner is answered like one that is not there."""
    identity = request.path_params["id"]
    job = _visible(jobs.store.get(identity), request)
    if job is None:
        raise ApiError(ErrorCode.UNKNOWN_JOB, f"there is no job {shorten(identity)}; GET /jobs lists them")
    return job


def _changed(request: Request, jobs: JobRunner, change: Callable[[str], StoredJob | None]) -> StoredJob:
    """Return the job that a request names, after a change of the store."""
    job = _find(request, jobs)
    return change(job.id) or job


def _readable(job: StoredJob) -> Job:
    if isinstance(job, UnreadableJob):
        raise ApiError(ErrorCode.JOB_UNREADABLE, f"{job.why}; {job.advice}")
    return job


def _too_many(error: TooManyJobsError, runtime: Runtime) -> ApiError:
    seconds = _RETRY_AFTER_SECONDS if error.seconds is None else math.ceil(error.seconds)
    most = runtime.settings.jobs_max_open
    if runtime.keyring is None:
        code, message = ErrorCode.TOO_MANY_JOBS, f"{most} jobs wait or run, as many as this service takes"
    else:
        code = ErrorCode.TOO_MANY_JOBS_OF_CALLER
        message = f"{most} jobs of this key wait or run, as many as this service takes of one"
    return ApiError(
        code,
        f"{message}; try again later, or cancel some",
        headers={"Retry-After": str(min(max(seconds, 1), _LONGEST_RETRY_AFTER_SECONDS))},
    )


def _occupied(job: StoredJob) -> str:
    abandon = f"POST {job.path}/abandon leaves it"
    if isinstance(job, UnreadableJob):
        advice = f"{job.why}; {job.advice}"
    elif job.state is State.CANCEL_FAILED:
        advice = f"it was cancelled: DELETE {job.path} tries again to remove what it wrote, {abandon}"
    elif job.state is State.FAILED:
        resume = f"POST {job.path}/resume goes on"
        advice = f"it failed: {resume}, DELETE {job.path} removes what it wrote, {abandon}"
    else:
        advice = "wait for its end, or choose another destination"
    return f"job {job.id} ({job.state.value}) writes to {job.destination}; {advice}"


async def _read_body(request: Request) -> bytes:
    """Read a body of JSON, or refuse it before all of it is there."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        message = f"POST /jobs takes a body of type application/json, got {shorten(kind)}"
        raise ApiError(ErrorCode.BODY_NOT_JSON, message)
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > LARGEST_BODY:
            raise ApiError(ErrorCode.BODY_TOO_LARGE, f"a body has at most {LARGEST_BODY} bytes")
    return bytes(content)
