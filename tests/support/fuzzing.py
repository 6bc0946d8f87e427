"""Requests made up from the OpenAPI description, and every answer held against it (schemathesis)."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from schemathesis.engine.run import PhaseName
from schemathesis.specs.openapi.schemas import OpenApiSchema

ALLOWED_BUCKET = "data"
"""The bucket that jobs may write to: destinations are moved there, or none would be allowed."""

_EVERYWHERE = {"connection", "content-length", "content-type", "date", "transfer-encoding"}
"""Headers of HTTP itself, which a description leaves out."""


@dataclass
class Findings:
    """What came of a run.

    Attributes:
        cases: requests that were sent.
        statuses: how many answers of every status there were.
        failures: what was wrong, each once, with the request as a curl command.
    """

    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)


def configuration(max_examples: int, seed: int = 1) -> SchemathesisConfig:
    """Return a configuration with all checks but one.

    Args:
        max_examples: made-up requests for every operation, beside those that try all limits in turn.
        seed: another one makes other requests.
    """
    # What fits the schemas and is refused: parameters exclude each other, and keys were used before.
    accepted = ["2xx", "400", "401", "403", "404", "409", "422", "429", "503"]
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "request-timeout": 120,
            "checks": {
                "positive_data_acceptance": {"expected-statuses": accepted},
                "use_after_free": {"enabled": False},  # a job that was cancelled can still be looked up
            },
            "generation": {"max-examples": max_examples, "database": "none"},
        }
    )


def fuzz(schema: OpenApiSchema) -> Findings:
    """Send made-up requests, and hold the answers against the description."""
    findings = Findings()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished) and event.phase is not PhaseName.PROBING:
            _add(findings, event)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            text = str(getattr(event, "info", None) or event.exception)
            findings.failures.setdefault(text, "")
    return findings


def _add(findings: Findings, event: events.ScenarioFinished) -> None:
    findings.cases += len(event.recorder.interactions)
    for interaction in event.recorder.interactions.values():
        if interaction.response is not None:
            findings.statuses[interaction.response.status_code] += 1
    for checks in event.recorder.checks.values():
        for check in checks:
            if check.status is Status.FAILURE and check.failure_info is not None:
                failure = check.failure_info.failure
                text = f"{failure.operation}: {check.name}: {failure.title}: {failure.message}"
                findings.failures.setdefault(text, check.failure_info.code_sample)


@schemathesis.hook
def map_body(context: HookContext, body: Any) -> Any:
    """Move the destination of a job to the bucket that is allowed."""
    if isinstance(body, dict) and isinstance(body.get("destination"), str):
        return {
            **body,
            "destination": re.sub(r"^s3://[^/]+", f"s3://{ALLOWED_BUCKET}", body["destination"]),
        }
    return body


def _described(response: Response, case: Case) -> dict[str, Any]:
    responses = case.operation.definition.raw["responses"]
    described: dict[str, Any] = responses.get(str(response.status_code), {})
    return described


@schemathesis.check
def codes_are_described(ctx: CheckContext, response: Response, case: Case) -> None:
    """An error has one of the codes that the description lists for its status."""
    codes = _described(response, case).get("x-error-codes")
    if codes is not None:
        code = response.json()["error"]["code"]
        assert code in codes, f"{response.status_code} with code {code} that is not described"


@schemathesis.check
def headers_are_described(ctx: CheckContext, response: Response, case: Case) -> None:
    """An answer has no header that the description leaves out."""
    described = _described(response, case)
    if described:
        names = {name.lower() for name in described.get("headers", {})}
        unknown = sorted(set(response.headers) - names - _EVERYWHERE)
        assert not unknown, f"{response.status_code} with headers {unknown} that are not described"
