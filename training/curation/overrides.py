"""A person's own decisions: a file with one `keep: DIGEST` or `drop: DIGEST` a line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from endotwin.image_reading import DataError

TEMPLATE = """\
# The next run of `endotwin-training curate` into this folder honours the lines below, one image each:
#   keep: 0123456789abcdef
#   drop: 0123456789abcdef
# The digests are below the pictures of report.private.html. Text after # is not read.
"""

_LINE = re.compile(r"(keep|drop):\s*([0-9a-f]{16})")


@dataclass(frozen=True)
class Overrides:
    """Digests of images to keep and to drop, whatever was measured."""

    keep: frozenset[str] = frozenset()
    drop: frozenset[str] = frozenset()

    def unknown(self, digests: frozenset[str]) -> list[str]:
        """Return what is named but not among the images, sorted."""
        return sorted((self.keep | self.drop) - digests)


def read_overrides(path: Path) -> Overrides:
    """Read an overrides file.

    Raises:
        DataError: it cannot be read, a line is neither of the two forms (it is named), or an image is
            to be kept and dropped.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {getattr(error, 'strerror', None) or 'not a text file'}") from error
    chosen: dict[str, set[str]] = {"keep": set(), "drop": set()}
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise DataError(
                f"{path}, line {number}: {text!r}; a line is keep: or drop: and the 16 digits of an image"
            )
        chosen[match[1]].add(match[2])
    both = chosen["keep"] & chosen["drop"]
    if both:
        raise DataError(f"{path}: {', '.join(sorted(both))} cannot be kept and dropped")
    return Overrides(frozenset(chosen["keep"]), frozenset(chosen["drop"]))
