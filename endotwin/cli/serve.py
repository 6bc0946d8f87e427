"""`endotwin serve`: the service, in one process."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from endotwin.cli.command_line import CommandLine
from endotwin.packages import GENERATING, INSTALL_SERVICE, SERVING, missing_packages
from endotwin.process_environment import GENERATING as VARIABLES

_CHECKPOINT_DIR = "ENDOTWIN_CHECKPOINT_DIR"

_ROOT = Path(__file__).resolve().parents[2]


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 3000,
    # `docker stop` kills after ten seconds.
    grace_seconds: Annotated[
        int, typer.Option(min=1, help="Seconds within which the server has ended when it is stopped.")
    ] = 8,
) -> None:
    """Serve images over HTTP, in one process that listens on this port only, without telemetry.

    Settings are environment variables, ENDOTWIN_CHECKPOINT_DIR and others. Ctrl-C stops the server.

    \b
    Examples:
      endotwin serve
      curl -X POST "http://127.0.0.1:3000/generate?n=500&seed=7" -o images.tar
    """
    if missing := missing_packages(GENERATING + SERVING):
        typer.echo(f"Error: serving needs {', '.join(missing)}: {INSTALL_SERVICE}", err=True)
        raise typer.Exit(1)
    command = [sys.executable, "-m", "service", "--host", host, "--port", str(port)]
    command += ["--grace-seconds", str(grace_seconds)]
    environment = {**VARIABLES, **os.environ}  # or the server would start itself again for them
    if folder := os.environ.get(_CHECKPOINT_DIR):
        environment[_CHECKPOINT_DIR] = str(Path(folder).resolve())  # the server runs in another folder
    os.chdir(_ROOT)  # there `-m service` finds the package that belongs to this one
    os.execve(sys.executable, command, environment)


serve_app = typer.Typer(
    cls=CommandLine, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)
"""A command line that has no other command."""

serve_app.callback()(lambda: None)  # or the name of the only command would be left out
serve_app.command()(serve)
