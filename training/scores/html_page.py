"""What the HTML reports share: one file that stands alone, readable on a phone and on a desk."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence

_STYLE = """
:root { color-scheme: light; font: 15px/1.45 system-ui, sans-serif; color: #1c2733; background: #fff }
body { max-width: 1180px; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.4rem; border-top: 1px solid #ccd5de;
  padding-top: 1rem }
.note { background: #fff4d6; border-left: 4px solid #b98500; padding: .6rem .9rem }
table { border-collapse: collapse; width: 100% } td { padding: .15rem .6rem .15rem 0; white-space: nowrap }
td.n { text-align: right; font-variant-numeric: tabular-nums }
.scroll { overflow-x: auto } th { font-weight: 600; padding: .15rem .6rem .15rem 0; text-align: left }
thead th { border-bottom: 1px solid #ccd5de; vertical-align: bottom } thead th + th { text-align: right }
tbody th { font-weight: 400; min-width: 10rem }
.sheet { display: flex; flex-wrap: wrap; gap: 14px; align-items: flex-end }
figure { margin: 0 } figcaption { font-size: 12px; line-height: 1.3; color: #3d4b59 }
code { user-select: all; font-size: 11.5px; background: #eef2f5; padding: 0 3px }
a { color: #155a8a }
"""


def open_page(title: str, style: str = "", above: str = "") -> str:
    """Return the start of a page, up to its heading.

    Args:
        title: plain text, of the tab and of the heading.
        style: CSS in addition to what the reports share.
        above: HTML above the heading.
    """
    title = html.escape(title)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}{style}</style></head><body>{above}<h1>{title}</h1>"
    )


def close_page() -> str:
    """Return the end of a page."""
    return "</body></html>\n"


def picture(data: bytes, kind: str, alt: str = "") -> str:
    """Return an image element that holds its picture.

    Args:
        data: the bytes of the file.
        kind: png or jpeg.
        alt: plain text for those who do not see it.
    """
    return (
        f'<img alt="{html.escape(alt)}" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, label: str) -> str:
    """Return a table whose first column names its rows; on a narrow screen it scrolls by itself.

    Args:
        head: plain text of each column.
        rows: plain text, as long as `head`.
        label: plain text that names the table for those who do not see it.
    """
    heads = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in head)
    lines = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th>'
        + "".join(f'<td class="n">{html.escape(cell)}</td>' for cell in cells)
        + "</tr>"
        for name, *cells in rows
    )
    return (
        f'<div class="scroll"><table aria-label="{html.escape(label)}"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )


def figure(data: bytes, caption: str, alt: str, kind: str = "") -> str:
    """Return a PNG with a caption.

    Args:
        data: the bytes of the PNG.
        caption: plain text below it.
        alt: plain text for those who do not see it.
        kind: classes: `scroll wide` keeps it legible on a narrow screen, where it scrolls by itself.
    """
    return (
        f'<figure><div class="{kind}">{picture(data, "png", alt)}</div>'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )
