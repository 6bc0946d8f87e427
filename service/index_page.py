"""The page at /: what there is to ask for. It loads nothing, neither from here nor from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from service.openapi import PAGE_HEADERS, other_pages


def add_index_page(app: FastAPI) -> None:
    """Answer GET / with a page that lists the routes added so far and the other pages."""
    rows = [
        (method, route.path, route.description.partition("\n")[0])
        for route in app.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
    ]

    async def show_index(request: Request) -> Response:
        pages = other_pages(request.app.state.runtime.settings)
        others = [("GET", path, meaning) for path, (_, meaning) in pages.items()]
        return HTMLResponse(_render(rows + others), headers=PAGE_HEADERS)

    app.add_route("/", show_index, include_in_schema=False)


def _render(rows: Iterable[tuple[str, str, str]]) -> str:
    lines = "\n".join(
        f"<tr><td>{method}</td><td>{_link(method, path)}</td><td>{escape(meaning)}</td></tr>"
        for method, path, meaning in rows
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Endotwin</title></head>
<body>
<h1>Endotwin</h1>
<p>Synthetic specular-microscopy images of the human corneal endothelium, by seed.</p>
<table>
{lines}
</table>
</body>
</html>
"""


def _link(method: str, path: str) -> str:
    shown = escape(path)
    return f'<a href="{shown}">{shown}</a>' if method == "GET" and "{" not in path else shown
