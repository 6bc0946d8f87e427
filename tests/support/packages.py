"""The files that say what the image and the Bento are made of, read for the tests."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
BENTOFILE = yaml.safe_load((ROOT / "bentofile.yaml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile as (keyword, arguments), without comments, one for each instruction."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line]  # type: ignore[misc]


def arguments(keyword: str) -> list[str]:
    return [rest for word, rest in instructions() if word == keyword]


def base() -> str:
    """Return the image that everything is built on, with its digest."""
    return arguments("ARG")[0].removeprefix("BASE=")


def needed() -> dict[str, Requirement]:
    """Return what the service needs besides itself, by name."""
    extras = PROJECT["optional-dependencies"]
    texts = [*PROJECT["dependencies"], *extras["s3"], *extras["service"]]
    found = [Requirement(text) for text in texts]
    return {requirement.name: requirement for requirement in found if requirement.name != "endotwin"}


def locked(name: str = "requirements.txt") -> dict[str, str]:
    """Return the entries of a file of requirements: the lines of each package, by its name."""
    text = (ROOT / "deploy" / name).read_text()
    entries = re.findall(r"^[a-z0-9.-]+==(?:.*\\\n)*.*\n", text, re.MULTILINE)
    return {entry.partition("==")[0]: entry for entry in entries}


def locked_versions(name: str = "requirements.txt") -> dict[str, str]:
    return {package: entry.split("==")[1].split()[0] for package, entry in locked(name).items()}
