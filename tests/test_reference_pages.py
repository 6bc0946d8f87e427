"""docs/api.md and docs/http.md are what the code says."""

from __future__ import annotations

import re

import pytest

import endotwin
from scripts.reference import PAGES, ROOT


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_up_to_date(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == PAGES[name](), (
        f"docs/{name} does not say what the code does: run python -m scripts.reference, and commit it"
    )


@pytest.mark.parametrize("name", PAGES)
def test_every_link_within_the_page_leads_somewhere(name: str) -> None:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    titles = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#(.*?)\)", text)) <= anchors


def test_everything_exported_is_described_with_all_it_takes() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert [name for name in endotwin.__all__ if f"### `{name}`\n" not in text] == []
    # A table of arguments has a meaning for each.
    rows = re.findall(r"^\| `\w+` \|.*\|$", text, re.MULTILINE)
    assert len(rows) > 50
    assert [row for row in rows if row.endswith("|  |")] == []
