"""The routes: POST /generate, GET /models and GET /models/{name}; jobs and the pages are added here."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Match, Route
from starlette.types import Lifespan

from endotwin import __version__
from endotwin.quoting import shorten
from endotwin.samples.formats import FORMATS
from service import errors
from service.access.caller import caller_of
from service.access.quota import ChargedResponse
from service.error_codes import ErrorCode
from service.errors import ApiError
from service.gallery.pages import add_gallery
from service.index_page import add_index_page
from service.jobs.routes import add_job_routes
from service.metrics_page import add_metrics_page
from service.model_view import ModelDetails, ModelList, view_model, view_models
from service.openapi import describe_service
from service.query import DESCRIPTIONS, parse_query
from service.readiness import add_health_pages
from service.reload import add_reload_route
from service.request_record import current_record
from service.runtime import Runtime
from service.stream import ImagesResponse

_GENERATE = "/generate"


def create_app(lifespan: Lifespan[FastAPI] | None = None) -> FastAPI:
    """Build the web application.

    Before the first request `app.state.runtime` has to be set to a `service.runtime.Runtime`.

    Args:
        lifespan: what happens before the first request and after the last, where a web server runs it.
    """
    # The pages of FastAPI load scripts from elsewhere, and its description knows no operator.
    app = FastAPI(
        title="Endotwin",
        version=__version__,
        summary="Synthetic specular-microscopy images of the human corneal endothelium, by seed.",
        license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,
    )
    _add_generate(app)
    _add_models(app)
    add_job_routes(app)
    add_reload_route(app)
    _add_description(app)
    add_health_pages(app)
    add_metrics_page(app)
    add_gallery(app)
    add_index_page(app)
    app.add_exception_handler(ApiError, _answer_api_error)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.add_exception_handler(Exception, _answer_unexpected)
    return app


def _add_generate(app: FastAPI) -> None:
    files = {
        archive.media_type: {"schema": {"type": "string", "format": "binary"}}
        for archive in FORMATS.values()
    }
    problems = errors.describe(
        ErrorCode.UNKNOWN_PARAMETER,
        ErrorCode.REPEATED_PARAMETER,
        ErrorCode.INVALID_PARAMETER,
        ErrorCode.BODY_NOT_ALLOWED,
        ErrorCode.OVER_LIMIT,
        ErrorCode.QUOTA_EXHAUSTED,
        ErrorCode.NOT_READY,
        ErrorCode.TOO_MANY_STREAMS_OF_CALLER,
        ErrorCode.TOO_MANY_STREAMS,
    )
    images = {"description": "the images", "content": files}
    route = app.post(
        _GENERATE, tags=["images"], response_class=Response, responses={200: images, **problems}
    )
    route(generate)


async def generate(request: Request) -> Response:
    """Stream images start to start + n - 1 of a seed.

    The same request gives the same bytes, and neither image i nor its labels depend on n, start, format or
    other requests. A response that is cut lacks the end of its file.
    """
    _refuse_body(request)
    runtime = _runtime(request)
    wanted = parse_query(request.url.query, runtime.models, runtime.settings.max_images)
    current_record().note_images(wanted.model.name, wanted.images, wanted.format, wanted.labelling)
    caller = caller_of(request)
    images = ImagesResponse(runtime, wanted, caller)
    if runtime.quota is None or caller.images_per_day is None:
        return images
    return ChargedResponse(images, runtime.quota, caller, wanted.images.count, wanted.labelling.size)


def _add_models(app: FastAPI) -> None:
    app.get(
        "/models",
        tags=["models"],
        response_model=ModelList,
        response_description="the models",
        responses=errors.describe(),
    )(list_models)
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    app.get(
        "/models/{name}",
        tags=["models"],
        response_model=ModelDetails,
        response_description="the model",
        responses=errors.describe(ErrorCode.UNKNOWN_MODEL),
        openapi_extra={"parameters": [name]},
    )(show_model)


async def list_models(request: Request) -> JSONResponse:
    """List the models: name, digest of the generator, recorded FID, whether it is the default, its labels.

    A labelled model's `population` is what is drawn where a request sets no condition; `conditions` are
    those that it takes.
    """
    runtime = _runtime(request)
    return JSONResponse(view_models(runtime.models, runtime.settings.max_images).model_dump(mode="json"))


async def show_model(request: Request) -> JSONResponse:
    """Return the whole card of a model."""
    models = _runtime(request).models
    name = request.path_params["name"]
    model = models.get(name)
    if model is None:
        message = f"there is no model {shorten(name)}; there are {', '.join(models.names)}"
        raise ApiError(ErrorCode.UNKNOWN_MODEL, message)
    return JSONResponse(view_model(model, models).model_dump(mode="json"))


def _add_description(app: FastAPI) -> None:
    content = {"application/json": {"schema": {"type": "object"}}}
    described = {"description": "an OpenAPI 3.1 document", "content": content}
    app.get(
        "/docs.json",
        tags=["service"],
        response_class=JSONResponse,
        responses={200: described, **errors.describe()},
    )(show_description)


async def show_description(request: Request) -> JSONResponse:
    """Return this description: all routes, parameters, limits and errors of this service."""
    runtime = _runtime(request)
    return JSONResponse(describe_service(request.app, runtime.models, runtime.settings))


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


def _refuse_body(request: Request) -> None:
    """Refuse by the headers alone: the body, however long, is never read."""
    if request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers:
        allowed = ", ".join(DESCRIPTIONS)
        message = f"{_GENERATE} takes no body; put {allowed} into the query, as in {_GENERATE}?n=500&seed=7"
        raise ApiError(ErrorCode.BODY_NOT_ALLOWED, message)


async def _answer_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error.response()


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
    return errors.from_status(error.status_code, request.url.path, headers).response()


async def _answer_unexpected(request: Request, error: Exception) -> Response:
    """Answer without details; the framework raises the error again, and the server logs it."""
    return errors.from_status(500, request.url.path).response()


def _allowed(request: Request) -> str:
    """Return the methods of all routes of a path: the framework names those of the first only."""
    matching = (
        route.methods or ()
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    )
    return ", ".join(sorted(set().union(*matching)))
