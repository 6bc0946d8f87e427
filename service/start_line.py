"""The first line of the log."""

from __future__ import annotations

import logging

from endotwin.checkpoint_files import checkpoint_paths
from endotwin.settings import Settings

logger = logging.getLogger("endotwin")


def log_start(settings: Settings) -> None:
    """Log what is about to be loaded, before anything that takes long.

    Raises:
        SettingsError: the folder is missing or holds no checkpoint.
    """
    count = len(checkpoint_paths(settings.checkpoint_dir))
    logger.info(
        "loading %d checkpoint%s from %s; the first start on a machine also compiles, and takes longer",
        count,
        "" if count == 1 else "s",
        settings.checkpoint_dir,
    )
