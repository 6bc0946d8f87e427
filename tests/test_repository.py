"""What must never be committed: paths of one machine, real images, large files."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
LARGEST = 25_000_000
MACHINE_PATH = re.compile(rb"/(?:work|root|tmp|Users)/\w[\w./-]*")
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp"}


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """Return the files that git tracks, and those it would add next."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [path for name in listing.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_path_of_a_machine(tracked: list[Path]) -> None:
    found = {
        f"{path.relative_to(ROOT)}: {match.decode()}"
        for path in tracked
        for match in MACHINE_PATH.findall(path.read_bytes())
    }
    assert not found


def test_no_large_file(tracked: list[Path]) -> None:
    assert not [str(path.relative_to(ROOT)) for path in tracked if path.stat().st_size > LARGEST]


def pixel_digest(path: Path) -> str:
    """Digest of an image's size and grey levels, the same in whatever format it is stored."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("L"))
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def test_no_real_image(tracked: list[Path], real_data: Path) -> None:
    real = {pixel_digest(path) for path in real_data.rglob("*.png")}
    assert len(real) > 100
    images = [path for path in tracked if path.suffix.lower() in IMAGE_SUFFIXES]
    assert not [str(path.relative_to(ROOT)) for path in images if pixel_digest(path) in real]


def test_a_real_image_would_be_seen_in_another_format(real_data: Path, tmp_path: Path) -> None:
    original = sorted(real_data.rglob("*.png"))[0]
    with Image.open(original) as image:
        image.convert("L").save(tmp_path / "copy.tif")
    assert pixel_digest(tmp_path / "copy.tif") == pixel_digest(original)


def test_a_path_of_a_machine_would_be_seen() -> None:
    folder = b"/" + b"root"  # in two parts: this file is searched too
    assert MACHINE_PATH.findall(b"cd " + folder + b"/venv/bin; ls /var/lib") == [folder + b"/venv/bin"]
