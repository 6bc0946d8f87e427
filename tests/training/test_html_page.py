"""What all HTML reports share: everything is escaped, nothing may be missing, a page appears whole."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest

import training
from training.html_page import write_page

TEMPLATES = sorted((Path(training.__file__).parent / "templates").glob("*.html"))


def test_a_missing_value_is_an_error_and_leaves_no_page(tmp_path: Path) -> None:
    with pytest.raises(jinja2.UndefinedError, match="'scores' is undefined"):
        write_page(tmp_path / "page.html", "blind_test.html", title="Scores")
    assert list(tmp_path.iterdir()) == []


def test_titles_are_escaped(tmp_path: Path) -> None:
    write_page(tmp_path / "page.html", "base.html", title='<i> & "')
    page = (tmp_path / "page.html").read_text()
    assert page.count("&lt;i&gt; &amp; &#34;") == 2
    assert "<i>" not in page


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_turns_escaping_off(template: Path) -> None:
    source = template.read_text()
    assert "safe" not in source
    assert "autoescape" not in source
