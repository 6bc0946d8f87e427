"""The routes of jobs: POST and GET /jobs; GET and DELETE /jobs/{id}; POST /jobs/{id}/resume and abandon."""

from __future__ import annotations

from enum import Enum

from fastapi import FastAPI

from service import errors
from service.error_codes import ErrorCode
from service.jobs.handlers import (
    LARGEST_PAGE,
    PAGE,
    abandon_job,
    cancel_job,
    create_job,
    list_jobs,
    resume_job,
    show_job,
)
from service.jobs.job_body import KEY_PATTERN
from service.jobs.job_view import JobPage, JobView

_TAGS: list[str | Enum] = ["jobs"]
_IDENTITY_SCHEMA = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_IDENTITY = {"name": "id", "in": "path", "required": True, "schema": _IDENTITY_SCHEMA}
_LIMIT = {
    "name": "limit",
    "in": "query",
    "description": "most jobs of the answer",
    "schema": {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": PAGE},
}
_BEFORE = {
    "name": "before",
    "in": "query",
    "description": "only jobs that are older than this one",
    "schema": _IDENTITY_SCHEMA,
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "the same key and body give the same job, however often they are sent",
    "schema": {"type": "string", "pattern": f"^{KEY_PATTERN}$"},
}
_LOCATION = {"description": "path of the job", "required": True, "schema": {"type": "string"}}
_CREATE_ERRORS = (
    ErrorCode.INVALID_BODY,
    ErrorCode.INVALID_HEADER,
    ErrorCode.UNKNOWN_PARAMETER,
    ErrorCode.INVALID_PARAMETER,
    ErrorCode.OVER_LIMIT,
    ErrorCode.DESTINATION_NOT_ALLOWED,
    ErrorCode.NO_JOBS,
    ErrorCode.DESTINATION_IN_USE,
    ErrorCode.BODY_TOO_LARGE,
    ErrorCode.BODY_NOT_JSON,
    ErrorCode.IDEMPOTENCY_KEY_REUSED,
    ErrorCode.TOO_MANY_JOBS_OF_CALLER,
    ErrorCode.QUOTA_EXHAUSTED,
    ErrorCode.TOO_MANY_JOBS,
)


def add_job_routes(app: FastAPI) -> None:
    """Add the routes to the application."""
    body = {"application/json": {"schema": {"$ref": "#/components/schemas/JobBody"}}}
    app.post(
        "/jobs",
        tags=_TAGS,
        status_code=202,
        response_model=JobView,
        response_description="the job",
        responses={202: {"headers": {"Location": _LOCATION}}, **errors.describe(*_CREATE_ERRORS)},
        openapi_extra={
            "requestBody": {"required": True, "content": body},
            "parameters": [_IDEMPOTENCY_KEY],
        },
    )(create_job)
    app.get(
        "/jobs",
        tags=_TAGS,
        response_model=JobPage,
        response_description="the jobs",
        responses=errors.describe(
            ErrorCode.UNKNOWN_PARAMETER, ErrorCode.INVALID_PARAMETER, ErrorCode.NO_JOBS
        ),
        openapi_extra={"parameters": [_LIMIT, _BEFORE]},
    )(list_jobs)
    of_one = {"parameters": [_IDENTITY]}
    unknown = (ErrorCode.UNKNOWN_JOB, ErrorCode.NO_JOBS)
    app.get(
        "/jobs/{id}",
        tags=_TAGS,
        response_description="the job",
        responses=errors.describe(*unknown),
        openapi_extra=of_one,
        response_model=JobView,
    )(show_job)
    app.delete(
        "/jobs/{id}",
        tags=_TAGS,
        status_code=202,
        response_description="the job, while what it wrote is being removed",
        responses={
            200: {"description": "the job, of which nothing is left to remove", "model": JobView},
            **errors.describe(*unknown, ErrorCode.JOB_COMPLETE),
        },
        openapi_extra=of_one,
        response_model=JobView,
    )(cancel_job)
    app.post(
        "/jobs/{id}/resume",
        tags=_TAGS,
        status_code=202,
        response_description="the job",
        responses=errors.describe(
            *unknown,
            ErrorCode.JOB_NOT_FAILED,
            ErrorCode.JOB_UNREADABLE,
            ErrorCode.TOO_MANY_JOBS_OF_CALLER,
            ErrorCode.TOO_MANY_JOBS,
        ),
        openapi_extra=of_one,
        response_model=JobView,
    )(resume_job)
    app.post(
        "/jobs/{id}/abandon",
        tags=_TAGS,
        response_description="the job",
        responses=errors.describe(*unknown, ErrorCode.JOB_NOT_FAILED, ErrorCode.JOB_UNREADABLE),
        openapi_extra=of_one,
        response_model=JobView,
    )(abandon_job)
