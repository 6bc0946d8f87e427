"""The Bento and the image: what is in them, what they start, and what must not be in them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from bentoml._internal.bento.build_config import BentoPathSpec
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
BENTOFILE = yaml.safe_load((ROOT / "bentofile.yaml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DOCKER_STOP_SECONDS = 10
"""After SIGTERM, `docker stop` waits this long, then it kills."""

CLEAN_UP_SECONDS = 4
"""What the process needs to end after the last stream: 2 measured, 3.4 on a machine with much to do."""

PLAIN_VARIABLES = {"BENTOML_DO_NOT_TRACK", "PATH", "PYTHONUNBUFFERED"}
"""All variables that packages set. Anyone with a package can read them: no secret may be among them."""

# BentoML reads its patterns with a name that its library gave up.
pytestmark = pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile as (keyword, arguments), without comments, one for each instruction."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line]  # type: ignore[misc]


def arguments(keyword: str) -> list[str]:
    return [rest for word, rest in instructions() if word == keyword]


def command() -> list[str]:
    """Return the image's CMD; only the exec form is JSON."""
    [text] = arguments("CMD")
    return list(json.loads(text))


def packed(path: str) -> bool:
    """Return whether `bentoml build` would pack a file of the repository."""
    return bool(BentoPathSpec(BENTOFILE["include"], [], str(ROOT)).includes(path))


def test_bento_is_of_the_service() -> None:
    assert BENTOFILE["service"] == "service:Service"


def test_image_starts_the_service_without_a_supervisor() -> None:
    assert command()[:5] == ["python3", "-m", "service", "--host", "0.0.0.0"]
    assert (ROOT / "service" / "__main__.py").is_file()
    assert "service service" in arguments("COPY")


@pytest.mark.parametrize("package", ["endotwin", "service"])
def test_bento_holds_the_whole_package(package: str) -> None:
    files = [str(path.relative_to(ROOT)) for path in (ROOT / package).rglob("*.py")]
    assert f"{package}/__init__.py" in files
    assert [path for path in files if not packed(path)] == []


def test_bento_holds_the_checkpoints_and_the_licence() -> None:
    assert packed("checkpoints/compact.safetensors")
    assert packed("LICENSE")


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        ".venv/bin/python",
        "checkpoints/compact.toml",
        "out/images.npy",
        "runs/compact/state.pt",
        "service/__pycache__/app.cpython-311.pyc",
        "service/.env",
        "tests/conftest.py",
        "training/__init__.py",
    ],
)
def test_bento_holds_nothing_else(path: str) -> None:
    assert not packed(path)


def needed() -> dict[str, Requirement]:
    """Return what the service needs besides itself, by name."""
    extras = PROJECT["optional-dependencies"]
    texts = [*PROJECT["dependencies"], *extras["s3"], *extras["service"]]
    found = [Requirement(text) for text in texts]
    return {requirement.name: requirement for requirement in found if requirement.name != "endotwin"}


def constraints() -> dict[str, str]:
    lines = (ROOT / "deploy" / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))  # type: ignore[misc]


def test_constraints_fit_the_ranges_of_the_project() -> None:
    versions = constraints()
    for name, requirement in needed().items():
        assert requirement.specifier.contains(versions[name]), name


def test_constraints_are_one_whole_lock() -> None:
    """Whatever a locked package needs on Linux is locked, too, and as it needs it."""
    versions = constraints()
    for name in versions:
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        if metadata.version(name) != versions[name]:
            continue
        for requirement in map(Requirement, requires):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                version = versions[canonicalize_name(requirement.name)]
                assert requirement.specifier.contains(version, prereleases=True), f"{name}: {requirement}"


def test_bento_installs_the_constraints() -> None:
    versions = constraints()
    expected = [f"{name}=={versions[name]}" for name in needed() if name != "bentoml"]  # it adds itself
    assert BENTOFILE["python"]["packages"] == expected


def test_image_installs_the_constraints() -> None:
    [install] = [text for text in arguments("RUN") if "pip install" in text]
    assert "-c /build/constraints.txt" in install
    assert "deploy/constraints.txt /build/" in arguments("COPY")


def test_packages_set_plain_variables_only() -> None:
    in_bento = {variable["name"] for variable in BENTOFILE["envs"]}
    in_image = {name for text in arguments("ENV") for name in re.findall(r"(\w+)=", text)}
    assert in_bento | in_image <= PLAIN_VARIABLES
    assert {text.split("=")[0] for text in arguments("ARG")} == {"BASE"}


def test_packages_send_no_usage_reports() -> None:
    assert {"name": "BENTOML_DO_NOT_TRACK", "value": "true"} in BENTOFILE["envs"]
    assert any("BENTOML_DO_NOT_TRACK=true" in text.split() for text in arguments("ENV"))


def test_base_of_the_image_can_be_replaced() -> None:
    assert instructions()[0] == ("ARG", "BASE=python:3.11-slim")
    assert {text.split()[0] for text in arguments("FROM")} == {"${BASE}"}


def test_image_runs_as_an_ordinary_user_with_a_fixed_number() -> None:
    keywords = [word for word, _ in instructions()]
    [user] = arguments("USER")
    number = re.fullmatch(r"(\d+):\1", user)
    assert number is not None
    assert int(number[1]) >= 1000
    assert f"--uid {number[1]} " in " ".join(arguments("RUN"))
    assert keywords.index("USER") < keywords.index("CMD")
    assert "RUN" not in keywords[keywords.index("USER") :]


def test_image_asks_its_own_port_whether_it_is_ready() -> None:
    port = command()[command().index("--port") + 1]
    assert arguments("EXPOSE") == [port]
    [check] = arguments("HEALTHCHECK")
    program, *_, code = json.loads(check[check.index("CMD") + len("CMD") :])
    assert program == "python3"
    compile(code, "HEALTHCHECK", "exec")
    assert f"'127.0.0.1', {port}," in code
    assert "'/readyz'" in code


def test_image_stops_before_it_is_killed() -> None:
    assert arguments("STOPSIGNAL") == ["SIGTERM"]
    seconds = int(command()[command().index("--grace-seconds") + 1])
    assert 0 < seconds < DOCKER_STOP_SECONDS - CLEAN_UP_SECONDS


def test_image_is_built_from_nothing_but_what_it_copies() -> None:
    everything, *allowed = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")
    ]
    assert everything == "*"
    sources = {
        source
        for text in arguments("COPY")
        if not text.startswith("--from=")
        for source in text.split()[:-1]
    }
    assert {line.removeprefix("!") for line in allowed if line.startswith("!")} == sources
    assert "**/__pycache__" in allowed


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed")
def test_hadolint_finds_nothing() -> None:
    result = subprocess.run(["hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
