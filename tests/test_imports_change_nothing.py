"""Importing a module of this repository changes no setting of another library."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("endotwin", "service", "training")


def assigned_to_others(source: str) -> list[str]:
    """Return the attributes of other objects that a module assigns to when it is imported."""
    statements = ast.parse(source).body
    targets = [
        target
        for statement in statements
        if isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign)
        for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
    ]
    return [ast.unparse(target) for target in targets if isinstance(target, ast.Attribute)]


def test_no_module_assigns_to_another_when_it_is_imported() -> None:
    modules = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    assert len(modules) > 100
    assert {path: found for path in modules if (found := assigned_to_others(path.read_text()))} == {}


@pytest.mark.parametrize("line", ["Image.MAX_IMAGE_PIXELS = 1", "a = Image.MAX = 2", "Image.MAX += 1"])
def test_such_an_assignment_would_be_found(line: str) -> None:
    assert assigned_to_others(f"from PIL import Image\n{line}\n")
