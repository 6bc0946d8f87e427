"""Who sends a request, and what they may ask for."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection
from starlette.types import Scope

from endotwin.keys import SCOPES, Key

_STATE = "caller"


@dataclass(frozen=True)
class Caller:
    """Who sends a request: a key, or an address where the operator has configured no keys.

    Attributes:
        name: of the key, or the address. No key is named like an address.
        scopes: some of `SCOPES`.
        images_per_day: most images of one day in UTC; None for no limit, as below.
        streams: most streams at a time; None for the operator's default.
        job_images: most images of one job.
        by_key: whether it is a key.
    """

    name: str
    scopes: frozenset[str] = frozenset(SCOPES)
    images_per_day: int | None = None
    streams: int | None = None
    job_images: int | None = None
    by_key: bool = False

    @classmethod
    def of(cls, key: Key) -> Caller:
        """Return who has a key."""
        return cls(
            key.name, frozenset(key.scopes), key.images_per_day, key.streams, key.job_images, by_key=True
        )

    @property
    def owner(self) -> str:
        """The owner of jobs that the caller asks for: the name of the key, "" without one."""
        return self.name if self.by_key else ""

    def sees_jobs_of(self, owner: str) -> bool:
        """Return whether the caller may see and cancel jobs of an owner."""
        return owner == self.owner or self.has("admin")

    def has(self, scope: str) -> bool:
        """Return whether the caller may do what a scope stands for."""
        return scope in self.scopes or "admin" in self.scopes


def set_caller(scope: Scope, caller: Caller) -> None:
    """Keep the caller with a request, as `request.state.caller`."""
    scope.setdefault("state", {})[_STATE] = caller


def caller_of(request: HTTPConnection) -> Caller:
    """Return who sent a request that passed `service.access.control.AccessControl`."""
    caller: Caller = request.state.caller
    return caller
