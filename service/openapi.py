"""The OpenAPI description of the service, at /docs.json: of these models, and what this operator allows."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from endotwin.settings import Settings
from service import errors
from service.access.control import errors_of
from service.error_codes import ErrorCode
from service.gallery.pages import GALLERY, page_headers
from service.jobs.job_body import describe_body
from service.jobs.job_view import JobPage
from service.model_view import ModelDetails, ModelList
from service.models import Models
from service.query import describe_parameters
from service.reload import ReloadView
from service.request_log import REQUEST_ID
from service.stream_headers import describe_headers

OTHER_PAGES = {
    "/": ("text/html", "This list of what there is to ask for"),
    GALLERY: ("text/html", "A page on which to look at images, choose settings and start jobs"),
    "/livez": ("text/plain", "The process answers"),
    "/healthz": ("text/plain", "The same"),
    "/readyz": (
        "text/plain",
        "A device works, the file of keys can be used, and the service is not about to stop",
    ),
    "/metrics": ("text/plain", "Metrics for Prometheus"),
}
"""Media type and meaning of the pages that FastAPI does not know of, by path."""

_REQUEST_ID_HEADER = {
    "description": "of the request: as it was sent under this name, where that is sane, else a new one",
    "schema": {"type": "string", "maxLength": 128},
}

PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'"}
"""Headers of the page at /."""


def other_pages(settings: Settings) -> dict[str, tuple[str, str]]:
    """Return those of `OTHER_PAGES` that a service with these settings has."""
    return {path: page for path, page in OTHER_PAGES.items() if path != GALLERY or settings.gallery}


def describe_service(app: FastAPI, models: Models, settings: Settings) -> dict[str, Any]:
    """Return the OpenAPI description of an application that serves these models."""
    described: dict[str, Any] = copy.deepcopy(app.openapi())  # which is made once
    paths = described["paths"]
    for operation in (operation for path in paths.values() for operation in path.values()):
        operation["summary"], _, rest = operation["description"].partition("\n\n")
        operation["description"] = rest or operation["summary"]
    images = paths["/generate"]["post"]
    images["parameters"] = describe_parameters(models.names, settings.max_images)
    images["responses"]["200"]["headers"] = describe_headers()
    [name] = paths["/models/{name}"]["get"]["parameters"]
    name["schema"]["enum"] = models.names
    pages = other_pages(settings)
    paths |= {path: {"get": _describe_page(path, *page)} for path, page in pages.items()}
    for path, fixed in {"/": PAGE_HEADERS, GALLERY: page_headers()}.items():
        if path in pages:
            paths[path]["get"]["responses"]["200"]["headers"] = {
                name: {"required": True, "schema": {"const": value}} for name, value in fixed.items()
            }
    for path, operations in paths.items():
        for operation in operations.values():
            # A name with a slash in it, however it is encoded, makes another path.
            elsewhere = (ErrorCode.NOT_FOUND,) if "{" in path else ()
            _add_errors(operation, (*errors_of(path), *elsewhere))
            if errors_of(path):
                operation["security"] = [{"key": []}, *([] if settings.keys_file else [{}])]
            for response in operation["responses"].values():
                response["headers"] = {**response.get("headers", {}), REQUEST_ID: _REQUEST_ID_HEADER}
    described["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    described["components"]["schemas"] |= {
        **_schemas(),
        **errors.SCHEMAS,
        "JobBody": describe_body(models.names, settings.jobs_max_images),
    }
    return described


def _add_errors(operation: dict[str, Any], codes: Iterable[ErrorCode]) -> None:
    """Add errors to those of an operation."""
    responses = operation["responses"]
    given = {code for response in responses.values() for code in response.get("x-error-codes", ())}
    known = [code for code in ErrorCode if code.value in given]
    responses |= {str(status): error for status, error in errors.describe(*known, *codes).items()}


@functools.cache
def _schemas() -> dict[str, Any]:
    """Return the JSON Schemas of answers; those that FastAPI makes round the largest seed."""
    views: tuple[type[BaseModel], ...] = (JobPage, ModelList, ModelDetails, ReloadView)
    _, schema = models_json_schema(
        [(view, "serialization") for view in views], ref_template="#/components/schemas/{model}"
    )
    schemas: dict[str, Any] = schema["$defs"]
    return schemas


def _describe_page(path: str, media_type: str, meaning: str) -> dict[str, Any]:
    content = {media_type: {"schema": {"type": "string"}}}
    responses = {"200": {"description": "the page", "content": content}}
    responses |= {str(status): error for status, error in errors.describe().items()}
    name = path.strip("/") or "index"
    return {"tags": ["service"], "summary": meaning, "operationId": f"show_{name}", "responses": responses}
