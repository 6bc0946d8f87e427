"""Code of a process in which packages are not installed."""

from __future__ import annotations

from collections.abc import Iterable


def without_packages(absent: Iterable[str], then: str) -> str:
    """Return code for `python -c` that runs other code as if packages were not installed."""
    names = sorted(absent)
    return (
        "import sys, importlib.abc\n"
        "class Absent(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name.partition('.')[0] in {names}: raise ModuleNotFoundError(name, name=name)\n"
        "import importlib.util; find = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda name: None if name in {names} else find(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"{then}\n"
    )
