"""A browser of this machine that Playwright drives."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # half a second, which tests without a browser do without
    from playwright.sync_api import Browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER_PATIENCE_MS = 120_000
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "device_scale_factor": 3}


def browser_path() -> str | None:
    """Return the path of a browser that Playwright can drive; None without one."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


@contextmanager
def running_browser(path: str) -> Iterator[Browser]:
    """Run a browser without a window.

    While it runs nothing else in this thread can run an event loop: keep it for a module, not longer.
    """
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"], timeout=BROWSER_PATIENCE_MS
        )
        yield started
        started.close()
