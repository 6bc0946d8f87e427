"""deploy/kubernetes: what Kubernetes takes, as the image is, and closed where it can be."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from kubernetes_validate import validate
from packages import ROOT, arguments

from endotwin.settings import Settings, variable

FOLDER = ROOT / "deploy" / "kubernetes"
NAMES = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
OBJECTS: dict[str, dict[str, Any]] = {
    content["kind"]: content for content in (yaml.safe_load((FOLDER / name).read_text()) for name in NAMES)
}
LABELS = OBJECTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
POD: dict[str, Any] = OBJECTS["Deployment"]["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]

needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")


def built(folder: str) -> list[dict[str, Any]]:
    """Return what `kubectl apply -k` sends."""
    command = ["kubectl", "kustomize", ROOT / "deploy" / folder]
    return list(
        yaml.safe_load_all(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    )


@pytest.mark.parametrize("version", ["1.33", "1.35"])
@pytest.mark.parametrize("kind", OBJECTS)
def test_every_object_is_one_that_kubernetes_takes(kind: str, version: str) -> None:
    validate(OBJECTS[kind], version, strict=True)


def test_a_mistake_would_be_seen() -> None:
    spec = {**OBJECTS["Deployment"]["spec"], "replica": 2}
    with pytest.raises(Exception, match="replica"):
        validate({**OBJECTS["Deployment"], "spec": spec}, "1.35", strict=True)


def test_all_objects_are_about_the_same_pods() -> None:
    assert OBJECTS["Deployment"]["spec"]["selector"]["matchLabels"] == LABELS
    assert OBJECTS["Service"]["spec"]["selector"] == LABELS
    assert OBJECTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == LABELS
    assert OBJECTS["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == LABELS
    [port] = CONTAINER["ports"]
    assert OBJECTS["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]
    assert OBJECTS["NetworkPolicy"]["spec"]["ingress"][0]["ports"] == [{"port": port["name"]}]


def test_the_pod_starts_what_the_image_starts() -> None:
    [command] = arguments("CMD")
    started = json.loads(command)
    assert CONTAINER["args"][:-1] == started[:-1]
    assert str(CONTAINER["ports"][0]["containerPort"]) == started[started.index("--port") + 1]
    user, group = POD["securityContext"]["runAsUser"], POD["securityContext"]["runAsGroup"]
    assert arguments("USER") == [f"{user}:{group}"]


def test_a_stop_ends_before_the_kill() -> None:
    assert int(CONTAINER["args"][-1]) <= POD["terminationGracePeriodSeconds"] - 10


@pytest.mark.parametrize("name", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_every_probe_has_a_timeout(name: str) -> None:
    probe = CONTAINER[name]
    assert probe["httpGet"]["path"] == ("/livez" if name == "livenessProbe" else "/readyz")
    assert probe["timeoutSeconds"] > 1


def test_the_pod_can_do_no_more_than_it_has_to() -> None:
    assert POD["enableServiceLinks"] is False
    assert POD["automountServiceAccountToken"] is False
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    allowed = CONTAINER["securityContext"]
    assert allowed["readOnlyRootFilesystem"] is True
    assert allowed["allowPrivilegeEscalation"] is False
    assert allowed["capabilities"] == {"drop": ["ALL"]}
    assert [mount["mountPath"] for mount in CONTAINER["volumeMounts"] if not mount.get("readOnly")] == [
        "/tmp"
    ]
    assert OBJECTS["NetworkPolicy"]["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert OBJECTS["NetworkPolicy"]["spec"]["egress"] == []


def test_the_pod_has_one_gpu_and_bounds() -> None:
    limits = CONTAINER["resources"]["limits"]
    assert limits["nvidia.com/gpu"] == 1
    assert limits["memory"] == CONTAINER["resources"]["requests"]["memory"]
    assert all("sizeLimit" in volume["emptyDir"] for volume in POD["volumes"] if "emptyDir" in volume)


@needs_kubectl
@pytest.mark.parametrize("folder", ["kubernetes", "kubernetes-jobs"])
def test_what_kubectl_makes_of_a_folder_is_valid(folder: str) -> None:
    objects = built(folder)
    assert {each["kind"] for each in objects} >= set(OBJECTS)
    for each in objects:
        validate(each, "1.35", strict=True)
    [deployment] = [each for each in objects if each["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/endotwin:0.1.0"
    names = {entry["name"] for entry in container["env"]}
    assert {name for name in names if name.startswith("ENDOTWIN_")} <= set(
        map(variable, Settings.model_fields)
    )
    assert names.isdisjoint({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})


@needs_kubectl
def test_jobs_are_done_by_one_pod_that_reaches_storage_and_keeps_their_file() -> None:
    objects = {each["kind"]: each["spec"] for each in built("kubernetes-jobs")}
    deployment = objects["Deployment"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    [container] = deployment["template"]["spec"]["containers"]
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/tmp", "/var/lib/endotwin"}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["resources"] == CONTAINER["resources"]
    assert objects["PersistentVolumeClaim"]["accessModes"] == ["ReadWriteOncePod"]
    assert {port["port"] for rule in objects["NetworkPolicy"]["egress"] for port in rule["ports"]} == {
        53,
        443,
    }
