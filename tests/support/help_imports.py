"""What a command line has imported once it has shown the help of its commands."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[2]


def heavy_imports(module: str, heavy: set[str]) -> dict[str, list[str]]:
    """Show the help of every command of `module.app` in a process of its own.

    Returns:
        For each command, such as `set make`, which of the `heavy` packages are imported after its help.
    """
    arguments = [sys.executable, __file__, module, *sorted(heavy)]
    found = subprocess.run(
        arguments, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, check=True
    )
    result: dict[str, list[str]] = json.loads(found.stdout)
    return result


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))
        else:
            yield (*path, name)


def _main(module: str, *heavy: str) -> None:
    app = import_module(module).app
    found = {}
    for command in _commands(get_command(app)):
        result = CliRunner().invoke(app, [*command, "--help"])
        assert result.exit_code == 0, (command, result.output)
        found[" ".join(command)] = [name for name in heavy if name in sys.modules]
    print(json.dumps(found))


if __name__ == "__main__":
    _main(*sys.argv[1:])
