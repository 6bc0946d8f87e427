"""The headers of a stream: what was made, by what, and where."""

from __future__ import annotations

from typing import Any

from endotwin.generator.versions import installed_versions
from endotwin.image_range import MAX_INDEX, MAX_SEED
from endotwin.samples.archive import Archive
from service.query import Query

_HEADERS: dict[str, tuple[dict[str, Any], str]] = {
    "Content-Disposition": ({"type": "string"}, "a file name"),
    "X-Endotwin-Model": ({"type": "string"}, "name of the model"),
    "X-Endotwin-Generator": (
        {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "digest of its generator: weights, architecture and, with labels, the version of the mosaic",
    ),
    "X-Endotwin-Fid": (
        {"type": "string", "pattern": r"^(none|[0-9]+\.[0-9]{2})$"},
        "recorded FID of the model, or none",
    ),
    "X-Endotwin-Device": ({"type": "string"}, "what the images were generated on"),
    "X-Endotwin-Seed": ({"type": "integer", "minimum": 0, "maximum": MAX_SEED}, "seed of the images"),
    "X-Endotwin-Start": (
        {"type": "integer", "minimum": 0, "maximum": MAX_INDEX},
        "index of the first image",
    ),
    "X-Endotwin-Count": ({"type": "integer", "minimum": 1}, "number of images"),
    "X-Endotwin-Labels": ({"type": "string"}, "the labels, in one fixed order, or none"),
    "X-Endotwin-Conditions": ({"type": "string"}, "the conditions, written in one fixed way, or none"),
}
"""JSON Schema and meaning by name."""


def stream_headers(query: Query, archive: Archive, device: str) -> dict[str, str]:
    """Return the headers of a response.

    Args:
        query: what was asked for.
        archive: the file that is sent.
        device: the name of what it is generated on.
    """
    model, images = query.model, query.images
    name = f"endotwin-{model.name}-{images.seed}-{images.start}-{images.count}{archive.suffix}"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Endotwin-Model": model.name,
        "X-Endotwin-Generator": model.generator_sha256,
        "X-Endotwin-Fid": "none" if model.fid is None else f"{model.fid:.2f}",
        "X-Endotwin-Device": device,
        "X-Endotwin-Seed": str(images.seed),
        "X-Endotwin-Start": str(images.start),
        "X-Endotwin-Count": str(images.count),
        "X-Endotwin-Labels": ",".join(query.labelling.labels) or "none",
        "X-Endotwin-Conditions": query.labelling.query or "none",
    }
    headers |= {_version_header(name): text for name, text in installed_versions().items()}
    if archive.content_length is not None:
        headers["Content-Length"] = str(archive.content_length)
    return headers


def describe_headers() -> dict[str, Any]:
    """Return the OpenAPI description of the headers."""
    described = {
        name: {"description": text, "required": True, "schema": schema}
        for name, (schema, text) in _HEADERS.items()
    }
    for name in installed_versions():
        text = f"version of {name}, on which bytes may depend"
        described[_version_header(name)] = {
            "description": text,
            "required": True,
            "schema": {"type": "string"},
        }
    described["Content-Length"] = {
        "description": "of a npy; the size of other files is not known beforehand",
        "schema": {"type": "integer", "minimum": 1},
    }
    return described


def _version_header(package: str) -> str:
    return f"X-Endotwin-{package.title()}"
