"""A command starts itself again with the variables that it lacks, and stays the same process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from endotwin.process_environment import GENERATING, MEMORY, largest_kept_block

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import json, os, sys
from endotwin.process_environment import MEMORY, restart_with
there = {name: os.environ.get(name) for name in MEMORY}
print(json.dumps([os.getpid(), sys.argv[1:], sys.flags.dev_mode, there]), flush=True)
restart_with(MEMORY)
"""


def start(**variables: str) -> list[list[object]]:
    """Run the script; return what it said, start by start."""
    kept = {name: value for name, value in os.environ.items() if name not in GENERATING}
    command = [sys.executable, "-X", "dev", "-c", SCRIPT, "an argument", "--n", "5"]
    done = subprocess.run(
        command, cwd=ROOT, env={**kept, **variables}, capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc reads these variables")
def test_it_starts_again_once_with_what_is_missing() -> None:
    own = {"MALLOC_ARENA_MAX": "7"}
    first, second = start(**own)
    assert first[:3] == second[:3] == [first[0], ["an argument", "--n", "5"], True]
    assert first[3] == {**dict.fromkeys(MEMORY), **own}
    assert second[3] == {**MEMORY, **own}


def test_it_goes_on_where_nothing_is_missing() -> None:
    (only,) = start(**MEMORY)
    assert only[3] == MEMORY


@pytest.mark.parametrize(
    ("libc", "mebibytes"),
    [
        ("glibc 2.36", 128),
        ("glibc 2.41", 128),
        ("glibc 3.0", 128),
        ("glibc 2.9", 32),
        ("glibc 2.34", 32),
        ("", 32),
    ],
)
def test_no_c_library_is_asked_for_more_than_it_takes(libc: str, mebibytes: int) -> None:
    assert largest_kept_block(libc) == mebibytes << 20
