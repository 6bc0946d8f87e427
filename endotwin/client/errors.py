"""What a client of the service raises."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping


class ClientError(Exception):
    """A request to the service did not bring what it asked for."""


class ServiceError(ClientError):
    """The service answered with an error.

    Attributes:
        status: of HTTP.
        code: what went wrong, for programs, such as `invalid_parameter`; None from something that is not
            the service, such as a proxy before it.
        message: what went wrong and what is allowed.
        field: the parameter at fault, where it is one.
        request_id: of the request: under it the service's log says more.
        retry_after: seconds after which the same request may succeed, where the service says so.
    """

    def __init__(
        self,
        status: int,
        code: str | None,
        message: str,
        *,
        field: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        about = f"{status} {code}" if code else str(status)
        super().__init__(f"{message} ({about}{f', request {request_id}' if request_id else ''})")
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.request_id = request_id
        self.retry_after = retry_after


class ConnectionFailedError(ClientError):
    """The service could not be reached, or was lost and did not come back in time."""


class MismatchError(ClientError):
    """The service sent something else than what was asked for, or goes on with another model."""


class JobFailedError(ClientError):
    """A job that was waited for came to another end than a complete set.

    Attributes:
        state: of the job: `failed`, `cancelled`, `cancel_failed` or `abandoned`.
    """

    def __init__(self, message: str, state: str) -> None:
        super().__init__(message)
        self.state = state


def read_error(status: int, headers: Mapping[str, str], content: bytes) -> ServiceError:
    """Return the error that an answer is; one of a proxy before the service has no code."""
    after = headers.get("retry-after", "")
    retry_after = float(after) if re.fullmatch(r"[0-9]{1,9}", after) else None
    request_id = headers.get("x-request-id")
    try:
        error = json.loads(content)["error"]
        code, message, field = error["code"], str(error["message"]), error.get("field")
    except (ValueError, TypeError, KeyError, AttributeError):
        text = content[:200].decode("utf-8", "replace").strip()
        where = f" to {headers['location']}" if "location" in headers else ""
        message = f"the answer is no answer of an Endotwin service: status {status}{where} {text!r}"
        code = field = None
    return ServiceError(status, code, message, field=field, request_id=request_id, retry_after=retry_after)
