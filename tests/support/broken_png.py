"""PNG files that claim what they do not hold."""

from __future__ import annotations

import struct
import zlib


def png(width: int, height: int, data: bytes) -> bytes:
    """Return a PNG that claims a size, with compressed data that need not match it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n"]
    for body in (b"IHDR" + header, b"IDAT" + data, b"IEND"):
        parts.append(struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)))
    return b"".join(parts)
