"""The routes: POST /generate, GET /models and GET /models/{name}; jobs and the page at / are added here."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from endotwin.quoting import shorten
from service import errors, metrics
from service.error_codes import ErrorCode
from service.errors import ApiError
from service.index_page import add_index_page
from service.jobs.routes import add_job_routes
from service.models import Model, Models
from service.query import DESCRIPTIONS, describe_parameters, parse_query
from service.runtime import Runtime
from service.stream import ImagesResponse

_GENERATE = "/generate"


def create_app() -> FastAPI:
    """Build the web application.

    Before the first request `app.state.runtime` has to be set to a `service.runtime.Runtime`.
    """
    # BentoML serves the description of these routes, at /docs.json; its page loads scripts from elsewhere.
    app = FastAPI(title="Endotwin", docs_url=None, redoc_url=None, openapi_url=None)
    app.post(
        _GENERATE,
        response_class=Response,
        responses={200: {"description": "the images"}, "4XX": errors.schema(), 503: errors.schema()},
        openapi_extra={"parameters": describe_parameters()},
        name="generate",
    )(stream_images)
    app.get("/models", responses={200: {"description": "all models"}})(list_models)
    app.get("/models/{name}", responses={404: errors.schema()})(show_model)
    add_job_routes(app)
    add_index_page(app)
    app.add_exception_handler(ApiError, _answer_api_error)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.add_exception_handler(Exception, _answer_unexpected)
    return app


async def stream_images(request: Request) -> Response:
    """Stream images start to start + n - 1 of a seed.

    The same request gives the same bytes, and neither image i nor its labels depend on n, start, format or
    other requests.
    """
    _refuse_body(request)
    runtime = _runtime(request)
    wanted = parse_query(request.url.query, runtime.models, runtime.settings.max_images)
    return ImagesResponse(runtime, wanted)


async def list_models(request: Request) -> dict[str, Any]:
    """List the models: name, digest of the generator, recorded FID, whether it is the default, its labels.

    A labelled model's `population` is what is drawn where a request sets no condition.
    """
    models = _runtime(request).models
    return {"models": [_summary(model, models) for model in models]}


async def show_model(request: Request, name: str) -> dict[str, Any]:
    """Return the whole card of a model."""
    models = _runtime(request).models
    model = models.get(name)
    if model is None:
        message = f"there is no model {shorten(name)}; there are {', '.join(models.names)}"
        raise ApiError(ErrorCode.UNKNOWN_MODEL, message)
    return {**_summary(model, models), "card": model.card.model_dump(mode="json")}


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


def _summary(model: Model, models: Models) -> dict[str, Any]:
    return {
        "name": model.name,
        "generator_sha256": model.generator_sha256,
        "fid": model.fid,
        "default": model is models.default,
        "labels": model.population is not None,
        "population": model.population,
    }


def _refuse_body(request: Request) -> None:
    """Refuse by the headers alone: the body, however long, is never read."""
    if request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers:
        allowed = ", ".join(DESCRIPTIONS)
        message = f"{_GENERATE} takes no body; put {allowed} into the query, as in {_GENERATE}?n=500&seed=7"
        raise ApiError(ErrorCode.BODY_NOT_ALLOWED, message)


async def _answer_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return _refuse(request, error)


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _refuse(request, errors.from_status(error.status_code, request.url.path, error.headers))


async def _answer_unexpected(request: Request, error: Exception) -> Response:
    """Answer without details; the framework raises the error again, and the server logs it."""
    return errors.from_status(500, request.url.path).response()


def _refuse(request: Request, error: ApiError) -> Response:
    if request.url.path == _GENERATE:
        metrics.REQUESTS.labels("refused", error.code).inc()
    return error.response()
