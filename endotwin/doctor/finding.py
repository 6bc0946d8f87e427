"""What was found about one subject."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from endotwin.quoting import escape_unprintable, hide_secrets


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    ADVICE = "advice"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """A finding, of one line and without secrets.

    Attributes:
        level: how bad it is.
        subject: what was looked at, in a word or two.
        text: what was found, and what to do about it.
    """

    level: Level
    subject: str
    text: str

    def __post_init__(self) -> None:
        """Take out line breaks and secrets."""
        line = escape_unprintable(" ".join(hide_secrets(self.text).split()))
        object.__setattr__(self, "text", line)

    def __str__(self) -> str:
        """Write it as a line."""
        return f"{self.level.value:<7}  {self.subject:<12}  {self.text}"


def ok(subject: str, text: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(Level.OK, subject, text)


def advice(subject: str, text: str) -> Finding:
    """Return a finding that something could be better."""
    return Finding(Level.ADVICE, subject, text)


def problem(subject: str, text: str) -> Finding:
    """Return a finding that something will not work."""
    return Finding(Level.PROBLEM, subject, text)
