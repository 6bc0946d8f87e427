"""`python -m scripts.reference`: write the pages again."""

from __future__ import annotations

from scripts.reference import PAGES, ROOT

for name, page in PAGES.items():
    (ROOT / "docs" / name).write_text(page(), encoding="utf-8")
    print(f"docs/{name}")
