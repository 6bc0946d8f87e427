"""`endotwin serve`: the service, by BentoML."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

_SHUTDOWN_SECONDS = 5
"""How long a stopped server lets open streams go on. Its processes need two or three seconds more to end,
and `docker stop` kills after ten."""

_CHECKPOINT_DIR = "ENDOTWIN_CHECKPOINT_DIR"

_ROOT = Path(__file__).resolve().parents[2]


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 3000,
) -> None:
    """Serve images over HTTP: `bentoml serve` on this package, without telemetry.

    Settings are environment variables, ENDOTWIN_CHECKPOINT_DIR and others. Ctrl-C stops the server.

    \b
    Examples:
      endotwin serve
      curl -X POST "http://127.0.0.1:3000/generate?n=500&seed=7" -o images.tar
    """
    if find_spec("bentoml") is None:
        typer.echo("Error: serving needs bentoml: pip install 'endotwin[service]'", err=True)
        raise typer.Exit(1)
    command = [sys.executable, "-m", "bentoml", "serve", "service:Service", "--working-dir", str(_ROOT)]
    command += ["--host", host, "--port", str(port), "--timeout-graceful-shutdown", str(_SHUTDOWN_SECONDS)]
    os.environ["BENTOML_DO_NOT_TRACK"] = "true"
    if folder := os.environ.get(_CHECKPOINT_DIR):
        os.environ[_CHECKPOINT_DIR] = str(Path(folder).resolve())  # the server runs in another folder
    os.execv(sys.executable, command)
