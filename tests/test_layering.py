"""Who may import whom: the service stays small, and training does not know that a service exists."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SERVED = {
    f"training.{name}"
    for name in (
        "card",
        "checkpoint",
        "labelled_network",
        "latents",
        "mosaic.age",
        "mosaic.calibration",
        "mosaic.drawing",
        "mosaic.guttae",
        "mosaic.labels",
        "mosaic.morphometry",
        "mosaic.parameters",
        "mosaic.raster",
        "mosaic.scene",
        "mosaic.tessellation",
        "mosaic_network",
        "network_layout",
        "networks",
        "process_environment",
        "rendering_network",
        "sampler",
        "whole_file",
    )
}
MODULES_OF = {
    "boto3": {"boto3", "botocore"},
    "pillow": {"PIL"},
    "fastapi": {"fastapi", "starlette"},
}
"""Where a dependency's modules are not named as it is, or bring others that it is made of."""


def source_files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported_modules(source: str) -> Iterator[str]:
    """Yield the full name of every module that a source file imports, wherever in the file it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not used here"
            assert node.module is not None
            if node.module in ("service", "training"):  # `from training import card` imports a module
                yield from (f"{node.module}.{name.name}" for name in node.names)
            else:
                yield node.module


def in_package(module: str, package: str) -> bool:
    return module.split(".", maxsplit=1)[0] == package


def core_modules() -> set[str]:
    """Return the top-level modules that the dependencies of a plain installation bring."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    modules: set[str] = set()
    for requirement in project["dependencies"]:
        name = re.split(r"[^a-z0-9-]", requirement)[0]
        modules |= MODULES_OF.get(name, {name.replace("-", "_")})
    return modules


USES_AN_EXTRA = {"service/sets/ray_cluster.py": {"ray"}}
"""Files that only an option needs: they are imported when it is given."""

SERVED_FILES = [
    *source_files("service"),
    *(ROOT / f"{module.replace('.', '/')}.py" for module in sorted(SERVED)),
]


# Parsed when tests are collected: CPython before 3.11.8 raises SystemError if something else is parsed
# meanwhile (gh-106905), as a garbage collection or a thread that a test has left may do.
IMPORTS = {
    path: set(imported_modules(path.read_text())) for path in {*SERVED_FILES, *source_files("training")}
}


@pytest.mark.parametrize("path", SERVED_FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_is_served_needs_only_what_defines_a_checkpoint(path: Path) -> None:
    modules = {module for module in IMPORTS[path] if in_package(module, "training")}
    assert modules <= SERVED


@pytest.mark.parametrize("path", SERVED_FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_is_served_needs_no_extra(path: Path) -> None:
    modules = {module.split(".", maxsplit=1)[0] for module in IMPORTS[path]}
    allowed = core_modules() | USES_AN_EXTRA.get(path.relative_to(ROOT).as_posix(), set())
    assert modules - {"service", "training"} - sys.stdlib_module_names <= allowed


@pytest.mark.parametrize("path", source_files("training"), ids=lambda path: path.name)
def test_training_does_not_know_the_service(path: Path) -> None:
    assert not [module for module in IMPORTS[path] if in_package(module, "service")]


def test_an_import_is_seen_in_every_form() -> None:
    source = """
import training.data
from training import losses, card
from training.recipes import RECIPES
def later():
    import service.app as app
"""
    assert sorted(imported_modules(source)) == [
        "service.app",
        "training.card",
        "training.data",
        "training.losses",
        "training.recipes",
    ]
