"""What a shell sees of the command lines: errors in one line, exit codes, completion, no colours."""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path

import pytest
import typer
from live_server import PATIENCE_SECONDS, ROOT, environment
from typer.testing import CliRunner

from endotwin.catalogue import ChoiceError
from endotwin.cli.command_line import CommandLine, explain, reported, saying, usage_error
from endotwin.cli.main import app
from endotwin.samples.labelling import LabellingError

PROGRAMS = {"endotwin": "endotwin", "endotwin-training": "training"}
DOCUMENT = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "generate -o x --layout voc",
            "Invalid value for '--layout': 'voc' is not one of 'nnunet', 'masks'",
        ),
        ("generate -o x --format rar", "Invalid value for '--format': 'rar' is not one of 'folder', 'tar'"),
        ("generate -o x --n 0", "Invalid value for '--n' / '-n': "),
        ("generate -o x --device tpu", "Invalid value for '--device': the device must be auto, cpu"),
        ("generate -o x --density 9", "Invalid value for '--density': density must be a number"),
        ("generate -o x --labels bo", "Invalid value for '--labels': labels must be one or more"),
        (
            "generate -o x --layout masks --labels cells",
            "Invalid value for '--layout': layout masks has no",
        ),
        ("generate -o x --seed 18446744073709551616", "Invalid value for '--seed': seed must be from 0"),
        ("set export a b --layout voc", "Invalid value for '--layout': 'voc' is not one of nnunet, masks"),
        ("set --n 9 --seed 7 s3://", "a bucket's name has"),
        ("sheet x -o y --labels cells", "Invalid value for '--labels': labels must be one or more"),
        ("generate", "Missing option '--output'"),
        ("generate --nope", "No such option: --nope"),
        ("nope", "No such command 'nope'"),
        ("completion tcsh", "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
    ],
)
def test_a_usage_error_is_one_line_and_names_option_and_reason(arguments: str, message: str) -> None:
    result = CliRunner().invoke(app, arguments.split())
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr
    assert "Value error" not in result.stderr
    assert "Input should be" not in result.stderr


def test_the_option_of_a_field_is_named() -> None:
    named = usage_error(LabellingError("validation_every", "too few"))
    assert named.format_message() == "Invalid value for '--validation-every': too few"
    assert usage_error(ChoiceError("there is none")).message == "there is none"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "a/b"),
            "a/b: No such file or directory",
        ),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (ValueError("what was wrong"), "what was wrong"),
    ],
)
def test_a_system_error_names_the_file(error: Exception, text: str) -> None:
    assert explain(error) == text


def test_a_full_disk_without_a_name_says_which_it_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    text = explain(OSError(errno.ENOSPC, "No space left on device"))
    assert text.startswith("No space left on device, on the disk of the output or on that of ")
    assert f"{tmp_path} (TMPDIR)" in text


def program(code: int | type[BaseException]) -> typer.Typer:
    """Return a program of two commands; `end` ends in a way."""
    made = typer.Typer(cls=CommandLine, add_completion=False)

    @made.command()
    def other() -> None:
        pass

    @made.command()
    def end() -> None:
        with reported(OSError):
            if isinstance(code, int):
                raise typer.Exit(code)
            raise code

    return made


@pytest.mark.parametrize(
    ("ending", "code"),
    [(0, 0), (1, 1), (3, 3), (OSError, 1), (typer.Abort, 1), (KeyboardInterrupt, 130)],
)
def test_exit_codes(ending: int | type[BaseException], code: int) -> None:
    result = CliRunner().invoke(program(ending), ["end"])
    assert result.exit_code == code
    assert f"| {code} |" in DOCUMENT or code == 3


def test_no_output_has_colours() -> None:
    for arguments in ("--help", "generate --help", "generate", "nope"):
        result = CliRunner().invoke(app, arguments.split(), color=True)
        assert "\x1b" not in result.output


@pytest.mark.parametrize("on_terminal", [True, False])
def test_what_takes_long_is_said_on_a_terminal_only(
    on_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: on_terminal)
    monkeypatch.setattr("sys.stderr", stream)
    with saying("loading"):
        assert stream.getvalue() == ("loading …" if on_terminal else "")
    assert stream.getvalue() == ("loading …\r         \r" if on_terminal else "")


@pytest.mark.parametrize(
    "command",
    [
        "generate -o set.tar",
        pytest.param("models", marks=pytest.mark.long),
        pytest.param("set --n 2 --seed 7 --dry-run set", marks=pytest.mark.long),
    ],
)
def test_a_command_on_a_terminal_says_what_it_does(
    command: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    mine, its = os.openpty()
    termios.tcsetwinsize(its, (24, 80))
    variables = environment(tmp_path / "home", checkpoint_dir=str(tiny_checkpoint.parent))
    process = subprocess.Popen(
        [sys.executable, "-m", "endotwin", *command.split()],
        cwd=tmp_path,
        env={**variables, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=its,
    )
    os.close(its)
    said = b""
    with suppress(OSError):  # the end of a terminal
        while piece := os.read(mine, 1000):
            said += piece
    os.close(mine)
    assert process.wait(PATIENCE_SECONDS) == 0, said
    assert "loading torch …".encode() in said
    assert b"loading the model" in said
    assert b"\x1b[3" not in said  # no colour


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return a PATH with both programs."""
    for name, module in PROGRAMS.items():
        (tmp_path / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        (tmp_path / name).chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


SCRIPTS = {
    "bash": """
        source <({name} completion bash)
        COMP_WORDS=({name} {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        $(complete -p {name} | sed 's/.*-F \\([^ ]*\\).*/\\1/') {name}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """,
    "zsh": """
        compdef() {{ function=$1 }}
        _arguments() {{ print -r -- "$@" }}
        source <({name} completion zsh)
        words=({name} {words}); CURRENT=$#words
        $function
    """,
    "fish": """
        {name} completion fish | source
        complete -C '{name} {words}'
    """,
}


CASES = {
    ("endotwin", "generate --lay", "--layout"): ("bash",),
    ("endotwin", "generate --layout yo", "yolo-seg"): ("zsh",),
    ("endotwin", "set --validation-e", "--validation-every"): ("fish",),
    ("endotwin-training", "prev", "preview"): ("bash",),
}
"""What is completed, and the shells that try it also without the long tests: each takes seconds."""


@pytest.mark.parametrize(
    ("shell", "name", "words", "found"),
    [
        pytest.param(shell, *case, marks=() if shell in shells else pytest.mark.long)
        for case, shells in CASES.items()
        for shell in SCRIPTS
    ],
)
def test_a_shell_completes(shell: str, name: str, words: str, found: str, path: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    result = subprocess.run(
        [shell, "-c", SCRIPTS[shell].format(name=name, words=words)],
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "HOME": path.partition(":")[0]},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert re.search(rf"(^|\W){found}(\W|$)", result.stdout), result
