"""Put the checkpoints that ship into the package when it is built; everything else is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


class BuildWithCheckpoints(build_py):
    """Copy checkpoints/*.safetensors into endotwin/checkpoints; editable installations use the checkout."""

    def run(self) -> None:
        """Build the packages."""
        super().run()
        if self.editable_mode:
            return
        folder = Path(self.build_lib) / "endotwin" / "checkpoints"
        folder.mkdir(parents=True, exist_ok=True)
        for checkpoint in sorted((ROOT / "checkpoints").glob("*.safetensors")):
            shutil.copy(checkpoint, folder)


setup(cmdclass={"build_py": BuildWithCheckpoints})
