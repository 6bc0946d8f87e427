"""What both command lines have in common: errors in one line, exit codes, completion in the shell."""

from __future__ import annotations

import errno
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

USAGE_ERROR = 2
"""Exit code of options that are invalid; 1 is that of work that failed."""

_UsageError: Any = typer.BadParameter.__base__
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_OPTIONS = {"count": "--n"}


class CommandLine(TyperGroup):
    """A command line whose usage errors are one line on standard error, that names the option."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command of the arguments, or answer a shell that wants to complete them; then exit."""
        if any(name.endswith("_COMPLETE") for name in os.environ):
            from typer import completion  # noqa: PLC0415

            completion.completion_init()  # type: ignore[attr-defined]
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
        except _UsageError as error:
            if type(error).__name__ == "NoArgsIsHelpError":
                error.show()
            else:
                typer.echo(f"Error: {_in_one_line(error)}", err=True)
            sys.exit(USAGE_ERROR)
        except typer.Abort:
            typer.echo("Aborted", err=True)
            sys.exit(1)
        sys.exit(code if isinstance(code, int) else 0)


def usage_error(error: Exception) -> typer.BadParameter:
    """Return the usage error that an invalid value makes; it names the option of the error's `field`."""
    field = getattr(error, "field", None)
    if field is None:
        return typer.BadParameter(str(error))
    option = _OPTIONS.get(field, f"--{field.replace('_', '-')}")
    return typer.BadParameter(str(error), param_hint=f"'{option}'")


@contextmanager
def reported(*failures: type[Exception], invalid: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn an expected failure into one line on standard error and exit code 1.

    Args:
        failures: that are expected although the options are valid.
        invalid: errors of options: they become usage errors.
    """
    try:
        yield
    except invalid as error:
        raise usage_error(error) from error
    except failures as error:
        typer.echo(f"Error: {explain(error)}", err=True)
        raise typer.Exit(1) from error


@contextmanager
def saying(what: str) -> Iterator[None]:
    """Say on a terminal what takes a while, as long as the block runs; in a script say nothing."""
    line = f"{what} …" if sys.stderr.isatty() else ""
    sys.stderr.write(line)
    sys.stderr.flush()
    try:
        yield
    finally:
        sys.stderr.write(f"\r{' ' * len(line)}\r" if line else "")
        sys.stderr.flush()


def explain(error: Exception) -> str:
    """Return what is wrong and with which file, without the number of a system error."""
    if not isinstance(error, OSError) or error.strerror is None or str(error) == error.strerror:
        return str(error)
    if error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if error.errno in _NO_SPACE:
        return f"{error.strerror}, on the disk of the output or on that of {tempfile.gettempdir()} (TMPDIR)"
    return error.strerror


class Shell(StrEnum):
    """Shells that can complete commands."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def add_completion(app: typer.Typer, program: str) -> None:
    """Add the command that prints what a shell needs to complete the commands of a program."""

    def completion(shell: Annotated[Shell, typer.Argument(help="Shell to complete in.")]) -> None:
        from typer._completion_shared import get_completion_script  # noqa: PLC0415

        variable = f"_{program.upper().replace('-', '_')}_COMPLETE"
        typer.echo(get_completion_script(prog_name=program, complete_var=variable, shell=str(shell)))

    completion.__doc__ = f"""Print a script that completes {program} and its options in a shell.

    \b
    Examples:
      echo 'source <({program} completion bash)' >> ~/.bashrc
      echo 'source <({program} completion zsh)' >> ~/.zshrc    (after compinit)
      {program} completion fish > ~/.config/fish/completions/{program}.fish
    """
    app.command()(completion)


def _in_one_line(error: Any) -> str:
    text = " ".join(str(error.format_message()).split())
    text = re.sub(r": Value error, ", ": ", text)
    return re.sub(r": Input should be ", ": it must be ", text).removeprefix("Invalid value: ")
