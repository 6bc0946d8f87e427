"""The operator's page names every setting, metric and parameter there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from endotwin.settings import Settings, variable
from service import metrics
from service import query as parameters

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "operator.md").read_text()


@pytest.mark.parametrize("field", Settings.model_fields)
def test_setting_is_documented(field: str) -> None:
    assert f"`{variable(field)}`" in PAGE
    assert Settings.model_fields[field].description


@pytest.mark.parametrize("metric", metrics.ALL, ids=lambda metric: metric.describe()[0].name)
def test_metric_is_documented(metric: metrics.Counter | metrics.Gauge | metrics.Histogram) -> None:
    [family] = metric.describe()
    name = family.name + ("_total" if family.type == "counter" else "")
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("name", parameters.DESCRIPTIONS)
def test_parameter_is_documented(name: str) -> None:
    assert f"| `{name}` |" in PAGE
