"""deploy/requirements*.txt: what the image and the Bento install, and the bill of materials."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packages import BENTOFILE, ROOT, arguments, locked, locked_versions, needed
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-cpu.txt", "requirements-sbom.txt"])
def test_every_package_has_the_digests_of_its_files(name: str) -> None:
    entries = locked(name)
    assert entries
    assert all(re.search(r" --hash=sha256:[0-9a-f]{64}\s", entry) for entry in entries.values())
    lines = (ROOT / "deploy" / name).read_text().splitlines()
    others = [line for line in lines if not line.startswith(("#", " ", "--index-url https://"))]
    assert [line.partition("==")[0] for line in others] == list(entries)


def test_versions_fit_the_ranges_of_the_project() -> None:
    versions = locked_versions()
    for name, requirement in needed().items():
        assert requirement.specifier.contains(versions[name]), name


def test_the_lock_is_whole() -> None:
    """Whatever a locked package needs on Linux is locked, too, and as it needs it."""
    versions = locked_versions()
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


def test_both_images_have_the_same_torch() -> None:
    assert locked_versions("requirements-cpu.txt") == {"torch": locked_versions()["torch"] + "+cpu"}


def installation() -> str:
    """Return the command that installs the packages of the image."""
    [command] = [text for text in arguments("RUN") if "-r others.txt" in text]
    return command


def test_image_installs_the_lock_and_checks_every_digest() -> None:
    installs = re.findall(r"pip install ([^&;]*)", " ".join(arguments("RUN")))
    assert len(installs) == 3
    assert all("--require-hashes" in options for options in installs)
    assert "cuda) cp requirements.txt others.txt" in installation()
    assert "/opt/endotwin/bin/pip check" in installation()


def test_image_without_cuda_installs_all_else_of_the_lock() -> None:
    [script] = re.findall(r"sed -E '([^']*)' requirements.txt > others.txt", installation())
    command = ["sed", "-E", script, ROOT / "deploy" / "requirements.txt"]
    left = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    cuda = {name for name in locked() if name.startswith(("cuda-", "nvidia-"))} - {"nvidia-ml-py"}
    others = {name: entry for name, entry in locked().items() if name not in cuda | {"torch", "triton"}}
    assert left == "".join([left.splitlines(keepends=True)[0], *others.values()])
    assert len(cuda) > 10
    assert {"numpy", "bentoml", "nvidia-ml-py"} <= set(others)


def test_bento_installs_the_lock() -> None:
    assert BENTOFILE["python"]["requirements_txt"] == "deploy/requirements.txt"
    assert "packages" not in BENTOFILE["python"]


def test_bill_of_materials_names_each_package_with_version_and_licence() -> None:
    """As the image writes its own, here of the environment of the tests."""
    [command] = [text for text in arguments("RUN") if "cyclonedx-py" in text]
    options = command.split("cyclonedx-py ")[1].split()
    options[options.index("--output-file") + 1] = "-"
    options[-1:] = ["--no-validate", sys.executable]  # which takes most of its time
    tool = Path(sys.executable).with_name("cyclonedx-py")
    bill = json.loads(subprocess.run([tool, *options], cwd=ROOT, capture_output=True, check=True).stdout)
    assert bill["metadata"]["component"]["name"] == "endotwin"
    parts = {canonicalize_name(part["name"]): part for part in bill["components"]}
    for name in needed():
        assert parts[name]["version"] == metadata.version(name)
        assert parts[name]["licenses"]
        assert parts[name]["purl"].startswith("pkg:pypi/")
