"""deploy/kubernetes-set.yaml: a valid Indexed Job whose commands make one set together."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_validate import validate
from set_tools import Workshop, digests
from typer.testing import CliRunner

from endotwin.cli.main import app
from endotwin.sets.storage.folder import FolderDestination
from endotwin.settings import Settings, variable

ROOT = Path(__file__).resolve().parents[3]
JOB: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "kubernetes-set.yaml").read_text())
POD = JOB["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]
COMMAND: list[str] = CONTAINER["command"]
COMPLETIONS: int = JOB["spec"]["completions"]


def command_of(index: int) -> list[str]:
    """Return the command that Kubernetes starts for an index: `$(NAME)` is a variable."""
    variables = {"JOB_COMPLETION_INDEX": str(index)}
    return [re.sub(r"\$\((\w+)\)", lambda match: variables[match[1]], word) for word in COMMAND]


@pytest.mark.parametrize("version", ["1.33", "1.35"])
def test_the_job_is_one_that_kubernetes_takes(version: str) -> None:
    validate(JOB, version, strict=True)


def test_a_mistake_in_the_job_would_be_seen() -> None:
    with pytest.raises(Exception, match="backoffLimitPerShard"):
        validate({**JOB, "spec": {**JOB["spec"], "backoffLimitPerShard": 5}}, "1.35", strict=True)


def test_failed_parts_are_retried_and_invalid_commands_are_not() -> None:
    assert POD["restartPolicy"] == "Never"  # or Kubernetes takes no podFailurePolicy
    disrupted, invalid = JOB["spec"]["podFailurePolicy"]["rules"]
    assert disrupted["action"] == "Ignore"
    assert (invalid["action"], invalid["onExitCodes"]["values"]) == ("FailJob", [2])
    assert invalid["onExitCodes"]["containerName"] == CONTAINER["name"]


def test_the_pod_is_the_image_as_it_is_built() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    user, group = POD["securityContext"]["runAsUser"], POD["securityContext"]["runAsGroup"]
    assert f"USER {user}:{group}\n" in dockerfile
    assert COMMAND[:4] == ["python3", "-m", "endotwin.cli.main", "set"]
    spool = next(entry["value"] for entry in CONTAINER["env"] if entry["name"] == "TMPDIR")
    assert [mount["mountPath"] for mount in CONTAINER["volumeMounts"]] == [spool]


def test_it_holds_settings_that_there_are_and_no_secret() -> None:
    names = {entry["name"] for entry in CONTAINER["env"]}
    known = {variable(field) for field in Settings.model_fields}
    assert {name for name in names if name.startswith("ENDOTWIN_")} <= known
    assert names.isdisjoint({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})
    assert CONTAINER["envFrom"] == [{"secretRef": {"name": "endotwin-storage"}}]


@pytest.mark.parametrize("completions", [4, pytest.param(COMPLETIONS, marks=pytest.mark.long)])
def test_the_commands_of_all_indices_make_the_set_of_one_command(
    completions: int,
    workshop: Workshop,
    tiny_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With 12 small shards, in 40 parts or 4; all else is the command as it stands there."""
    monkeypatch.setenv("ENDOTWIN_CHECKPOINT_DIR", str(tiny_checkpoint.parent))
    monkeypatch.setenv("ENDOTWIN_DEVICE", "cpu")
    changes = {"1000000": "48", "s3://bucket/sets/first": str(tmp_path / "parts")}
    changes |= {f"{index}/{COMPLETIONS}": f"{index}/{completions}" for index in range(completions)}
    parts = FolderDestination(tmp_path / "parts")
    for index in range(completions):
        assert parts.stat("manifest.json") is None
        words = [changes.get(word, word) for word in command_of(index)[3:]]
        result = CliRunner().invoke(app, [*words, "--shard-size", "4"])
        assert result.exit_code == 0, result.output
    whole = FolderDestination(tmp_path / "whole")
    workshop.finished(workshop.spec(name="endotwin-tiny-7", n=48, shard_size=4), whole)
    assert digests(parts) == digests(whole)
    assert command_of(3)[-2] == f"3/{COMPLETIONS}"
