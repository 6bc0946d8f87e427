"""The Bento and the image: what is in them, what they start, and what must not be in them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import botocore
import pytest
from bentoml._internal.bento.build_config import BentoPathSpec
from botocore.loaders import Loader
from packages import BENTOFILE, PROJECT, ROOT, arguments, base, instructions

from endotwin import __version__

DOCKER_STOP_SECONDS = 10
"""After SIGTERM, `docker stop` waits this long, then it kills."""

CLEAN_UP_SECONDS = 1
"""After the grace, within which the process ends: until the container has."""

PLAIN_VARIABLES = {"BENTOML_DO_NOT_TRACK", "PATH", "PYTHONUNBUFFERED"}
"""All variables that packages set. Anyone with a package can read them: no secret may be among them."""

# BentoML reads its patterns with a name that its library gave up.
pytestmark = pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")


def command() -> list[str]:
    """Return the image's CMD; only the exec form is JSON."""
    [text] = arguments("CMD")
    return list(json.loads(text))


@cache
def bento_files() -> BentoPathSpec:
    """Return the patterns of `bentoml build`: reading them walks the repository."""
    return BentoPathSpec(BENTOFILE["include"], [], str(ROOT))


def packed(path: str) -> bool:
    """Return whether `bentoml build` would pack a file of the repository."""
    return bool(bento_files().includes(path))


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


def test_every_package_holds_the_gallery() -> None:
    files = sorted((ROOT / "service" / "gallery" / "static").iterdir())
    assert len(files) > 10
    assert [path for path in files if not packed(str(path.relative_to(ROOT)))] == []
    [pattern] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"][
        "service.gallery"
    ]
    assert sorted((ROOT / "service" / "gallery").glob(pattern)) == files


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


def test_packages_set_plain_variables_only() -> None:
    in_bento = {variable["name"] for variable in BENTOFILE["envs"]}
    in_image = {name for text in arguments("ENV") for name in re.findall(r"(\w+)=", text)}
    assert in_bento | in_image <= PLAIN_VARIABLES
    assert {text.split("=")[0] for text in arguments("ARG")} == {"BASE", "TORCH", "REVISION"}


def test_packages_send_no_usage_reports() -> None:
    assert {"name": "BENTOML_DO_NOT_TRACK", "value": "true"} in BENTOFILE["envs"]
    assert any("BENTOML_DO_NOT_TRACK=true" in text.split() for text in arguments("ENV"))


def test_base_of_the_image_is_fixed_by_its_digest_and_can_be_replaced() -> None:
    assert instructions()[0] == ("ARG", f"BASE={base()}")
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", base())
    assert {text.split()[0] for text in arguments("FROM")} == {"${BASE}"}
    assert BENTOFILE["docker"]["base_image"] == base()


def test_image_says_what_it_is() -> None:
    [text] = arguments("LABEL")
    labels = dict(re.findall(r'org\.opencontainers\.image\.([a-z.]+)="([^"]*)"', text))
    assert labels["version"] == __version__
    assert labels["licenses"] == PROJECT["license"]
    assert labels["revision"] == "${REVISION}"
    assert labels["base.name"] == "docker.io/library/" + base().partition("@")[0]
    assert {"title", "description"} <= set(labels)


def test_image_runs_as_an_ordinary_user_with_a_fixed_number() -> None:
    keywords = [word for word, _ in instructions()]
    [user] = arguments("USER")
    number = re.fullmatch(r"(\d+):\1", user)
    assert number is not None
    assert int(number[1]) >= 1000
    assert f"--uid {number[1]} " in " ".join(arguments("RUN"))
    assert keywords.index("USER") < keywords.index("CMD")
    assert "RUN" not in keywords[keywords.index("USER") :]


def test_image_keeps_the_services_of_aws_that_storage_and_credentials_take(tmp_path: Path) -> None:
    [command] = [text for text in arguments("RUN") if "botocore/data" in text]
    [others] = re.findall(r"find \S+/botocore/data (-mindepth 1.*?-exec rm -r \{\} \+)", command)
    copy = tmp_path / "botocore"
    shutil.copytree(Path(botocore.__file__).parent / "data", copy)
    subprocess.run(["sh", "-c", f"find {shlex.quote(str(copy))} {others}"], check=True)
    loader = Loader(extra_search_paths=[str(copy)], include_default_search_paths=False)
    assert loader.list_available_services("service-2") == ["s3", "signin", "sso", "sso-oidc", "sts"]
    for name in ("endpoints", "partitions", "_retry", "sdk-default-configuration"):
        assert loader.load_data(name)


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
