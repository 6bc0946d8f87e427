"""The formats that are streamed, by the name a caller asks for."""

from __future__ import annotations

from collections.abc import Sequence

from endotwin.samples.archive import Archive
from endotwin.samples.labelling import LabellingError
from endotwin.samples.npy import NpyArchive
from endotwin.samples.tar import TarArchive
from endotwin.samples.zip import ZipArchive

FORMATS: dict[str, type[Archive]] = {"tar": TarArchive, "zip": ZipArchive, "npy": NpyArchive}


def check_format(kind: str, labels: Sequence[str]) -> None:
    """Check that a format has a place for labels.

    Args:
        kind: a key of `FORMATS`.
        labels: names from `LABELS`.

    Raises:
        LabellingError: it has none; the message says which formats have.
    """
    missing = [name for name in labels if name not in FORMATS[kind].holds]
    if missing:
        able = [name for name, archive in FORMATS.items() if archive.holds.issuperset(labels)]
        raise LabellingError(
            "format", f"format {kind} has no place for {', '.join(missing)}; {', '.join(able)} have one"
        )
