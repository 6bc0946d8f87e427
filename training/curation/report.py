"""`report.private.html`: the funnel, a contact sheet per reason, and what was cut, in one file."""

from __future__ import annotations

import html
from collections.abc import Iterable
from pathlib import Path

from endotwin.files import whole_file
from training.curation.decisions import Reason
from training.curation.run import Curation
from training.curation.summary import FileFate
from training.scores.html_page import close_page, open_page, picture

REPORT = "report.private.html"

SHOWN = 120
"""Pictures of a contact sheet: those nearest to their threshold, since those are wrong first."""

_UNTOUCHED = 0.995
"""An image that keeps this share of its area was not cut."""

_TITLES = {
    Reason.UNREADABLE: "Files that could not be read",
    Reason.EXACT_DUPLICATE: "The same pixels as another file",
    Reason.TOO_SMALL: "Smaller than a training crop",
    Reason.EMPTY: "Black, or of one level",
    Reason.IRRELEVANT: "No cell mosaic",
    Reason.NEAR_DUPLICATE: "The same cells as another image (shown beside it)",
    Reason.BLURRY: "Too blurry",
    Reason.SATURATED: "Saturated",
    Reason.TOO_DARK: "Too dark",
    Reason.BY_HAND: "Dropped by a line of the overrides file",
}

_STYLE = """
td.bar { width: 100% }
.bar span { display: block; height: 1.05rem; background: #8aa4bd } .left .bar span { background: #1f6f54 }
.left td { font-weight: 600; border-top: 1px solid #ccd5de }
figure { max-width: 330px }
.pair { display: flex; gap: 3px; align-items: flex-end }
.picture { position: relative; display: inline-block; overflow: hidden; line-height: 0;
  border: 1px solid #ccd5de }
.picture i { position: absolute; outline: 2px solid #ffb000; box-shadow: 0 0 0 400px rgb(120 20 60 / 55%) }
"""


def write_report(curation: Curation, out: Path) -> Path:
    """Write the report and return its path."""
    path = out / REPORT
    with whole_file(path) as file:
        for part in _parts(curation):
            file.write(part.encode())
    return path


def _parts(curation: Curation) -> Iterable[str]:
    counts = curation.summary.counts
    yield open_page("Curation report", _STYLE)
    yield (
        '<p class="note">This report shows originals, with whatever was burnt into them, names of patients '
        "included. It stays in the clinic, as every file here with <b>private</b> in its name.</p>"
        f"<p>{counts['found']:,} files found, {counts['kept']:,} images kept, {counts['kept by hand']:,} "
        "of them by hand. To overrule a decision, copy the line below a picture into "
        "<code>overrides.txt</code> and run the command again.</p>"
    )
    yield _funnel(curation)
    for reason in Reason:
        files = [file for file in curation.summary.files if file.reason is reason]
        if files:
            yield _dropped(curation, reason, files)
    yield _kept(curation)
    yield close_page()


def _funnel(curation: Curation) -> str:
    counts = curation.summary.counts
    found = max(1, counts["found"])
    left = counts["found"]
    rows = [("found", "", left)]
    for reason in Reason:
        if counts[reason]:
            left -= counts[reason]
            rows.append((f'<a href="#{_anchor(reason)}">{reason}</a>', f"−{counts[reason]:,}", left))
    lines = [
        f'<tr><td>{name}</td><td class="n">{change}</td><td class="n">{rest:,}</td>'
        f'<td class="bar"><span style="width:{100 * rest / found:.2f}%"></span></td></tr>'
        for name, change, rest in rows
    ]
    lines.append(
        f'<tr class="left"><td><a href="#kept">kept</a></td><td></td><td class="n">{counts["kept"]:,}</td>'
        f'<td class="bar"><span style="width:{100 * counts["kept"] / found:.2f}%"></span></td></tr>'
    )
    return f'<h2>Funnel</h2><table aria-label="Files left after each reason">{"".join(lines)}</table>'


def _dropped(curation: Curation, reason: Reason, files: list[FileFate]) -> str:
    heading = f'<h2 id="{_anchor(reason)}">{_TITLES[reason]}: {len(files):,}</h2>'
    if reason is Reason.UNREADABLE:
        return heading + _unreadable(files)
    chosen = sorted(files, key=lambda file: _distance(curation, file))[:SHOWN]
    if len(files) > SHOWN:
        heading += f"<p>The {SHOWN} nearest to their threshold; curation.json lists all.</p>"
    return heading + _sheet(_figure(curation, file) for file in chosen)


