"""deploy/compose: a valid file for Docker Compose, in which only the proxy can be reached from outside."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import jsonschema
import pytest
import yaml
from packages import ROOT

from endotwin.settings import Settings, variable

FOLDER = ROOT / "deploy" / "compose"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """Return the schema of the Compose specification, which check-jsonschema brings along."""
    folder = resources.files("check_jsonschema.builtin_schemas") / "vendor"
    content: dict[str, Any] = json.loads((folder / "compose-spec.json").read_text())
    return content


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml"])
def test_the_file_is_what_compose_takes(name: str, schema: dict[str, Any]) -> None:
    jsonschema.validate(yaml.safe_load((FOLDER / name).read_text()), schema)


def test_a_mistake_would_be_seen(schema: dict[str, Any]) -> None:
    services = {**SERVICES, "s3": {**SERVICES["s3"], "readonly": True}}
    with pytest.raises(jsonschema.ValidationError, match="readonly"):
        jsonschema.validate({**COMPOSE, "services": services}, schema)


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_closed_where_it_can_be(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert name == "endotwin" or service["image"].rpartition(":")[2][-1].isdigit()  # not `latest`


def test_only_the_proxy_can_be_reached_from_other_machines() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.pop("proxy") == ["80:80", "443:443"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    assert "endotwin" not in published
    outside = {name for name, service in SERVICES.items() if "outside" in service["networks"]}
    assert outside == {"proxy", *published}
    assert all(
        network == {"internal": True} for name, network in COMPOSE["networks"].items() if name != "outside"
    )


def test_the_service_has_settings_that_there_are_and_room_to_write() -> None:
    service = SERVICES["endotwin"]
    names = {name for name in service["environment"] if name.startswith("ENDOTWIN_")}
    assert names <= set(map(variable, Settings.model_fields))
    assert [volume.partition(":")[2] for volume in service["volumes"]] == ["/var/lib/endotwin", "/tmp"]


def test_no_secret_stands_in_a_file() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            secret = any(word in name for word in ("SECRET", "PASSWORD", "AUTH"))
            assert not secret or ":?" in value, name


def test_every_file_that_is_mounted_is_there() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (FOLDER / source).exists(), source


def test_prometheus_scrapes_the_service_with_its_key() -> None:
    [job] = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["endotwin:3000"]}]
    [secret] = SERVICES["prometheus"]["secrets"]
    assert job["authorization"] == {"credentials_file": f"/run/secrets/{secret}"}
