"""The packages that Endotwin takes, and which of them are not installed."""

from __future__ import annotations

from importlib.util import find_spec

GENERATING = ("torch", "numpy", "numba", "PIL", "safetensors")
"""Names under which is imported what images take."""

SERVING = ("bentoml", "fastapi", "starlette", "uvicorn", "prometheus_client")
"""The same for what the service takes beside that."""

SEGMENTING = ("scipy", "skimage")
"""The same for what `endotwin.segment` takes beside the first."""

INSTALL, INSTALL_SERVICE = "pip install endotwin", "pip install 'endotwin[service]'"
"""Commands that install the first, and the first two."""

INSTALL_SEGMENT = "pip install 'endotwin[segment]'"
INSTALL_TRAINING = "pip install 'endotwin[training]'"


def missing_packages(names: tuple[str, ...]) -> list[str]:
    """Return which of some packages are not installed; none is imported."""
    return [name for name in names if find_spec(name) is None]
