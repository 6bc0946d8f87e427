"""The OpenAPI description at /docs.json is valid, and says what the service does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from live_server import LiveServer
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from endotwin import __version__
from endotwin.image_range import MAX_INDEX, MAX_SEED
from endotwin.mosaic.parameters import CONDITION_LIMITS
from endotwin.samples.conditions import CONDITIONS, SIZE, SWITCHES
from endotwin.samples.labelling import LABELS
from service.error_codes import ErrorCode

DOCS = Path(__file__).resolve().parents[2] / "docs"

Description = dict[str, Any]


@pytest.fixture(scope="module")
def description(server: LiveServer) -> Description:
    """Return what the service says about itself."""
    described: Description = json.loads(server.request("/docs.json", "GET").body)
    return described


def test_the_description_is_valid(description: Description) -> None:
    validate(description, cls=OpenAPIV31SpecValidator)
    assert description["openapi"].startswith("3.1.")
    assert description["info"]["version"] == __version__


def test_numbers_have_the_limits_of_the_service(description: Description) -> None:
    parameters = description["paths"]["/generate"]["post"]["parameters"]
    schemas = {parameter["name"]: parameter["schema"] for parameter in parameters}
    limits = {name: (schemas[name]["minimum"], schemas[name]["maximum"]) for name in ("n", "seed", "start")}
    assert limits == {"n": (1, 5000), "seed": (0, MAX_SEED), "start": (0, MAX_INDEX)}
    assert (schemas["expert_hand"]["type"], schemas["expert_hand"]["default"]) == ("boolean", False)
    assert re.fullmatch(schemas[SIZE]["pattern"], schemas[SIZE]["default"])
    assert not re.fullmatch(schemas[SIZE]["pattern"], "99x128")
    for name in set(CONDITIONS) - SWITCHES - {SIZE}:
        number = schemas[name].get("anyOf", [schemas[name]])[0]
        assert (number["minimum"], number["maximum"]) == CONDITION_LIMITS[name]
    body = description["components"]["schemas"]["JobBody"]["properties"]
    assert (body["n"]["minimum"], body["n"]["maximum"]) == (1, 10_000_000)


def test_names_are_those_of_the_service(description: Description) -> None:
    parameters = description["paths"]["/generate"]["post"]["parameters"]
    schemas = {parameter["name"]: parameter["schema"] for parameter in parameters}
    assert schemas["format"]["enum"] == ["tar", "zip", "npy"]
    assert schemas["model"]["enum"] == ["tiny", "tiny-labelled"]
    assert re.fullmatch(schemas["labels"]["pattern"], ",".join(LABELS))
    body = description["components"]["schemas"]["JobBody"]["properties"]
    assert body["format"]["enum"] == ["tar", "zip"]
    assert list(body["conditions"]["properties"]) == list(CONDITIONS)


def test_every_code_is_described_and_documented(description: Description) -> None:
    assert description["components"]["schemas"]["ErrorCode"]["enum"] == list(ErrorCode)
    given = {
        code
        for path in description["paths"].values()
        for operation in path.values()
        for response in operation["responses"].values()
        for code in response.get("x-error-codes", [])
    }
    # What is wrong with the method is no answer of a route.
    assert given == set(ErrorCode) - {ErrorCode.METHOD_NOT_ALLOWED, ErrorCode.BAD_REQUEST}
    pages = (DOCS / "operator.md").read_text() + (DOCS / "jobs.md").read_text()
    assert [code for code in ErrorCode if f"`{code}`" not in pages] == []


def test_every_operation_says_what_it_is_about(description: Description) -> None:
    operations = [operation for path in description["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] and operation["tags"] for operation in operations)


METHODS = {
    "/generate": "POST",
    "/models": "GET",
    "/models/tiny": "GET",
    "/jobs": "GET, POST",
    f"/jobs/{'0' * 32}": "DELETE, GET",
    f"/jobs/{'0' * 32}/resume": "POST",
    "/docs.json": "GET",
    "/": "GET, HEAD",
    "/readyz": "GET, HEAD",
    "/metrics": "GET, HEAD",
}


@pytest.mark.parametrize("path", METHODS)
@pytest.mark.parametrize("method", ["PUT", "OPTIONS"])
def test_a_wrong_method_is_told_all_the_right_ones(server: LiveServer, path: str, method: str) -> None:
    reply = server.request(path, method)
    assert (reply.status, reply.headers["Allow"]) == (405, METHODS[path])
    assert METHODS[path] in reply.error["message"]


@pytest.mark.parametrize(
    "path", ["/schema.json", "/static_content/swagger-ui.js", "/static_content/", "/nowhere"]
)
def test_there_is_nothing_that_is_not_described(server: LiveServer, path: str) -> None:
    reply = server.request(path, "GET")
    assert (reply.status, reply.error["code"]) == (404, "not_found")
