"""The JSON schema of `evaluation.json`, as docs/evaluation.schema.json holds it; run to print it."""

from __future__ import annotations

import json

from training.scores.results import Evidence


def evidence_schema() -> str:
    """Return the JSON schema as text, one line at its end."""
    return json.dumps(Evidence.model_json_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(evidence_schema(), end="")
