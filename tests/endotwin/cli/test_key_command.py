"""`endotwin key`: what it prints, and where."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from endotwin.cli.main import app
from endotwin.keys import find_key, read_keys

Run = Callable[..., Result]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def run(path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs `endotwin key` with `path` as the setting."""
    for name in [name for name in os.environ if name.startswith("ENDOTWIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ENDOTWIN_KEYS_FILE", str(path))
    return lambda *arguments: CliRunner().invoke(app, ["key", *map(str, arguments)])


def test_a_key_is_printed_once_and_alone(run: Run, path: Path) -> None:
    limits = ("--images-per-day", 1000, "--streams", 4, "--job-images", 500)
    made = run("create", "lab-7", "--scope", "jobs, generate", *limits)
    assert made.exit_code == 0, made.output
    assert made.stderr == "The key of lab-7; it cannot be shown again:\n"
    token = made.stdout.removesuffix("\n")
    key = find_key(read_keys(path), token)
    assert (key.name, key.scopes, key.images_per_day) == ("lab-7", ("generate", "jobs"), 1000)
    assert (key.streams, key.job_images) == (4, 500)
    assert run("create", "operator", "--scope", "admin").exit_code == 0
    listed = run("list")
    assert listed.exit_code == 0
    day = key.created.strftime("%Y-%m-%d")
    assert listed.stdout.splitlines() == [
        f"lab-7     generate,jobs, 1000 images a day, 4 streams, 500 images of a job, made {day}",
        f"operator  admin, made {day}",
    ]
    assert token not in listed.output
    assert run("revoke", "lab-7").exit_code == 0
    assert [key.name for key in read_keys(path)] == ["operator"]


def test_a_file_can_be_named(run: Run, path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    assert run("create", "lab", "--keys-file", other).exit_code == 0
    assert not path.exists()
    assert run("list", "--keys-file", other).stdout.startswith("lab  generate, made ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("create", "127.0.0.1"), "begins with a letter"),
        (("create", "lab", "--scope", "all"), "scopes are generate, jobs, metrics, admin, got all"),
        (("create", "lab", "--scope", ","), "scopes are generate, jobs, metrics, admin, got none"),
        (("create", "lab", "--keys-file", "no folder/keys.json"), "No such file"),
        (("list",), "No such file"),
        (("revoke", "lab"), "No such file"),
    ],
)
def test_a_mistake_is_one_line(run: Run, arguments: tuple[str, ...], message: str) -> None:
    failed = run(*arguments)
    assert failed.exit_code == 1
    assert failed.stdout == ""
    assert failed.stderr.startswith("Error: ")
    assert message in failed.stderr
    assert failed.stderr.count("\n") == 1


def test_without_a_file_it_says_how_to_name_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENDOTWIN_KEYS_FILE")
    failed = run("create", "lab")
    assert failed.exit_code == 1
    assert "set ENDOTWIN_KEYS_FILE, or give --keys-file" in failed.stderr
