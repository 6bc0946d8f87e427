"""docs/http.md: the service's own OpenAPI description, as a page to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import griffe

from scripts.reference.markdown import WRITTEN, code, escape, table

Described = Mapping[str, Any]
"""A piece of the description."""

_HEAD = f"""# Reference: HTTP

{WRITTEN}

What a service with its default settings and the checkpoints that ship says of itself at `/docs.json`
(OpenAPI 3.1). Yours may have other models and limits; its own `/docs.json` has them.
[operator.md](operator.md#http) and [data-user.md](data-user.md) explain, and
[python.md](python.md#a-service) has a client.
"""
_TITLES = {
    "images": "Images",
    "models": "Models",
    "jobs": "Jobs ([jobs.md](jobs.md))",
    "service": "The service itself",
}
"""By tag, in the order of the page."""


def http_page() -> str:
    """Return the page."""
    description = _describe()
    operations = [
        (method.upper(), path, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    lines = [_HEAD]
    for tag, title in _TITLES.items():
        of_tag = [each for each in operations if each[2]["tags"] == [tag]]
        lines += [f"- {title.partition(' (')[0]}: {', '.join(_link(f'{a} {b}') for a, b, _ in of_tag)}"]
    lines += ["", *_of_every_route(description)]
    for tag, title in _TITLES.items():
        lines += [f"## {title}", ""]
        for method, path, operation in operations:
            if operation["tags"] == [tag]:
                lines += _operation(method, path, operation)
    lines += ["## Schemas", ""]
    for name, schema in sorted(description["components"]["schemas"].items()):
        if name != "ErrorCode":  # it is above
            lines += _schema(name, schema)
    return "\n".join(lines).rstrip() + "\n"


def _describe() -> dict[str, Any]:
    """Return the description of a service with default settings; no environment enters it."""
    from endotwin.catalogue import choose_default  # noqa: PLC0415 (torch takes seconds to import)
    from endotwin.checkpoint_files import checkpoint_paths  # noqa: PLC0415
    from endotwin.generator.checkpoint import read_card  # noqa: PLC0415
    from endotwin.settings import SHIPPED_CHECKPOINTS, Settings  # noqa: PLC0415
    from service.app import create_app  # noqa: PLC0415
    from service.models import Model, Models  # noqa: PLC0415
    from service.openapi import describe_service  # noqa: PLC0415

    cards = [read_card(path) for path in checkpoint_paths(SHIPPED_CHECKPOINTS)]
    models = Models(
        [Model(card, "", ()) for card in cards], choose_default([card.name for card in cards], None)
    )
    return describe_service(create_app(), models, Settings.model_construct())


def _of_every_route(description: Described) -> list[str]:
    """Return what holds everywhere: keys, errors and their codes."""
    from service.error_codes import ErrorCode  # noqa: PLC0415
    from service.errors import EVERYWHERE  # noqa: PLC0415
    from service.request_log import REQUEST_ID  # noqa: PLC0415

    anywhere = description["paths"]["/livez"]["get"]["responses"]["200"]["headers"][REQUEST_ID]
    codes = [[str(each.status), code(each), escape(each.meaning)] for each in ErrorCode]
    every = ", ".join(code(each) for each in EVERYWHERE)
    return [
        "## Of every route",
        "",
        f"Every answer has the header `{REQUEST_ID}` {anywhere['description']}.",
        "With [access keys](operator.md#access-keys) a route takes `Authorization: Bearer KEY`, unless it",
        "says that it takes no key.",
        "",
        f"An error is an {_link('Error')}, such as",
        "",
        '    {"error": {"code": "invalid_parameter", "message": "…", "field": "n", "request_id": "5f0c…"}}',
        "",
        f"Any route can answer with {every}; what else one can answer with is said there.",
        "429 and 503 have `Retry-After`, in seconds; 401 and 403 `WWW-Authenticate`; 405 `Allow`.",
        "",
        "### `ErrorCode`",
        "",
        *table(["status", "code", "when"], codes),
    ]


def _operation(method: str, path: str, operation: Described) -> list[str]:
    from service.errors import EVERYWHERE  # noqa: PLC0415

    lines = [f"### `{method} {path}`", "", escape(operation["summary"]), ""]
    about = operation.get("description", operation["summary"])
    lines += [escape(about), ""] if about != operation["summary"] else []
    lines += [] if "security" in operation else ["It takes no key.", ""]
    parameters = [
        [
            code(each["name"]) + (" (required)" if each.get("required") else ""),
            each["in"],
            _default(each["schema"]),
            _allowed(each["schema"]),
            escape(each.get("description", "")),
        ]
        for each in operation.get("parameters", ())
    ]
    lines += table(["parameter", "in", "default", "allowed", "meaning"], parameters)
    if "requestBody" in operation:
        [(media_type, content)] = operation["requestBody"]["content"].items()
        lines += [f"Body: `{media_type}`, {_allowed(content['schema'])}.", ""]
    errors = []
    for status, response in operation["responses"].items():
        if int(status) >= 300:
            errors += [each for each in response["x-error-codes"] if each not in list(EVERYWHERE)]
            continue
        kinds = " or ".join(
            _allowed(content["schema"]) if "$ref" in content["schema"] else code(media_type)
            for media_type, content in response.get("content", {}).items()
        )
        lines += [f"Answer {status}: {escape(response['description'])}{f', {kinds}' if kinds else ''}.", ""]
        headers = [
            [code(name), _allowed(header["schema"]), escape(header["description"])]
            for name, header in response["headers"].items()
            if "description" in header and name != "X-Request-Id"
        ]
        lines += table(["header", "value", "meaning"], headers)
    if errors:
        lines += [f"Errors: {', '.join(code(each) for each in errors)}.", ""]
    return lines


def _schema(name: str, schema: Described) -> list[str]:
    lines = [f"### `{name}`", ""]
    meanings = {}
    for section in griffe.Docstring(schema.get("description", "")).parse("google"):
        if isinstance(section, griffe.DocstringSectionText):
            lines += [escape(section.value), ""]
        elif isinstance(section, griffe.DocstringSectionAttributes):
            meanings = {each.name: each.description for each in section.value}
    if "enum" in schema:
        lines += [_allowed(schema), ""]
    required = schema.get("required", ())
    rows = [
        [
            code(field),
            "yes" if field in required else "",
            _default(of_field),
            _allowed(of_field),
            escape(of_field.get("description") or meanings.get(field.rpartition(".")[2], "")),
        ]
        for field, of_field in _fields(schema)
    ]
    return lines + table(["field", "required", "default", "value", "meaning"], rows)


def _fields(schema: Described, prefix: str = "") -> Iterator[tuple[str, Described]]:
    """Yield the fields of an object, and after each those of the object that it is."""
    for name, field in schema.get("properties", {}).items():
        yield f"{prefix}{name}", field
        yield from _fields(field, f"{prefix}{name}.")


def _allowed(schema: Described) -> str:
    """Return in words which values a schema allows."""
    several = schema.get("anyOf") or schema.get("oneOf")
    if several:
        return " or ".join(_allowed(each) for each in several)
    if "$ref" in schema:
        return _link(schema["$ref"].rpartition("/")[2])
    if "const" in schema or "enum" in schema:
        return ", ".join(code(str(each)) for each in schema.get("enum") or [schema["const"]])
    return _of_type(schema.get("type", "values"), schema)


def _of_type(kind: str, schema: Described) -> str:
    if kind == "array":
        most = schema.get("maxItems")
        number = (
            "" if most is None else f"{most} " if schema.get("minItems") == most else f"at most {most} "
        )
        return f"list of {number}{_allowed(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"object, by name {_allowed(schema['additionalProperties'])}"
    words = {"boolean": "true or false", "string": "text"}.get(kind, kind)
    if "pattern" in schema:
        words += f" like {code(schema['pattern'])}"
    if schema.get("format") == "date-time":
        words += " in ISO 8601"
    return words + _limits(schema)


def _limits(schema: Described) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f", {_number(least)} to {_number(most)}"
    for key, words in {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
        "maxLength": "of characters at most",
    }.items():
        if key in schema:
            return f", {words} {_number(schema[key])}"
    return ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _default(schema: Described) -> str:
    value = schema.get("default")
    if value in (None, ""):
        return ""
    return code(str(value).lower() if isinstance(value, bool) else str(value))


def _link(name: str) -> str:
    anchor = "".join(char for char in name.lower().replace(" ", "-") if char.isalnum() or char in "-_")
    return f"[`{name}`](#{anchor})"
