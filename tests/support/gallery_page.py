"""The gallery in a browser, as a person uses it; and what it shows, read from its canvases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
from browsers import BROWSER_PATIENCE_MS
from playwright.sync_api import Browser, ConsoleMessage, Locator, expect

expect.set_options(timeout=BROWSER_PATIENCE_MS / 4)

_READ_CANVAS = """canvas => {
    const {data, width, height} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return [width, height, Array.from(data)];
}"""
_REFUSALS = "Failed to load resource"
"""What Chromium writes of every answer that is an error, also of those that the page explains."""


class GalleryPage:
    """A page of the gallery.

    Attributes:
        page: of Playwright.
        asked: the requests that it has sent: method and address.
        faults: what went wrong in it: exceptions, and what its policy forbids.
    """

    def __init__(self, browser: Browser, port: int, **device: object) -> None:
        """Open a tab; `open` loads the page."""
        self._browser_context = browser.new_context(
            **{"viewport": {"width": 1200, "height": 800}, **device}
        )  # type: ignore[arg-type]
        self.page = self._browser_context.new_page()
        self.page.set_default_timeout(BROWSER_PATIENCE_MS)
        self.address = f"http://127.0.0.1:{port}/gallery"
        self.asked: list[tuple[str, str]] = []
        self.faults: list[str] = []
        self.page.on("request", lambda request: self.asked.append((request.method, request.url)))
        self.page.on("pageerror", lambda error: self.faults.append(f"{error}"))
        self.page.on("console", self._note)

    def open(self, query: str = "") -> GalleryPage:
        """Load the page with a query of its own."""
        self.page.goto(f"{self.address}?{query}")
        return self

    def close(self) -> None:
        """Close the tab, and see that nothing went wrong in it and that it asked nobody else."""
        self._browser_context.close()
        assert self.faults == []
        home = self.address.removesuffix("gallery")
        assert [address for _, address in self.asked if not address.startswith((home, "blob:"))] == []

    def image(self, index: int, side: str = "A") -> Locator:
        return self.page.locator(f"#image-{side}-{index}")

    def wait_for_images(self, *indices: int, side: str = "A") -> None:
        """Wait until these images of the setting that is asked for are shown."""
        for index in indices:
            node = self.page.locator(f"#image-{side}-{index}.there:not(.outdated)")
            node.wait_for(state="attached")

    def pixels(self, index: int, side: str = "A") -> np.ndarray:
        """Return an image as it is shown, overlays included: uint8 (height, width, 3)."""
        return read_canvas(self.image(index, side).locator("canvas"))

    def state(self) -> dict[str, str]:
        """Return what the address says."""
        return dict(parse_qsl(self.page.evaluate("location.search.slice(1)")))

    def wait_for_state(self, **wanted: str) -> None:
        """Wait until the address says something."""
        self.wait_until(lambda: wanted.items() <= self.state().items(), f"{wanted} in {self.state()}")

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        for _ in range(BROWSER_PATIENCE_MS // 50):
            if condition():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"waited in vain for {what}")

    def choose_model(self, name: str) -> None:
        self.page.locator("#model-A").select_option(name)

    def condition(self, name: str, side: str = "A") -> Locator:
        return self.page.locator(f".side[data-name={side}] .condition[data-name={name}]")

    def notice(self) -> Locator:
        """Return what is said at the top of the page."""
        return self.page.locator("#notices .notice")

    def drag(self, slider: Locator, shares: list[float], after_each: Callable[[], Any]) -> None:
        """Drag the handle of a slider from where it is to shares of its length, and let go."""
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        assert box is not None
        at = float(slider.evaluate("it => (it.value - it.min) / (it.max - it.min)"))
        self.page.mouse.move(box["x"] + 8 + at * (box["width"] - 16), box["y"] + box["height"] / 2)
        self.page.mouse.down()
        for share in shares:
            self.page.mouse.move(
                box["x"] + 8 + share * (box["width"] - 16), box["y"] + box["height"] / 2, steps=4
            )
            after_each()
        self.page.mouse.up()

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(_REFUSALS):
            self.faults.append(message.text)


def read_canvas(canvas: Locator) -> np.ndarray:
    """Return the pixels of a canvas: uint8 (height, width, 3)."""
    width, height, data = canvas.evaluate(_READ_CANVAS)
    return np.array(data, np.uint8).reshape(height, width, 4)[..., :3]


Open = Callable[..., GalleryPage]
"""Opens a page: `open_page(server, query, **device)`."""
