"""A folder of rendered masks, which grows: images/KEY.png, masks/KEY.png, instances/KEY.png.

It is the layout `masks`. KEY is the name of the mask's file, a hyphen and the appearance. An image is there
when its row is in parameters.csv; what a killed process left without one is made again, the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from endotwin.files import OutputError, remove_unfinished, require_folder, require_free, whole_file
from endotwin.samples.layouts.masks import LABEL_FOLDERS
from endotwin.samples.mask_files import MaskFile
from endotwin.samples.png import encode_png
from endotwin.samples.rendered_masks import RenderedMask

_ROWS, _ORIGIN = "parameters.csv", "dataset.json"
_WHO = ("key", "mask", "appearance", "index", "instrument")
_FOLDERS = ("images", LABEL_FOLDERS["borders"], "instances")

Row = dict[str, str]


class RenderedFolder:
    """Write rendered masks to a folder, and know those that are there. Not for two processes at once."""

    def __init__(self, path: Path, origin: Mapping[str, Any]) -> None:
        """Open a folder, or make one.

        Args:
            path: of the folder.
            origin: all that images follow from beside mask and appearance, for JSON.

        Raises:
            OutputError: something else is there, or images of another origin.
            OSError: it cannot be read or written.
        """
        self._path = path
        self._origin = dict(origin)
        require_folder(path)
        if (path / _ORIGIN).is_file():
            self._check_origin()
            remove_unfinished(path)
        else:
            require_free(path)
        self._rows = {row["key"]: row for row in self._read_rows() if self._has_files(row["key"])}
        self._write_origin(complete=False)
        self._write_rows()

    def has(self, mask: MaskFile, appearance: int) -> bool:
        """Return whether the image of a mask is there; one of the same name and other cells is not."""
        row = self._rows.get(_key(mask, appearance))
        return row is not None and row["index"] == str(mask.index)

    def add(self, mask: MaskFile, rendered: RenderedMask) -> None:
        """Write an image with its labels, then its row.

        Raises:
            OSError: it cannot be written.
        """
        key = _key(mask, rendered.view.appearance)
        mosaic = rendered.view.mosaic
        pixels: tuple[np.ndarray, ...] = (rendered.image, mosaic.borders, mosaic.instances)
        for folder, array in zip(_FOLDERS, pixels, strict=True):
            with whole_file(self._path / folder / f"{key}.png") as file:
                file.write(encode_png(array))
        row = _row(key, mask, rendered)
        self._rows[key] = row
        with (self._path / _ROWS).open("ab") as file:
            file.write(_as_csv([row], head=len(self._rows) == 1))

    def finish(self) -> int:
        """Sort parameters.csv, write dataset.json, and return how many images there are."""
        self._write_rows()
        self._write_origin(complete=True)
        return len(self._rows)

    def _check_origin(self) -> None:
        try:
            there = json.loads((self._path / _ORIGIN).read_text(encoding="utf-8"))["endotwin"]
            differing = [name for name, value in self._origin.items() if there[name] != value]
        except (KeyError, TypeError, ValueError) as error:
            raise OutputError(f"{self._path} holds no images of own masks; name another folder") from error
        if differing:
            told = ", ".join(f"{name} {there[name]!r}, now {self._origin[name]!r}" for name in differing)
            raise OutputError(f"{self._path} holds images of another order ({told}); name another folder")

    def _read_rows(self) -> list[Row]:
        """Return the rows that are whole: a killed process may have left a part of one."""
        path = self._path / _ROWS
        if not path.is_file():
            return []
        lines = path.read_bytes().decode(errors="replace").splitlines(keepends=True)
        whole = "".join(line for line in lines if line.endswith("\n"))
        return [
            row
            for row in csv.DictReader(io.StringIO(whole))
            if None not in row.values() and None not in row
        ]

    def _has_files(self, key: str) -> bool:
        return all((self._path / folder / f"{key}.png").is_file() for folder in _FOLDERS)

    def _write_rows(self) -> None:
        rows = sorted(self._rows.values(), key=lambda row: (row["mask"], int(row["appearance"])))
        with whole_file(self._path / _ROWS) as file:
            file.write(_as_csv(rows, head=True) if rows else b"")

    def _write_origin(self, *, complete: bool) -> None:
        content = {"complete": complete, "endotwin": self._origin, "n": len(self._rows)}
        with whole_file(self._path / _ORIGIN) as file:
            file.write((json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def _key(mask: MaskFile, appearance: int) -> str:
    return f"{mask.name}-{appearance}"


def _row(key: str, mask: MaskFile, rendered: RenderedMask) -> Row:
    view = rendered.view
    who = (key, mask.path.name, view.appearance, view.mosaic.mask.index, rendered.instrument)
    row: dict[str, object] = dict(zip(_WHO, who, strict=True))
    for part, values in rendered.parameters.items():
        row |= {f"{part}_{name}": value for name, value in values.items() if name != "appearance"}
    return {name: "" if value is None else str(value) for name, value in row.items()}


def _as_csv(rows: list[Row], *, head: bool) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    if head:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
