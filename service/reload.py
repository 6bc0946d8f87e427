"""POST /admin/reload: what SIGHUP does, for an operator who has a key and no shell."""

from __future__ import annotations

import asyncio
from typing import Literal

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from service import errors
from service.runtime import Runtime


class ReloadView(BaseModel):
    """What reading the folder of checkpoints again has changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    outcome: Literal["complete", "partial", "failed"] = Field(
        description="partial: a file could not be used; failed: nothing is changed"
    )
    changes: list[str] = Field(description="models that are new, replaced or gone, in words")
    problems: list[str] = Field(description="files that could not be used, and why")
    models: list[str] = Field(description="names of the models from now on")


def add_reload_route(app: FastAPI) -> None:
    """Add the route to the application."""
    app.post(
        "/admin/reload",
        tags=["service"],
        response_model=ReloadView,
        response_description="what has changed",
        responses=errors.describe(),
    )(reload_models)


async def reload_models(request: Request) -> JSONResponse:
    """Read the folder of checkpoints again.

    A file that cannot be used changes nothing, and streams end with the model they began with.
    """
    runtime: Runtime = request.app.state.runtime
    reading = await asyncio.wrap_future(runtime.read_models_again())
    view = ReloadView(
        outcome=reading.outcome,
        changes=reading.changes,
        problems=reading.problems,
        models=runtime.models.names,
    )
    return JSONResponse(view.model_dump(mode="json"))