def _kept(curation: Curation) -> str:
    kept = [file for file in curation.summary.files if file.kept]
    cut = [file for file in kept if _share(file) < _UNTOUCHED]
    whole = [file for file in kept if _share(file) >= _UNTOUCHED]
    by_area = sorted(cut, key=_share)
    return (
        f'<h2 id="cut">Kept, and cut: {len(cut):,}</h2><p>The frame is what was kept, the shade is what '
        f"was cut off; smallest share first, {min(SHOWN, len(cut))} shown.</p>"
        + _sheet(_figure(curation, file) for file in by_area[:SHOWN])
        + f'<h2 id="kept">Kept whole: {len(whole):,}</h2><p>{min(SHOWN, len(whole))} shown.</p>'
        + _sheet(_figure(curation, file) for file in whole[:SHOWN])
    )


def _unreadable(files: list[FileFate]) -> str:
    rows = "".join(
        f'<tr><td class="n">file {file.file}</td><td>{html.escape(file.detail or "")}</td>'
        f"<td>{file.digest or 'no digest'}</td></tr>"
        for file in files
    )
    return f"<p>originals.private.json tells their paths.</p><table>{rows}</table>"


def _figure(curation: Curation, file: FileFate) -> str:
    assert file.digest is not None
    pictures = _picture(curation, file.digest)
    if file.of is not None and file.of != file.digest:
        pictures = f'<div class="pair">{pictures}{_picture(curation, file.of)}</div>'
    caption = html.escape(_words(curation, file))
    if file.of != file.digest:  # the same bytes have one digest, and one decision
        caption += f"<br><code>{'drop' if file.kept else 'keep'}: {file.digest}</code>"
    return f"<figure>{pictures}<figcaption>{caption}</figcaption></figure>"


def _words(curation: Curation, file: FileFate) -> str:
    if file.points is not None and file.overlap is not None:
        return f"{file.points} points in {file.of}, overlap {file.overlap:.0%}"
    if file.of is not None and file.of == file.digest:
        return f"same bytes as {file.of}"
    if file.of is not None:
        return f"copy of {file.of}"
    text = ""
    if file.measure is not None and file.value is not None and file.limit is not None:
        limit = getattr(curation.summary.thresholds.limits, file.limit)
        text = f"{file.measure} {file.value:.3g}, {file.limit} {limit:g}"
    if file.kept_by_hand:
        return f"kept by hand: {text}"
    if file.kept:
        found = ", ".join(f"{kind} {share:.1%}" for kind, share in file.found.items())
        return f"{_share(file):.0%} kept" + (f"; {found}" if found else "")
    return text


def _picture(curation: Curation, digest: str) -> str:
    record = curation.records[digest]
    frame = ""
    if record.box and record.width and record.height and record.box.area < record.width * record.height:
        box = record.box
        frame = (
            f'<i style="left:{100 * box.left / record.width:.2f}%;top:{100 * box.top / record.height:.2f}%;'
            f"width:{100 * box.width / record.width:.2f}%;height:{100 * box.height / record.height:.2f}%"
            '"></i>'
        )
    return f'<span class="picture">{picture(curation.store.thumbnail(digest), "jpeg")}{frame}</span>'


def _distance(curation: Curation, file: FileFate) -> float:
    """Return how far beyond its threshold a value is, relative to the threshold."""
    limits = curation.summary.thresholds.limits
    if file.points is not None:
        return file.points / limits.points_min
    if file.value is None or file.limit is None:
        return 0.0
    limit = float(getattr(limits, file.limit))
    return abs(file.value - limit) / max(abs(limit), 1e-9)


def _share(file: FileFate) -> float:
    if file.box is None or file.size is None:
        return 1.0
    return file.box.area / (file.size[0] * file.size[1])


def _sheet(figures: Iterable[str]) -> str:
    return f'<div class="sheet">{"".join(figures)}</div>'


def _anchor(reason: Reason) -> str:
    return reason.value.replace(" ", "-")
