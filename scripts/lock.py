"""`make lock`: write the versions that the image and the Bento install, deploy/requirements*.txt.

They are those of this environment, in which the tests passed. uv looks up the digests of their files: it
asks PyPI or the index that UV_DEFAULT_INDEX names, and that of PyTorch for the build without CUDA.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAD = "# Written by `make lock`.\n"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
SBOM_TOOL = "cyclonedx-bom>=7,<8"


def main() -> None:
    """Write all files; where uv fails, write none and end with its status."""
    torch = f"torch=={metadata.version('torch').partition('+')[0]}+cpu"
    files = {
        "requirements.txt": resolve("pyproject.toml", "--extra", "service"),
        "requirements-cpu.txt": f"--index-url {CPU_INDEX}\n"
        + resolve("-", "--no-deps", "--default-index", CPU_INDEX, requirement=torch),
        "requirements-sbom.txt": resolve("-", requirement=SBOM_TOOL),
    }
    for name, text in files.items():
        (ROOT / "deploy" / name).write_text(HEAD + text)


def resolve(source: str, *options: str, requirement: str | None = None) -> str:
    """Return all that a file or a requirement needs on Linux, each package with its version and digests."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", source, *options]
    command += ["--python-version", "3.11", "--python-platform", "linux"]
    command += ["--generate-hashes", "--no-annotate", "--no-header"]
    tested = [f"{each.name}=={each.version}" for each in metadata.distributions()]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        print(*tested, sep="\n", file=constraints, flush=True)
        command += ["--constraints", constraints.name]
        result = subprocess.run(
            command, cwd=ROOT, input=requirement, stdout=subprocess.PIPE, text=True, check=False
        )
    if result.returncode != 0:
        sys.exit(result.returncode)
    return result.stdout


if __name__ == "__main__":
    main()
