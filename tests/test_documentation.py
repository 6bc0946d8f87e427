"""Whatever users meet is on the page of those who meet it. All names come from the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import pytest
from documentation import DOCS, table_rows
from typer.main import get_command

from endotwin.cli.main import app
from endotwin.mosaic.parameters import CONDITION_LIMITS
from endotwin.samples.conditions import CONDITIONS, SWITCHES
from endotwin.samples.formats import FORMATS
from endotwin.samples.labelling import IMAGE_LABELS, LABELS
from endotwin.samples.layouts.writing import LAYOUTS
from endotwin.samples.npz import PARAMETER_ARRAYS
from endotwin.settings import FOREIGN_VARIABLES, Settings, variable
from service import metrics
from service.error_codes import ErrorCode
from service.jobs.job import State
from service.jobs.job_body import JobBody
from service.query import DESCRIPTIONS


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


ALL_PAGES = {
    path.name: path.read_text(encoding="utf-8") for path in [*DOCS.glob("*.md"), DOCS.parent / "README.md"]
}


@pytest.mark.parametrize("field", Settings.model_fields)
def test_setting_is_documented_with_its_default(field: str) -> None:
    row = table_rows("operator.md", "## Settings")[variable(field)]
    about = Settings.model_fields[field]
    assert about.description
    if isinstance(about.default, bool | int | float):
        assert (
            row[1]
            == str(int(about.default) if about.default not in (True, False) else about.default).lower()
        )
    elif isinstance(about.default, str):
        assert row[1] == f"`{about.default}`"


def test_no_page_names_a_setting_that_is_not_there() -> None:
    known = {variable(field) for field in Settings.model_fields} | FOREIGN_VARIABLES
    kubernetes = {"ENDOTWIN_PORT", "ENDOTWIN_SERVICE_HOST", "ENDOTWIN_SOMETHING_SERVICE_PORT"}
    named = {
        (name, variable)
        for name, text in ALL_PAGES.items()
        for variable in re.findall(r"\bENDOTWIN_[A-Z_]*[A-Z]\b", text)
    }
    assert {each for each in named if each[1] not in known | kubernetes} == set()


@pytest.mark.parametrize("metric", metrics.ALL, ids=lambda metric: metric.describe()[0].name)
def test_metric_is_documented_with_its_labels(
    metric: metrics.Counter | metrics.Gauge | metrics.Histogram,
) -> None:
    [family] = metric.describe()
    name = family.name + ("_total" if family.type == "counter" else "")
    labels = table_rows("operator.md", "### Metrics")[name][1]
    assert labels == ", ".join(metric._labelnames)


@pytest.mark.parametrize("code", ErrorCode)
def test_error_code_is_documented_with_its_status(code: ErrorCode) -> None:
    rows = {
        **table_rows("jobs.md", "## For users", column=1),
        **table_rows("operator.md", "### Errors", column=1),
    }
    assert str(code.status) in rows[code][0]


def test_no_table_documents_an_error_code_that_is_not_there() -> None:
    documented = table_rows("operator.md", "### Errors", column=1).keys()
    assert documented - {"Allow", "Retry-After", "field", "ENDOTWIN_REQUEST_SECONDS"} <= set(ErrorCode)


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_parameter_of_a_query_is_documented(name: str) -> None:
    assert name in table_rows("operator.md", "### `POST /generate`")
    assert name in table_rows("data-user.md", "## Ask the service")


@pytest.mark.parametrize("name", JobBody.model_fields)
def test_field_of_a_job_is_documented(name: str) -> None:
    assert name in table_rows("jobs.md", "## For users")


@pytest.mark.parametrize("state", State)
def test_state_of_a_job_is_documented(state: StrEnum) -> None:
    assert state in table_rows("jobs.md", "## For users")


@pytest.mark.parametrize("name", LABELS)
def test_label_is_documented(name: str) -> None:
    row = table_rows("data-user.md", "## Labels")[name]
    assert (f"`KEY.{name}.png`" if name in IMAGE_LABELS else "`KEY.json`") in row[2]
    assert f"`{name}`" in table_rows("operator.md", "### `POST /generate`")["labels"][2]
    assert f"`{name}`" in table_rows("jobs.md", "## For users")["labels"][2]
    if name in IMAGE_LABELS:
        assert name in table_rows("data-user.md", "## Formats")


def test_no_label_is_documented_that_is_not_there() -> None:
    assert set(table_rows("data-user.md", "## Labels")) == set(LABELS)


@pytest.mark.parametrize("name", CONDITIONS)
def test_condition_is_documented_with_its_limits(name: str) -> None:
    assert name in table_rows("python.md", "## Images and labels")
    assert f"--{name.replace('_', '-')}" in page("sets.md") or name in SWITCHES
    if name not in CONDITION_LIMITS:  # true or false, or a size
        assert f"`{name}`" in page("data-user.md")
        return
    least, most = (f"{value:g}" for value in CONDITION_LIMITS[name])
    allowed = table_rows("data-user.md", "## Conditions")[name][1]
    assert re.search(rf"\b{re.escape(least)}0* to {re.escape(most)}0*\b", allowed), allowed


@pytest.mark.parametrize("name", PARAMETER_ARRAYS)
def test_parameter_of_an_image_is_documented(name: str) -> None:
    assert name in table_rows("data-user.md", "## Formats")
    part, _, parameter = name.partition("_")
    [line] = re.findall(rf"`{part}`\s\(.*?\)", page("data-user.md"), re.DOTALL)
    assert parameter in line


@pytest.mark.parametrize("name", [*FORMATS, *LAYOUTS])
def test_format_and_layout_are_documented(name: str) -> None:
    assert f"**{name}**" in page("data-user.md") or f"`{name}`" in page("layouts.md")


def options(command: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield the long options of a command and of those below it, each after the command's name."""
    for below, each in getattr(command, "commands", {}).items():
        yield from options(each, f"{name} {below}")
    for parameter in command.params:
        if (option := max(parameter.opts, key=len)).startswith("--"):
            yield name, option


def test_every_option_of_the_command_line_is_documented() -> None:
    found = list(options(get_command(app), "endotwin"))
    assert len(found) > 70
    text = "\n".join(ALL_PAGES.values())
    assert [each for each in found if not re.search(rf"{each[1]}\b", text)] == []
