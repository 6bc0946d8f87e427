"""The rooms: service → endotwin ← training. Arrows only point down."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("endotwin", "service", "training")
MAY_IMPORT = {
    "endotwin": {"endotwin"},
    "service": {"endotwin", "service"},
    "training": {"endotwin", "training"},
}
NEEDS_AN_EXTRA = {
    "endotwin/monai_transforms.py": {"monai"},
    "endotwin/segmentation/cells.py": {"scipy", "skimage"},
    "endotwin/segmentation/certain_cells.py": {"scipy"},
    "endotwin/sets/ray/cluster.py": {"ray"},
    "endotwin/sets/storage/bucket.py": {"boto3", "botocore"},
    "endotwin/sets/storage/retry.py": {"tenacity"},
    "endotwin/sets/storage/s3_errors.py": {"boto3", "botocore"},
}
"""Files that only an option needs: they are imported when it is given."""

MODULES_OF = {"pillow": {"PIL"}}
"""Where the modules of a dependency are not named as it is."""


def imported_modules(source: str) -> Iterator[str]:
    """Yield the top-level package of every import of a source file, wherever in the file it is."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not used here"
            assert node.module is not None
            yield node.module.partition(".")[0]


# Parsed when tests are collected: CPython before 3.11.8 raises SystemError if something else is parsed
# meanwhile (gh-106905), as a garbage collection or a thread that a test has left may do.
IMPORTS = {
    path.relative_to(ROOT).as_posix(): set(imported_modules(path.read_text()))
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}


def test_arrows_only_point_down() -> None:
    ours = {*PACKAGES, "benchmarks", "scripts", "tests"}
    upwards = {
        path: found
        for path, modules in IMPORTS.items()
        if (found := (modules & ours) - MAY_IMPORT[path.partition("/")[0]])
    }
    assert upwards == {}


def test_endotwin_needs_no_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    plain: set[str] = set()
    for requirement in project["dependencies"]:
        name = re.split(r"[^a-z0-9-]", requirement)[0]
        plain |= MODULES_OF.get(name, {name.replace("-", "_")})
    allowed = plain | {"endotwin"} | sys.stdlib_module_names
    beyond = {
        path: found
        for path, modules in IMPORTS.items()
        if path.startswith("endotwin/") and (found := modules - allowed - NEEDS_AN_EXTRA.get(path, set()))
    }
    assert beyond == {}


def test_an_import_is_seen_in_every_form() -> None:
    source = """
import training.data
from endotwin import settings
def later():
    import service.app as app
"""
    assert sorted(imported_modules(source)) == ["endotwin", "service", "training"]
