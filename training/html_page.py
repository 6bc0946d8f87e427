"""HTML reports: Jinja2 templates with autoescape, each rendered into one file that needs no other."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from endotwin.files import whole_file


class Table(NamedTuple):
    """A table of plain text whose first column names its rows.

    Attributes:
        label: names the table for screen readers.
        head: one text for each column.
        rows: each as long as `head`.
    """

    label: str
    head: list[str]
    rows: list[list[str]]


def write_page(path: Path, template: str, **values: object) -> None:
    """Write a page, whole or not at all.

    Args:
        path: the file.
        template: name of a file in `templates`.
        values: what the template shows; every text is escaped.
    """
    with whole_file(path) as file:
        for part in _environment().get_template(template).generate(**values):
            file.write(part.encode())


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("training"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = _data_uri
    environment.filters["thousands"] = "{:,}".format
    return environment


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
