"""The alert rules and the dashboard: Prometheus takes them, and they ask for nothing that is not there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import REGISTRY

from service import metrics
from service.metrics_page import RuntimeCollector

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
OPERATOR = (DEPLOY.parent / "docs" / "operator.md").read_text()


def promtool(*arguments: str | Path) -> None:
    """Run promtool in the folder of the rules."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("needs promtool: apt-get install prometheus")
    ran = subprocess.run(
        [program, *arguments], cwd=RULES.parent, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[str]:
    """Yield what the alerts and the panels ask for, with the variables of Grafana filled in."""
    yield from (rule["expr"] for rule in alerts())
    for panel in panels():
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "1m").replace("$instance", "a|b")


def series_names() -> set[str]:
    """Return the names of all series that a service may have."""
    runtime = SimpleNamespace(device_name="cpu", settings=SimpleNamespace(max_streams=1, small_streams=1))
    families = [family for metric in metrics.ALL for family in metric.describe()]
    families += RuntimeCollector(lambda: runtime).collect()
    families += (family for family in REGISTRY.collect() if family.name.startswith("process_"))
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {family.name + ending for family in families for ending in endings[family.type]} | {"up"}


def test_prometheus_takes_the_rules() -> None:
    promtool("check", "rules", RULES)


def test_alerts_fire_when_they_should() -> None:
    promtool("test", "rules", "alerts.test.yml")


def test_every_alert_has_a_test_and_is_documented() -> None:
    tested = (RULES.parent / "alerts.test.yml").read_text()
    for rule in alerts():
        assert re.search(rf"\b{rule['alert']}\b", tested)
        assert f"`{rule['alert']}`" in OPERATOR
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_prometheus_understands_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{at}", "expr": text} for at, text in enumerate(expressions())]
    assert len(rules) > 30
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", file)


def test_nothing_asks_for_a_metric_that_is_not_there() -> None:
    served = series_names()
    asked = {
        name for text in expressions() for name in re.findall(r"\b(?:endotwin|process)_\w+|\bup\b", text)
    }
    assert len(asked) > 20
    assert asked <= served


def test_the_dashboard_is_one_by_the_schema_of_grafana() -> None:
    register_default_plugins()
    understood = json.loads(JSONEncoder().encode(Dashboard.from_json(DASHBOARD)))

    def check(written: Any, read: Any, at: str) -> None:
        """Hold everything that is written against what was read: a name that is unknown is not there."""
        if isinstance(written, dict):
            assert set(written) <= set(read), at
            for name, value in written.items():
                check(value, read[name], f"{at}.{name}")
        elif isinstance(written, list):
            assert len(written) == len(read), at
            for place, pair in enumerate(zip(written, read, strict=True)):
                check(*pair, f"{at}[{place}]")
        else:
            assert written == read, at

    check(DASHBOARD, understood, "dashboard")


def test_panels_are_explained_and_do_not_overlap() -> None:
    assert all(panel["description"] and panel["title"] for panel in panels())
    places = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24
    identities = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(identities) == len(set(identities))


def test_compose_loads_the_rules_and_the_dashboard() -> None:
    compose = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    mounted: dict[str, str] = {}
    for name in ("prometheus", "grafana"):
        for volume in compose["services"][name]["volumes"]:
            source, target = volume.split(":")[:2]
            if source.startswith("."):
                assert (DEPLOY / "compose" / source).is_file()
                mounted[target] = source
    prometheus = yaml.safe_load((DEPLOY / "compose" / "prometheus.yml").read_text())
    assert prometheus["rule_files"] == ["/etc/prometheus/alerts.yml"]
    assert mounted["/etc/prometheus/alerts.yml"] == "../prometheus/alerts.yml"
    [provider] = yaml.safe_load((DEPLOY / "grafana" / "dashboards.yaml").read_text())["providers"]
    assert mounted[f"{provider['options']['path']}/endotwin.json"] == "../grafana/dashboard.json"
