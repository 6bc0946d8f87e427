"""The keys of the service, as the operator's file has them now."""

from __future__ import annotations

import logging
from pathlib import Path

from endotwin.keys import Key, KeysError, find_key, read_keys
from endotwin.settings import SettingsError, variable

logger = logging.getLogger("endotwin")


class Keyring:
    """Find keys, and read the file again whenever it has changed: a revoked key is refused at once."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            SettingsError: it cannot be used.
        """
        self._path = path
        self._stamp = self._look()
        try:
            self._keys: tuple[Key, ...] | None = read_keys(path)
        except KeysError as error:
            raise SettingsError(f"{variable('keys_file')}: {error}") from error

    def find(self, token: str) -> Key | None:
        """Return the key of a token.

        Raises:
            KeysError: the file has become one that cannot be used.
        """
        if self.problem is not None:
            raise KeysError(self.problem)
        return find_key(self._keys or (), token)

    @property
    def problem(self) -> str | None:
        """Why nobody gets in, in words that anybody may read; None if the file can be used."""
        self._refresh()
        if self._keys is not None:
            return None
        return "the operator's file of keys cannot be used; the log says why"

    @property
    def limits_days(self) -> bool:
        """Whether a key has a number of images a day."""
        return any(key.images_per_day is not None for key in self._keys or ())

    def _refresh(self) -> None:
        # Looked at before it is read: a change meanwhile is seen the next time.
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._keys = read_keys(self._path)
        except KeysError as error:
            self._keys = None
            logger.error("keys: %s; until then nobody gets in", error)  # noqa: TRY400
        else:
            logger.info("keys: %s has changed, %d keys", self._path, len(self._keys))

    def _look(self) -> tuple[int, ...] | None:
        """Return what changes when the file does; None if it is not there."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
