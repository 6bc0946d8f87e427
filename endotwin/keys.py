"""Keys that clients show: named, revocable, and stored in a file as their digests alone."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hmac import compare_digest
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from endotwin.files import whole_file

_Scope = Literal["generate", "jobs", "metrics", "admin"]
SCOPES: tuple[str, ...] = get_args(_Scope)
"""What a key can be good for; `admin` includes the others."""

_NAME = r"[A-Za-z][A-Za-z0-9._-]{0,63}"
"""Never an address: those begin with a digit or hold a colon."""

_TOKEN_BYTES = 32
_MODE = 0o600
_FORBIDDEN_MODE = stat.S_IWGRP | stat.S_IRWXO
"""A group may read the file: Kubernetes gives a secret to the group of the pod."""

_Limit = Annotated[int | None, Field(ge=1)]


class KeysError(Exception):
    """A file of keys cannot be used, or a key cannot be made or found; the message says why."""


class Key(BaseModel):
    """A key as it is stored.

    Attributes:
        name: of whoever has it.
        sha256: digest of the token. A token has 256 random bits, so nobody finds one by trying, and a slow
            hash as for passwords would only make requests slow.
        scopes: some of `SCOPES`.
        images_per_day: most images of one day in UTC, streamed and in jobs; None for no limit, as below.
        streams: most streams at a time; None for what the service sets for everybody.
        job_images: most images of one job.
        created: when.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=f"^{_NAME}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    scopes: tuple[_Scope, ...] = Field(min_length=1)
    images_per_day: _Limit = None
    streams: _Limit = None
    job_images: _Limit = None
    created: datetime


class _Content(BaseModel):
    """What is in the file."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    keys: tuple[Key, ...] = ()

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [key.name for key in self.keys]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"there are two keys named {twice}")
        return self


def read_keys(path: Path) -> tuple[Key, ...]:
    """Read a file of keys.

    Raises:
        KeysError: it is not there, not readable, no file of keys, or others than its owner could change it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read()
    except FileNotFoundError as error:
        raise KeysError(f"{path}: {error.strerror}; `endotwin key create` makes it") from error
    except OSError as error:
        raise KeysError(f"{path}: {error.strerror}") from error
    if not stat.S_ISREG(mode) or mode & _FORBIDDEN_MODE:
        raise KeysError(
            f"{path} has mode {stat.S_IMODE(mode):04o}, so others than its owner may read or change it; "
            f"chmod 600 {path}"
        )
    try:
        return _Content.model_validate_json(content).keys
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise KeysError(
            f"{path} is no file of keys: {where}: {first['msg']}".replace(": :", ":")
        ) from error


def find_key(keys: Iterable[Key], token: str) -> Key | None:
    """Return the key of a token, in a time that does not depend on how much of it is right."""
    digest = _digest(token)
    found = None
    for key in keys:
        if compare_digest(key.sha256, digest):
            found = key
    return found


def create_key(
    path: Path,
    name: str,
    scopes: tuple[str, ...],
    *,
    images_per_day: int | None,
    streams: int | None,
    job_images: int | None,
) -> str:
    """Add a key to a file, which is made if it is not there.

    Args:
        path: of the file.
        name: see `Key`, like the others.
        scopes: what the key is good for.
        images_per_day: limit.
        streams: limit.
        job_images: limit.

    Returns:
        the token; it is stored nowhere.

    Raises:
        KeysError: the file cannot be used, there is a key of that name, or name or scopes are not allowed.
        OSError: the file cannot be written.
    """
    if not re.fullmatch(_NAME, name):
        raise KeysError(
            "a key's name has at most 64 letters, digits and ._- and begins with a letter, got "
            f"{name[:80]!r}"
        )
    if not scopes or (unknown := [scope for scope in scopes if scope not in SCOPES]):
        raise KeysError(f"scopes are {', '.join(SCOPES)}, got {', '.join(unknown) if scopes else 'none'}")
    token = f"endotwin_{secrets.token_urlsafe(_TOKEN_BYTES)}"
    key = Key.model_validate(
        {
            "name": name,
            "sha256": _digest(token),
            "scopes": tuple(scope for scope in SCOPES if scope in scopes),
            "images_per_day": images_per_day,
            "streams": streams,
            "job_images": job_images,
            "created": datetime.now(UTC).replace(microsecond=0),
        }
    )
    with _locked(path):
        keys = read_keys(path) if path.exists() else ()
        if any(other.name == name for other in keys):
            raise KeysError(f"there is a key named {name}; revoke it first, or choose another name")
        _write(path, (*keys, key))
    return token


def revoke_key(path: Path, name: str) -> None:
    """Remove a key from a file.

    Raises:
        KeysError: the file cannot be used, or there is no key of that name.
        OSError: the file cannot be written.
    """
    with _locked(path):
        keys = read_keys(path)
        kept = tuple(key for key in keys if key.name != name)
        if len(kept) == len(keys):
            raise KeysError(f"there is no key named {name[:80]!r} in {path}")
        _write(path, kept)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time change the file: the lock is on its folder, as the file is replaced."""
    folder = os.open(path.resolve().parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _write(path: Path, keys: tuple[Key, ...]) -> None:
    """Replace the file as a whole; one that was there keeps its owner and mode."""
    path = path.resolve()
    content = _Content(keys=keys).model_dump_json(indent=2, exclude_none=True)
    before = path.stat() if path.exists() else None
    with whole_file(path, mode=_MODE) as file:
        if before is not None:
            if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
        file.write(content.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
