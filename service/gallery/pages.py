"""GET /gallery and the files of its page: they need no key, and load nothing from elsewhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from service.errors import from_status

GALLERY = "/gallery"

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of the page and its files: browsers run no script but ours, and send nothing elsewhere."""

_PAGE = "index.html"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class _File:
    content: bytes
    headers: dict[str, str]


def add_gallery(app: FastAPI) -> None:
    """Answer GET /gallery with the page, and /gallery/NAME with its files, unless it is switched off."""
    content = {name: _read(name) for name in static_files()}

    async def show_gallery(request: Request) -> Response:
        name = request.path_params.get("name", _PAGE)
        file = content.get(name)
        if file is None or not request.app.state.runtime.settings.gallery:
            return from_status(404, request.url.path).response()
        # Asked for again each time, so that page and files are of one version; unchanged, nothing is sent.
        if request.headers.get("if-none-match") == file.headers["ETag"]:
            return Response(status_code=304, headers=file.headers)
        return Response(file.content, headers=file.headers)

    app.add_route(GALLERY, show_gallery, include_in_schema=False)
    app.add_route(f"{GALLERY}/{{name}}", show_gallery, include_in_schema=False)


def is_gallery(path: str) -> bool:
    """Return whether a path is that of the page or of one of its files."""
    return path == GALLERY or path.startswith(f"{GALLERY}/")


def page_headers() -> dict[str, str]:
    """Return the headers of the page, but for its type."""
    return {name: value for name, value in _read(_PAGE).headers.items() if name != "Content-Type"}


def static_files() -> list[str]:
    """Return the names of the page and its files, sorted."""
    folder = files("service.gallery") / "static"
    return sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(tuple(_MEDIA_TYPES)))


def _read(name: str) -> _File:
    content = (files("service.gallery") / "static" / name).read_bytes()
    suffix = name[name.rindex(".") :]
    headers = {
        **SECURITY_HEADERS,
        "Cache-Control": "no-cache",
        "Content-Type": _MEDIA_TYPES[suffix],
        "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"',
    }
    return _File(content, headers)
