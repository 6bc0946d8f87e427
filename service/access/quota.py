"""Images per key and day: counted on disk before they are sent, so that no restart forgets them."""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from endotwin.field_size import STANDARD, FieldSize
from endotwin.settings import Settings, SettingsError
from service.access.caller import Caller
from service.error_codes import ErrorCode
from service.errors import ApiError
from service.request_record import current_record
from service.sqlite_file import SqliteFile

logger = logging.getLogger("endotwin")

_DAY_SECONDS = 86_400


class UsageFile(SqliteFile):
    """The file of how many images each key has had on which day, numbered from 1970-01-01 in UTC."""

    VERSION = 1
    SETTING = "usage_store"
    PURPOSE = "images per key"

    def make_tables(self) -> None:
        """Make the table."""
        self.run(
            "CREATE TABLE usage (name TEXT, day INTEGER, images INTEGER NOT NULL, PRIMARY KEY (name, day))"
        )

    def update_tables(self, version: int) -> None:
        """Do nothing: there is no earlier version."""


def usage_path(settings: Settings) -> Path | None:
    """Return where images are counted: as set, or beside the keys; None without keys."""
    keys = settings.keys_file
    return keys and (settings.usage_store or keys.with_name(f"{keys.name}.usage"))


class Quota:
    """Count images per key and day. Usable from several threads, and the file from several services."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Name the file; it is opened, or made, when a key with a limit is first counted.

        Args:
            path: of the file.
            clock: returns seconds since 1970.
        """
        self._path = path
        self._clock = clock
        self._opening = threading.Lock()
        self._file: UsageFile | None = None

    def open(self) -> UsageFile:
        """Open the file, unless it is.

        Raises:
            SettingsError: it cannot be used.
        """
        with self._opening:
            if self._file is None:
                self._file = UsageFile(self._path)
            return self._file

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def charge(self, caller: Caller, images: int) -> int:
        """Count images of a caller, on disk when this returns.

        Returns:
            the day they are counted for.

        Raises:
            ApiError: 403, they are more than those of a day; 429, more than are left; 503, the file fails.
        """
        most = caller.images_per_day
        day = int(self._clock() // _DAY_SECONDS)
        if most is None:
            return day
        if images > most:
            message = f"{caller.name} may have {most} images a day, and this asks for {images}"
            raise ApiError(ErrorCode.OVER_LIMIT, message, field="n")
        try:
            had = self._add(caller.name, day, images, most)
        except (sqlite3.Error, SettingsError) as error:
            logger.error("images per key cannot be counted: %s", error)  # noqa: TRY400
            message = "images per key cannot be counted at the moment; the log says why"
            raise ApiError(ErrorCode.NOT_READY, message) from error
        if had is not None:
            seconds = math.ceil((day + 1) * _DAY_SECONDS - self._clock())
            raise ApiError(
                ErrorCode.QUOTA_EXHAUSTED,
                f"{caller.name} has {max(most - had, 0)} of {most} images left until midnight UTC, and "
                f"this asks for {images}",
                headers={"Retry-After": str(max(seconds, 1))},
            )
        return day

    def give_back(self, caller: Caller, day: int, images: int) -> None:
        """Take back what was counted for a day; if that fails it stays counted."""
        if caller.images_per_day is None or images <= 0:
            return
        try:
            self.open().run(
                "UPDATE usage SET images = max(images - ?, 0) WHERE name = ? AND day = ?",
                images,
                caller.name,
                day,
            )
        except (sqlite3.Error, SettingsError) as error:
            logger.warning("%d images of %s stay counted: %s", images, caller.name, error)

    def _add(self, name: str, day: int, images: int, most: int) -> int | None:
        """Add images, unless that makes them too many: then return how many there were."""
        file = self.open()
        with file.transaction():
            rows = file.run("SELECT images FROM usage WHERE name = ? AND day = ?", name, day)
            had = int(rows[0]["images"]) if rows else 0
            if had + images > most:
                return had
            file.run("INSERT OR REPLACE INTO usage VALUES (?, ?, ?)", name, day, had + images)
            file.run("DELETE FROM usage WHERE day < ?", day - 1)
        return None


class ChargedResponse(Response):
    """A stream whose images count; those it had not generated when it ended early are given back."""

    def __init__(
        self, inner: Response, quota: Quota, caller: Caller, images: int, size: FieldSize = STANDARD
    ) -> None:
        """Prepare a response; nothing is counted yet. Larger images count by their pixels."""
        super().__init__()
        self._inner = inner
        self._quota = quota
        self._caller = caller
        self._images = images
        self._size = size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the images, and send them (ASGI).

        Raises:
            ApiError: see `Quota.charge`.
        """
        day = await run_in_threadpool(self._quota.charge, self._caller, self._counted(self._images))
        begun = True
        try:
            await self._inner(scope, receive, send)
        except ApiError:
            begun = "images" in current_record().fields
            raise
        finally:
            sent = int(str(current_record().fields.get("images", 0)))
            # A batch may have been sent that is not noted yet.
            had = min(sent + self._size.images_at_once, self._images) if begun else 0
            too_many = self._counted(self._images) - self._counted(had)
            give_back = partial(self._quota.give_back, self._caller, day, too_many)
            if had < self._images:
                asyncio.get_running_loop().run_in_executor(None, give_back)

    def _counted(self, images: int) -> int:
        return self._size.count_as(images)
