"""The failures of S3: which pass by themselves, and what to do about the others."""

from __future__ import annotations

from http import HTTPStatus

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ResponseStreamingError,
)
from botocore.parsers import ResponseParserError

from endotwin.sets.storage.destination import StorageError

S3_FAILURES = (BotoCoreError, ClientError, ResponseParserError)
"""The exceptions of a failed request."""

_PASSING_CODES = {
    "BadDigest",  # damaged on its way
    "ConditionalRequestConflict",
    "IncompleteBody",
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "XAmzContentSHA256Mismatch",
}
_LASTING_STATUSES = {HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.INSUFFICIENT_STORAGE}
_PASSING_ERRORS = (
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ResponseParserError,
    ResponseStreamingError,
)

_KEYS = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
_RENEW = "renew the credentials"
_RIGHTS = (
    "the credentials need s3:GetObject, PutObject, DeleteObject, AbortMultipartUpload on the prefix and "
    "ListBucket, ListBucketMultipartUploads on the bucket"
)
_TRAILERS = "if the server takes no checksum trailers, set ENDOTWIN_STORAGE_CHECKSUMS=when_required"
_ROOM = "the storage is full: make room"
_ADVICE = {
    "NoSuchBucket": "there is no such bucket: make it, or correct the destination",
    "AccessDenied": _RIGHTS,
    "AllAccessDisabled": _RIGHTS,
    "InvalidAccessKeyId": _KEYS,
    "SignatureDoesNotMatch": _KEYS,
    "ExpiredToken": _RENEW,
    "InvalidToken": _RENEW,
    "RequestExpired": "check this machine's clock, and renew the credentials",
    "RequestTimeTooSkewed": "set this machine's clock: the server's differs by more than 15 minutes",
    "MissingContentLength": _TRAILERS,
    "NotImplemented": _TRAILERS,
    "QuotaExceeded": _ROOM,
    "XMinioStorageFull": _ROOM,
    "PermanentRedirect": "the bucket is in another region: set AWS_REGION",
    "AuthorizationHeaderMalformed": "the bucket is in another region: set AWS_REGION",
    "IllegalLocationConstraintException": "the bucket is in another region: set AWS_REGION",
}
_STATUS_ADVICE = {
    301: "the bucket is in another region: set AWS_REGION",
    403: f"{_KEYS}; {_RIGHTS}",
    411: _TRAILERS,
    501: _TRAILERS,
    507: _ROOM,
}


def code_of(error: BaseException) -> str:
    """Return the server's code of an error, such as NoSuchKey, or a status as a text; "" for no answer."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def status_of(error: BaseException) -> int:
    """Return the HTTP status of an error; 0 if there was no answer."""
    if not isinstance(error, ClientError):
        return 0
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_passing(error: BaseException) -> bool:
    """Return whether the same request may succeed later: no answer, half of one, an overload, a crash."""
    status = status_of(error)
    if status in _LASTING_STATUSES:
        return False
    return (
        isinstance(error, _PASSING_ERRORS)
        or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        or status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT)
        or code_of(error) in _PASSING_CODES
    )


def explain(error: Exception, what: str) -> StorageError:
    """Return the error for a person.

    Args:
        error: one of `S3_FAILURES`.
        what: what was tried, with the object's full name: `writing s3://bucket/key`.
    """
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        advice = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or configure AWS as for any of its tools"
    elif is_passing(error):
        advice = (
            "the storage did not recover in time: see whether AWS_ENDPOINT_URL is right and the server runs"
        )
    else:
        advice = _ADVICE.get(code_of(error)) or _STATUS_ADVICE.get(status_of(error)) or "correct that"
    return StorageError(f"{what}: {error}; {advice}. The same command goes on from here")
