"""The gallery's settings in a browser: conditions, addresses, colours, the keyboard, phones, axe."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from browsers import PHONE
from gallery_page import GalleryPage, Open
from live_server import LiveServer
from PIL import Image
from playwright.sync_api import expect

GRAVE = ("serious", "critical")


def test_a_model_has_sliders_for_the_conditions_that_it_takes(open_page: Open, shipped: LiveServer) -> None:
    gallery = open_page(shipped, "seed=7&count=16")
    for model in json.loads(shipped.request("/models", "GET").body)["models"]:
        gallery.choose_model(model["name"])
        sliders = gallery.page.locator(".condition")
        expect(sliders).to_have_count(len(model["conditions"]))
        names = sliders.evaluate_all("all => all.map(it => it.dataset.name)")
        assert names == list(model["conditions"])
        for name, limits in model["conditions"].items():
            slider = gallery.condition(name).locator("input[type=range]").first
            assert float(slider.get_attribute("min") or 0) == limits["least"]
            assert float(slider.get_attribute("max") or 0) == limits["most"]
        boxes = gallery.page.locator(".switch").evaluate_all("all => all.map(it => it.dataset.name)")
        assert boxes == model["switches"]
    gallery.choose_model("compact")
    gallery.page.get_by_role("button", name="Use labelled").click()
    gallery.wait_for_state(model="labelled")


def test_images_change_while_somebody_drags_and_one_step_back_undoes_it(
    open_page: Open, shipped: LiveServer
) -> None:
    gallery = open_page(shipped, "seed=7&model=labelled&density=1000&count=16")
    gallery.wait_for_images(0)
    seen = {gallery.pixels(0).tobytes()}

    def look() -> None:
        known = len(seen)

        def is_new() -> bool:
            seen.add(gallery.pixels(0).tobytes())
            return len(seen) > known

        gallery.wait_until(is_new, "another image while the mouse is down")

    slider = gallery.condition("density").locator("input[type=range]").first
    gallery.drag(slider, [0.4, 0.7], look)
    assert len(seen) == 3
    gallery.wait_until(lambda: float(gallery.state()["density"]) > 2800, "the density in the address")
    gallery.wait_for_images(0)
    dragged = gallery.state()["density"]
    gallery.page.go_back()
    gallery.wait_for_state(density="1000")
    expect(slider).to_have_value("1000")
    gallery.page.go_forward()
    gallery.wait_for_state(density=dragged)


def test_a_condition_is_the_models_own_or_a_value_or_a_range(open_page: Open, shipped: LiveServer) -> None:
    gallery = open_page(shipped, "seed=7&model=labelled&count=16")
    density = gallery.condition("density")
    numbers = density.locator(".number")
    expect(numbers.first).to_have_value("")
    numbers.first.fill("1500")
    gallery.page.keyboard.press("Enter")
    gallery.wait_for_state(density="1500")
    density.locator("select").select_option("range")
    gallery.wait_for_state(density="1100:1900")
    numbers.last.fill("2500")
    gallery.page.keyboard.press("Enter")
    gallery.wait_for_state(density="1100:2500")
    density.locator("input[type=range]").first.focus()
    gallery.page.keyboard.press("ArrowRight")
    gallery.wait_for_state(density="1110:2500")
    density.locator("select").select_option("")
    gallery.wait_until(lambda: "density" not in gallery.state(), "the model's own density")
    expect(numbers.first).to_have_value("")


def test_labels_are_drawn_as_by_an_experts_hand(open_page: Open, shipped: LiveServer) -> None:
    gallery = open_page(shipped, "seed=7&model=labelled&count=16&overlay=borders")
    gallery.page.get_by_label("Labels as an expert's hand draws them").check()
    gallery.wait_for_state(expert_hand="true")
    gallery.wait_for_images(0)
    yellow = (gallery.pixels(0) == (255, 212, 0)).all(axis=-1)
    query = "seed=7&model=labelled&expert_hand=true&labels=borders"
    borders = shipped.generate(query).members["7-00000000.borders.png"]
    assert np.array_equal(yellow, np.asarray(Image.open(io.BytesIO(borders))) == 255)


def test_what_no_mosaic_has_is_said_in_the_services_words(open_page: Open, shipped: LiveServer) -> None:
    gallery = open_page(shipped, "seed=7&model=labelled&count=16&cv=0.6")
    gallery.wait_for_images(0)
    hexagonality = gallery.condition("hexagonality")
    hexagonality.locator(".number").first.fill("0.85")
    gallery.page.keyboard.press("Enter")
    reply = shipped.request("/generate?model=labelled&cv=0.6&hexagonality=0.85")
    words = reply.error["message"]
    expect(gallery.notice()).to_contain_text(words)
    expect(gallery.condition(reply.error["field"]).locator(".problem")).to_contain_text(words)
    hexagonality.locator("select").select_option("")
    gallery.wait_for_images(0)
    expect(gallery.notice()).to_have_count(0)


EVERYTHING = (
    "seed=11&start=32&count=5000&at=320&zoom=2&model=labelled&density=1500:2500&guttae=0.1&compare=1"
    "&b.model=compact&overlay=borders&histograms=1&image=325&pixels=2&theme=dark"
)


def test_every_state_has_an_address(open_page: Open, shipped: LiveServer) -> None:
    gallery = open_page(shipped, EVERYTHING)
    page = gallery.page
    expect(page.locator("dialog h2")).to_have_text("Image 325 of seed 11")
    assert page.url.endswith(EVERYTHING)
    page.keyboard.press("Escape")
    gallery.wait_until(lambda: "image" not in gallery.state(), "the dialog to close")
    expect(page.locator("#start")).to_have_value("32")
    expect(page.locator("#count")).to_have_value("5000")
    expect(page.locator("#zoom")).to_have_value("2")
    expect(page.locator("#theme")).to_have_value("dark")
    expect(page.get_by_label("Borders")).to_be_checked()
    expect(page.get_by_label("Two settings side by side")).to_be_checked()
    expect(page.locator("#model-B")).to_have_value("compact")
    expect(page.locator("#histogram-panel")).to_be_visible()
    expect(gallery.condition("density").locator(".number").first).to_have_value("1500")
    expect(gallery.condition("density").locator(".number").last).to_have_value("2500")
    gallery.wait_for_images(320)
    page.wait_for_timeout(1_000)  # longer than the page waits before it takes a place into its address
    assert gallery.state()["at"] == "320"


def test_an_address_with_an_image_alone_leads_to_its_place(open_page: Open, shipped: LiveServer) -> None:
    gallery = open_page(shipped, "seed=11&count=5000&image=4321")
    expect(gallery.page.locator("dialog h2")).to_have_text("Image 4321 of seed 11")
    gallery.wait_for_images(4321)
    for _ in range(20):  # faster than the dialog follows
        gallery.page.keyboard.press("PageUp")
    gallery.wait_for_state(image="4301")
    gallery.wait_until(lambda: int(gallery.state()["at"]) <= 4301, "the list to follow")


def test_back_and_forward_lead_through_the_states(open_page: Open, shipped: LiveServer) -> None:
    gallery = open_page(shipped, "seed=7&count=16")
    page = gallery.page
    page.locator("#zoom").select_option("2")
    page.locator("#theme").select_option("dark")
    page.get_by_role("button", name="Jobs").click()
    gallery.wait_for_state(view="jobs")
    expect(page.locator("#images-page")).to_be_hidden()
    page.go_back()
    expect(page.locator("#images-page")).to_be_visible()
    gallery.wait_for_images(0)
    page.go_back()
    assert page.evaluate("document.documentElement.dataset.theme") is None
    page.go_back()
    expect(page.locator("#zoom")).to_have_value("1")
    page.go_forward()
    page.go_forward()
    expect(page.locator("#theme")).to_have_value("dark")


def background(gallery: GalleryPage) -> str:
    return str(gallery.page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_colours_follow_the_system_or_the_switch(open_page: Open, shipped: LiveServer) -> None:
    light, dark = "rgb(255, 255, 255)", "rgb(20, 23, 26)"
    gallery = open_page(shipped, "seed=7&count=16", color_scheme="dark")
    assert background(gallery) == dark
    gallery.page.locator("#theme").select_option("light")
    assert background(gallery) == light
    other = open_page(shipped, "seed=7&count=16&theme=dark", color_scheme="light")
    assert background(other) == dark
    other.page.locator("#theme").select_option("")
    assert background(other) == light


def test_keys_move_through_the_images(open_page: Open, shipped: LiveServer) -> None:
    gallery = open_page(shipped, "seed=7&start=100&count=400")
    grid, keyboard = gallery.page.locator(".grid"), gallery.page.keyboard
    columns = 6
    grid.focus()
    steps = {
        "Home": 100,
        "ArrowRight": 101,
        "ArrowDown": 101 + columns,
        "ArrowLeft": 100 + columns,
        "End": 499,
    }
    for key, index in steps.items():
        keyboard.press(key)
        expect(grid).to_have_attribute("aria-activedescendant", f"image-A-{index}")
        expect(gallery.image(index)).to_have_attribute("aria-selected", "true")
    keyboard.press("Home")
    keyboard.press("Enter")
    expect(gallery.page.locator("dialog h2")).to_have_text("Image 100 of seed 7")
    keyboard.press("Escape")
    expect(grid).to_be_focused()
    keyboard.press("r")
    gallery.wait_until(lambda: gallery.state()["seed"] != "7", "a rolled seed")


def test_it_fits_a_phone(open_page: Open, shipped: LiveServer) -> None:
    gallery = open_page(shipped, "seed=7&model=labelled&compare=1&b.model=labelled&histograms=1", **PHONE)
    page = gallery.page
    gallery.wait_for_images(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.locator("#seed")).to_be_hidden()
    page.get_by_text("Settings", exact=True).tap()
    expect(page.locator("#seed")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    gallery.image(0).tap()
    expect(page.locator("dialog")).to_be_visible()
    box = page.locator("dialog").bounding_box()
    assert box is not None
    assert box["width"] <= 390


def show_images(gallery: GalleryPage) -> None:
    gallery.wait_for_images(0)


def show_detail(gallery: GalleryPage) -> None:
    gallery.wait_for_images(0)
    gallery.image(0).click()
    expect(gallery.page.locator("dialog table")).to_contain_text("Density")


def show_card(gallery: GalleryPage) -> None:
    gallery.page.get_by_role("button", name="Card…").click()
    expect(gallery.page.locator("dialog")).to_contain_text("cwru")


def show_taking(gallery: GalleryPage) -> None:
    gallery.page.locator("#take-along").click()
    expect(gallery.page.locator("dialog pre")).to_have_count(3)


def show_jobs(gallery: GalleryPage) -> None:
    gallery.page.get_by_role("button", name="Jobs").click()
    expect(gallery.page.locator("#jobs-page")).to_contain_text("takes no jobs")


PLACES: list[Callable[[GalleryPage], None]] = [show_images, show_detail, show_card, show_taking, show_jobs]


@pytest.mark.parametrize(
    ("places", "scheme"),
    [(PLACES, "light"), (PLACES[:1], "dark"), pytest.param(PLACES[1:], "dark", marks=pytest.mark.long)],
    ids=["light", "dark images", "dark dialogs"],
)
def test_axe_finds_nothing_grave(
    open_page: Open, shipped: LiveServer, places: list[Callable[[GalleryPage], None]], scheme: str
) -> None:
    query = "seed=7&count=16&model=labelled&density=1500:2500&overlay=borders&histograms=1"
    gallery = open_page(shipped, query, color_scheme=scheme)
    grave = {}
    for place in places:
        place(gallery)
        found = Axe().run(gallery.page).response["violations"]
        grave |= {
            f"{place.__name__}, {one['id']}": [node["html"] for node in one["nodes"]]
            for one in found
            if one["impact"] in GRAVE
        }
        gallery.page.keyboard.press("Escape")
        expect(gallery.page.locator("dialog")).to_have_count(0)
    assert grave == {}
