"""What goes wrong with a whole curation, and with a single file."""

from __future__ import annotations


class CurationError(Exception):
    """The curation cannot run; the message says why and what is allowed."""


class UnreadableError(Exception):
    """A file is no usable image.

    The message never repeats a path, a name or a header: it goes into files that leave the clinic.
    """
