"""The gallery's images in a browser: what is shown, how people move through it, and how it is labelled."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from gallery_page import GalleryPage, Open, read_canvas
from live_server import LiveServer
from playwright.sync_api import expect

ALL = 10_000
"""Images of a gallery unless somebody asks for another number."""


STEPS = 50
SCROLL = """async grid => {
    for (let step = 0; step < STEPS; step += 1) {
        grid.scrollTop += 2000;
        await new Promise(resolve => setTimeout(resolve, 10));
    }
}"""
"""Scroll past thousands of images within half a second."""


def grey(server: LiveServer, query: str) -> np.ndarray:
    """Return images as the service has them, as if in colour: uint8 (n, 128, 128, 3)."""
    images = server.generate(f"format=npy&{query}").images
    return np.repeat(images[..., None], 3, axis=-1)


def tiles(gallery: GalleryPage) -> int:
    return gallery.page.locator(".tile").count()


def test_it_shows_the_images_of_a_seed_as_they_are(open_page: Open, shipped: LiveServer) -> None:
    gallery = open_page(shipped, "seed=7&count=32")
    gallery.wait_for_images(0, 1, 17)
    expected = grey(shipped, "seed=7&n=18")
    for index in (0, 1, 17):
        assert np.array_equal(gallery.pixels(index), expected[index])
    models = json.loads(shipped.request("/models", "GET").body)["models"]
    [default] = [model["name"] for model in models if model["default"]]
    assert gallery.page.locator("#model-A").input_value() == default


def test_a_seed_is_typed_or_rolled(open_page: Open, shipped: LiveServer) -> None:
    gallery = open_page(shipped, "count=16")
    rolled = gallery.state()["seed"]
    assert gallery.page.locator("#seed").input_value() == rolled
    gallery.wait_for_images(0)
    gallery.page.locator("#seed").fill(str(2**64 - 1))
    gallery.page.keyboard.press("Enter")
    gallery.wait_for_state(seed=str(2**64 - 1))
    gallery.wait_for_images(0)
    assert np.array_equal(gallery.pixels(0), grey(shipped, f"seed={2**64 - 1}")[0])
    gallery.page.locator("#roll").click()
    gallery.wait_until(lambda: gallery.state()["seed"] not in (rolled, str(2**64 - 1)), "another seed")
    gallery.page.locator("#seed").fill(str(2**64))
    gallery.page.keyboard.press("Enter")
    expect(gallery.notice()).to_contain_text("A seed is a whole number from 0 to 18446744073709551615")
    expect(gallery.page.locator("#seed")).to_have_attribute("aria-invalid", "true")


def test_conditions_without_a_model_get_the_one_that_the_service_chooses(
    open_page: Open, shipped: LiveServer
) -> None:
    gallery = open_page(shipped, "seed=7&count=16&density=1000")
    gallery.wait_for_images(0)
    assert np.array_equal(gallery.pixels(0), grey(shipped, "seed=7&density=1000")[0])


def test_thousands_of_images_are_a_few_elements(open_page: Open, shipped: LiveServer) -> None:
    gallery = open_page(shipped, "seed=7")
    gallery.wait_for_images(0)
    few = tiles(gallery)
    assert few < 100
    gallery.page.locator(".grid").focus()
    gallery.page.keyboard.press("End")
    gallery.wait_for_images(ALL - 1)
    assert np.array_equal(gallery.pixels(ALL - 1), grey(shipped, f"seed=7&start={ALL - 1}")[0])
    assert tiles(gallery) <= few + 20
    expect(gallery.image(ALL - 1)).to_have_attribute("aria-setsize", str(ALL))
    gallery.wait_until(lambda: int(gallery.state().get("at", "0")) > ALL - 100, "the place in the address")
    asked = [address for method, address in gallery.asked if method == "POST"]
    assert len(asked) < 10
    assert all(int(re.search(r"\bn=(\d+)", address)[1]) <= 64 for address in asked)  # type: ignore[index]


def test_what_is_scrolled_past_is_not_waited_for(open_page: Open, shipped: LiveServer) -> None:
    gallery = open_page(shipped, "seed=8")
    aborted: list[str] = []
    gallery.page.on("requestfailed", lambda request: aborted.append(request.url))
    gallery.wait_for_images(0)
    gallery.page.locator(".grid").evaluate(SCROLL.replace("STEPS", str(STEPS)))
    first = min(
        gallery.page.locator(".tile").evaluate_all("all => all.map(it => Number(it.dataset.index))")
    )
    assert first > 4000
    gallery.wait_for_images(first + 12)
    assert aborted
    posts = [address for method, address in gallery.asked if method == "POST"]
    assert len(posts) < STEPS


def test_images_are_larger_or_smaller_and_the_first_stays(open_page: Open, shipped: LiveServer) -> None:
    gallery = open_page(shipped, "seed=7&at=120&zoom=2")
    gallery.wait_for_images(120)
    for zoom, side in (("4", 512), ("0.5", 64)):
        gallery.page.locator("#zoom").select_option(zoom)
        gallery.wait_for_images(120)
        box = gallery.image(120).bounding_box()
        assert box is not None
        assert box["width"] == side
        assert gallery.state()["zoom"] == zoom


def test_a_closer_look_shows_every_pixel(open_page: Open, shipped: LiveServer) -> None:
    gallery = open_page(shipped, "seed=7&count=16&model=labelled&overlay=cells")
    gallery.wait_for_images(3)
    gallery.image(3).click()
    page, reading = gallery.page, gallery.page.locator("dialog .reading")
    expect(page.locator("dialog h2")).to_have_text("Image 3 of seed 7")
    expect(page.locator("dialog table")).to_contain_text("Density")
    members = shipped.generate("seed=7&start=3&model=labelled&labels=parameters").members
    measured = json.loads(members["7-00000003.json"])["parameters"]["measured"]
    expect(page.locator("dialog tr", has_text="Cells")).to_contain_text(str(measured["cells"]))
    canvas = page.locator("dialog canvas")
    box = canvas.bounding_box()
    assert box is not None
    assert box["width"] == 4 * 128
    page.mouse.move(box["x"] + 4 * 30 + 2, box["y"] + 4 * 50 + 2)
    value = grey(shipped, "seed=7&start=3&model=labelled")[0, 50, 30, 0]
    expect(reading).to_contain_text(f"x 30, y 50: grey {value};")
    expect(reading).to_contain_text("cell")
    page.locator("dialog button[aria-label='Larger pixels']").click()
    assert canvas.bounding_box()["width"] == 6 * 128  # type: ignore[index]
    canvas.focus()
    page.keyboard.press("ArrowRight")
    expect(reading).to_contain_text("x 31, y 50")
    page.keyboard.press("PageDown")
    expect(page.locator("dialog h2")).to_have_text("Image 4 of seed 7")
    gallery.wait_for_state(image="4", pixels="6")
    page.locator("dialog input[value=cells]").uncheck()
    expect(page.locator("dialog canvas.waits")).to_have_count(0)
    assert np.array_equal(read_canvas(canvas), grey(shipped, "seed=7&start=4&model=labelled")[0])
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    assert "image" not in gallery.state()


def test_borders_and_cells_lie_over_the_images(open_page: Open, shipped: LiveServer) -> None:
    gallery = open_page(shipped, "seed=7&count=16&model=labelled")
    gallery.wait_for_images(0)
    plain = gallery.pixels(0)
    gallery.page.get_by_label("Borders").check()
    gallery.wait_until(lambda: not np.array_equal(gallery.pixels(0), plain), "borders over the image")
    yellow = (gallery.pixels(0) == (255, 212, 0)).all(axis=-1)
    labels = server_labels(shipped, "seed=7&model=labelled&labels=borders,instances")
    assert np.array_equal(yellow, labels["borders"] == 255)
    assert np.array_equal(gallery.pixels(0)[~yellow], plain[~yellow])
    gallery.page.get_by_label("Borders").uncheck()
    gallery.page.get_by_label("Cells", exact=True).check()
    gallery.wait_until(lambda: (gallery.pixels(0) != plain).sum() > plain.size // 2, "cells over the image")
    changed = (gallery.pixels(0) != plain).any(axis=-1)
    assert not changed[labels["instances"] == 0].any()
    assert changed[labels["instances"] > 0].mean() > 0.95
    assert gallery.state()["overlay"] == "cells"


def server_labels(server: LiveServer, query: str) -> dict[str, np.ndarray]:
    """Return the labels of one image that are images, by name."""
    import io  # noqa: PLC0415

    from PIL import Image  # noqa: PLC0415

    members = server.generate(query).members
    return {
        name.split(".")[1]: np.asarray(Image.open(io.BytesIO(content)))
        for name, content in members.items()
        if name.count(".") == 2
    }


def test_histograms_are_of_what_was_measured(open_page: Open, shipped: LiveServer) -> None:
    gallery = open_page(shipped, "seed=7&count=20&model=labelled")
    gallery.page.get_by_role("checkbox", name="Histograms").check()
    panel = gallery.page.locator("#histogram-panel")
    expect(panel).to_contain_text("Of 20 images")
    members = shipped.generate("seed=7&n=20&model=labelled&labels=parameters").members
    records = [json.loads(content) for name, content in members.items() if name.endswith(".json")]
    cells = [record["parameters"]["measured"]["cells"] for record in records]
    shown = panel.locator("figure[data-name=cells]")
    said = shown.locator("small").first
    expect(said).to_contain_text("±")
    told = re.search(r"([\d.]+) ± ([\d.]+)", said.inner_text())
    assert told is not None
    # A browser rounds a half up, Python to even.
    assert [float(number) for number in told.groups()] == pytest.approx(
        [np.mean(cells), np.std(cells)], abs=0.051
    )
    assert "Cells, " in (shown.locator("svg").get_attribute("aria-label") or "")
    assert gallery.state()["histograms"] == "1"


@pytest.mark.long
def test_more_is_measured_without_being_shown(open_page: Open, shipped: LiveServer) -> None:
    gallery = open_page(shipped, "seed=7&count=120&model=labelled&histograms=1&zoom=4")
    gallery.page.get_by_role("button", name="Measure the first 500").click()
    expect(gallery.page.locator("#histogram-panel")).to_contain_text("Of 120 images")
    assert tiles(gallery) < 20


def test_two_settings_lie_side_by_side_and_scroll_together(open_page: Open, shipped: LiveServer) -> None:
    gallery = open_page(shipped, "seed=7&model=labelled")
    gallery.page.get_by_label("Two settings side by side").check()
    gallery.condition("guttae", "B").locator(".number").first.fill("0.3")
    gallery.page.keyboard.press("Enter")
    gallery.wait_for_state(**{"compare": "1", "b.model": "labelled", "b.guttae": "0.3"})
    gallery.wait_for_images(0)
    gallery.wait_for_images(0, side="B")
    assert np.array_equal(gallery.pixels(0), grey(shipped, "seed=7&model=labelled")[0])
    assert np.array_equal(gallery.pixels(0, "B"), grey(shipped, "seed=7&model=labelled&guttae=0.3")[0])
    expect(gallery.page.locator(".panel[data-name=B] .caption")).to_have_text("B: labelled, guttae 0.3")
    first, other = (gallery.page.locator(f".panel[data-name={name}] .grid") for name in "AB")
    first.evaluate("it => { it.scrollTop = 3000; }")
    gallery.wait_until(lambda: other.evaluate("it => it.scrollTop") == 3000, "the other to scroll")


@pytest.mark.parametrize("name", [pytest.param("compact", marks=pytest.mark.long), "labelled"])
def test_the_card_of_a_model_is_shown(open_page: Open, shipped: LiveServer, name: str) -> None:
    gallery = open_page(shipped, f"seed=7&count=16&model={name}")
    gallery.page.get_by_role("button", name="Card…").click()
    card = json.loads(shipped.request(f"/models/{name}", "GET").body)["card"]
    dialog = gallery.page.locator("dialog")
    expect(dialog).to_contain_text(card["description"])
    for source in card["data"]["sources"]:
        expect(dialog).to_contain_text(source["citation"] or source["name"])
