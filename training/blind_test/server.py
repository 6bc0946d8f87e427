"""The server of a blind test's page. It never reads the answer key."""

from __future__ import annotations

import ipaddress
import socket
import sqlite3
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.middleware.base import RequestResponseEndpoint
from starlette.middleware.trustedhost import TrustedHostMiddleware

from training.blind_test.answers import Answer, AnswerStore
from training.blind_test.blind_set import (
    ANSWERS_FILE,
    BlindSet,
    BlindTestError,
    Origin,
    expert_name,
    image_path,
    order_of,
    read_blind_set,
)

LONGEST_MS = 7 * 24 * 3600 * 1000
"""Longest time for which an image may have been visible; more is a mistake."""

_PAGE = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
_LOCAL_NAMES = ["127.0.0.1", "localhost", "[::1]"]
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def _named(expert: str) -> str:
    try:
        return expert_name(expert)
    except BlindTestError as error:
        raise HTTPException(422, str(error)) from error


_Expert = Annotated[str, Depends(_named)]


class ExpertProgress(BaseModel):
    """How many images an expert has answered, and how the page shows images."""

    expert: str
    answered: int
    total: int
    image_size: int
    scale: int
    display: str


class ShownPlace(BaseModel):
    """One image in an expert's order, counted from 0, with the answer that it has so far."""

    place: int
    image: str
    answer: Origin | None


class GivenAnswer(BaseModel):
    """An answer as the page sends it."""

    model_config = ConfigDict(extra="forbid")

    answer: Origin
    visible_ms: int = Field(ge=0, le=LONGEST_MS)


def make_app(folder: Path, blind_set: BlindSet, answers: AnswerStore, hosts: Sequence[str]) -> FastAPI:
    """Return the application that serves one blind test.

    Args:
        folder: of the blind test.
        blind_set: what is in it.
        answers: where answers go; an answer is on the disk before its request is answered.
        hosts: values of the Host header that are accepted (`*`: any), against DNS rebinding.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    known = frozenset(blind_set.images)

    @lru_cache(maxsize=64)
    def order(expert: str) -> tuple[str, ...]:
        return order_of(blind_set, expert)

    def progress(expert: str) -> ExpertProgress:
        return ExpertProgress(
            expert=expert,
            answered=len(answers.latest(expert)),
            total=len(known),
            image_size=blind_set.image_size,
            scale=blind_set.scale,
            display=blind_set.display,
        )

    def image_at(expert: str, place: int) -> tuple[str, Origin | None]:
        given = answers.latest(expert)
        if not 0 <= place < len(known):
            raise HTTPException(404, f"There are {len(known)} images, counted from 0; there is no {place}.")
        if place > len(given):
            raise HTTPException(
                409, f"Images are answered one after the other; number {len(given) + 1} is next."
            )
        image = order(expert)[place]
        return image, given.get(image)

    @app.get("/api/progress")
    def get_progress(expert: _Expert) -> ExpertProgress:
        return progress(expert)

    @app.get("/api/places/{place}")
    def get_place(expert: _Expert, place: int) -> ShownPlace:
        image, answer = image_at(expert, place)
        return ShownPlace(place=place, image=f"/images/{image}.png", answer=answer)

    @app.put("/api/places/{place}")
    def put_answer(expert: _Expert, place: int, given: GivenAnswer) -> ExpertProgress:
        image, _ = image_at(expert, place)
        answers.add(Answer(expert, image, given.answer, given.visible_ms))
        return progress(expert)

    @app.get("/images/{image}.png")
    def get_image(image: str) -> Response:
        if image not in known:
            raise HTTPException(404, "There is no such image.")
        return Response(image_path(folder, image).read_bytes(), media_type="image/png")

    for address, (file, kind) in _PAGE.items():
        app.get(address)(_part_of_page(file, kind))

    @app.middleware("http")
    async def with_headers(request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers.update(_HEADERS)
        return response

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        return _error(error.status_code, str(error.detail))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return _error(422, f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}")

    @app.exception_handler(sqlite3.Error)
    async def not_kept(request: Request, error: sqlite3.Error) -> JSONResponse:
        return _error(503, f"The answers' file on the server cannot be used: {error}.")

    return app


def serve_blind_test(folder: Path, host: str, port: int, started: Callable[[str], object]) -> None:
    """Serve a blind test until SIGINT or SIGTERM.

    Args:
        folder: of the blind test.
        host: address or name of this machine to listen on.
        port: 0 takes one that is free.
        started: called with the page's address when it can be opened.

    Raises:
        BlindTestError: the folder holds no blind test, its answers cannot be kept, or the address is taken.
    """
    blind_set = read_blind_set(folder)
    answers = AnswerStore(folder / ANSWERS_FILE)
    try:
        listening = _listen(host, port)
        app = make_app(folder, blind_set, answers, [host, *_LOCAL_NAMES] if is_loopback(host) else ["*"])
        number = listening.getsockname()[1]
        started(f"http://{f'[{host}]' if ':' in host else host}:{number}/")
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
    finally:
        answers.close()


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _part_of_page(file: str, kind: str) -> Callable[[], Response]:
    content = (files("training.blind_test") / file).read_bytes()

    def part() -> Response:
        return Response(content, media_type=kind)

    return part


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"code": status, "message": message}}, status_code=status)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(128)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        raise BlindTestError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}; --port 0 takes a free port"
        ) from error
    return listening
