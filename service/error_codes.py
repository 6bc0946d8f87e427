"""Every code of an error over HTTP, with the status that goes with it and when it is given."""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """What went wrong, for programs.

    Attributes:
        status: HTTP status of an answer with this code.
        meaning: when it is given, for people.
    """

    status: int
    meaning: str

    def __new__(cls, value: str, status: int, meaning: str) -> ErrorCode:
        """Make a member that is its value."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.status, member.meaning = status, meaning
        return member

    BAD_REQUEST = "bad_request", 400, "the request makes no sense"
    UNKNOWN_PARAMETER = "unknown_parameter", 400, "there is no parameter or field of that name"
    REPEATED_PARAMETER = "repeated_parameter", 400, "a parameter is given twice"
    INVALID_PARAMETER = "invalid_parameter", 400, "a parameter or field is missing or has a wrong value"
    INVALID_BODY = "invalid_body", 400, "the body is no JSON object"
    INVALID_HEADER = "invalid_header", 400, "the Idempotency-Key is no key"
    UNAUTHORIZED = "unauthorized", 401, "the service asks for a key, and got none that it knows"
    MISSING_SCOPE = "missing_scope", 403, "the key is not good for this"
    OVER_LIMIT = "over_limit", 403, "these are more images than the key may ask for"
    DESTINATION_NOT_ALLOWED = "destination_not_allowed", 403, "the operator does not allow the destination"
    NOT_FOUND = "not_found", 404, "there is nothing at this path"
    UNKNOWN_MODEL = "unknown_model", 404, "there is no such model"
    UNKNOWN_JOB = "unknown_job", 404, "there is no such job"
    NO_JOBS = "no_jobs", 404, "this service takes no jobs"
    METHOD_NOT_ALLOWED = "method_not_allowed", 405, "the Allow header says which methods there are"
    REQUEST_TIMEOUT = "request_timeout", 408, "the request did not come whole within the time allowed"
    DESTINATION_IN_USE = "destination_in_use", 409, "another job writes there, above it or below it"
    JOB_COMPLETE = "job_complete", 409, "the job is complete"
    JOB_NOT_FAILED = "job_not_failed", 409, "only a job that failed can be resumed or abandoned"
    JOB_UNREADABLE = "job_unreadable", 409, "this service cannot read the stored job"
    BODY_TOO_LARGE = "body_too_large", 413, "the body is longer than any request needs"
    BODY_NOT_ALLOWED = "body_not_allowed", 415, "the request has a body, and takes none"
    BODY_NOT_JSON = "body_not_json", 415, "the Content-Type is not application/json"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused", 422, "the key came with another body before"
    TOO_MANY_STREAMS_OF_CALLER = "too_many_streams_of_caller", 429, "the caller has as many as one may have"
    TOO_MANY_JOBS_OF_CALLER = "too_many_jobs_of_caller", 429, "as many jobs of the key are open as may be"
    QUOTA_EXHAUSTED = "quota_exhausted", 429, "the images of the key for today are used up"
    INTERNAL_ERROR = "internal_error", 500, "the service failed; its log says why"
    NOT_READY = "not_ready", 503, "the service is not ready"
    TOO_MANY_STREAMS = "too_many_streams", 503, "all places are taken; Retry-After says when to try again"
    TOO_MANY_JOBS = "too_many_jobs", 503, "as many jobs are open as the operator allows"
    TIMEOUT = "timeout", 504, "the answer did not begin in time"
