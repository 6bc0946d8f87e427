"""The `endotwin` command line."""

from __future__ import annotations

import signal
import sys

import typer

from endotwin.cli.command_line import CommandLine, add_completion
from endotwin.cli.doctor import doctor
from endotwin.cli.generate import generate_command
from endotwin.cli.job_command import job_app
from endotwin.cli.key_command import key_app
from endotwin.cli.render import render
from endotwin.cli.segment import segment_command
from endotwin.cli.serve import serve
from endotwin.cli.set_command import set_app
from endotwin.cli.show import models, sheet
from endotwin.packages import GENERATING as PACKAGES
from endotwin.packages import INSTALL, INSTALL_SEGMENT, SEGMENTING
from endotwin.process_environment import GENERATING, restart_with

# Torch takes seconds to import: a command imports what needs it when it runs.

app = typer.Typer(
    cls=CommandLine,
    help="Synthetic specular-microscopy images of the human corneal endothelium, by seed.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command(name="generate")(generate_command)
app.command()(render)
app.add_typer(set_app, name="set")
app.command(name="segment")(segment_command)
app.command()(sheet)
app.command()(models)
app.command()(serve)
app.add_typer(key_app, name="key")
app.add_typer(job_app, name="job")
app.command()(doctor)
add_completion(app, "endotwin")


def main() -> None:
    """Run the command line."""
    restart_with(GENERATING)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # cleans up as Ctrl-C does
    try:
        app(prog_name="endotwin")
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in PACKAGES + SEGMENTING:
            raise
        sys.exit(f"Error: this needs {name}: {INSTALL if name in PACKAGES else INSTALL_SEGMENT}")


if __name__ == "__main__":
    main()
