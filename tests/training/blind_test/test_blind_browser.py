"""The page in a browser: a whole session by keyboard and touch, and the clock that pauses."""

from __future__ import annotations

from pathlib import Path

from blind_server import serving
from blind_sets import build_set
from browsers import BROWSER_PATIENCE_MS as PATIENCE_MS
from browsers import PHONE
from playwright.sync_api import Browser, Page, expect
from scripted_expert import ScriptedExpert, other

from training.blind_test.answers import AnswerStore
from training.blind_test.blind_set import ANSWERS_FILE, Origin
from training.blind_test.scores import score_answers

GENERATED, REAL = 11, 9
TABLET = {"viewport": {"width": 820, "height": 1180}, "has_touch": True, "device_scale_factor": 2}


def open_page(browser: Browser, address: str, **device: object) -> Page:
    page = browser.new_context(**device).new_page()  # type: ignore[arg-type]
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    return page


def wait_for_image(page: Page, number: int) -> str:
    """Wait until an image, counted from 1, takes answers; return its address."""
    expect(page.locator("#count")).to_have_text(f"Image {number}", timeout=PATIENCE_MS)
    expect(page.locator("#test")).to_have_attribute("aria-busy", "false", timeout=PATIENCE_MS)
    address = page.locator("#image").get_attribute("src")
    assert address is not None
    return address


def test_session_by_keyboard_and_touch(browser: Browser, tiny_checkpoint: Path, tmp_path: Path) -> None:
    key = build_set(tiny_checkpoint, tmp_path, GENERATED, REAL)
    expert = ScriptedExpert(key)

    with serving(tmp_path / "set") as server:  # at a desk, by keyboard alone
        page = open_page(browser, server.address, viewport={"width": 1280, "height": 900})
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        expect(page.locator("#name")).to_be_focused()
        page.keyboard.type("no name")
        page.keyboard.press("Enter")
        expect(page.locator("#alert")).to_contain_text("A name has 1 to 32 letters")
        expect(page.locator("#name")).to_be_focused()
        page.locator("#name").fill("Anna")
        page.keyboard.press("Enter")
        expect(page.locator("#confirm-text")).to_contain_text("anna is new here: 20 images")
        expect(page.locator("#begin")).to_be_focused()
        page.keyboard.press("Enter")
        for number in range(1, 8):
            answer = expert.answer(wait_for_image(page, number))
            if number == 4:  # a slip of the finger, mended by going back
                page.keyboard.press("r" if answer is Origin.GENERATED else "g")
                wait_for_image(page, 5)
                page.keyboard.press("ArrowLeft")
                assert expert.answer(wait_for_image(page, 4)) is answer
                pressed = page.locator(".answer[aria-pressed=true]")
                expect(pressed).to_have_attribute("data-answer", other(answer))
            if number == 5:  # by the buttons instead of the letters
                page.locator(f".answer[data-answer={answer}]").focus()
                page.keyboard.press("Enter")
            else:
                page.keyboard.press(answer[0])
        wait_for_image(page, 8)
        assert not [
            address for address in asked if "key" in address or not address.startswith(server.address)
        ]
        server.kill()
        page.keyboard.press("r")
        expect(page.locator("#alert")).to_contain_text("not stored yet. The server does not answer")
        page.context.close()

    with serving(tmp_path / "set") as server:  # days later, on a tablet
        page = open_page(browser, server.address, **TABLET)
        page.locator("#name").fill("anna")
        page.locator("#name-form button").tap()
        expect(page.locator("#confirm-text")).to_have_text("Welcome back, anna: 7 of 20 answered.")
        page.locator("#begin").tap()
        for number in range(8, GENERATED + REAL + 1):
            answer = expert.answer(wait_for_image(page, number))
            page.locator(f".answer[data-answer={answer}]").tap()
        expect(page.locator("#done-text")).to_have_text("All 20 images are answered. Thank you!")

    store = AnswerStore(tmp_path / "set" / ANSWERS_FILE)
    [scores] = score_answers(key, store.all()).experts
    store.close()
    assert scores.confusion == expert.confusion()
    assert scores.against_chance.accuracy == 13 / 20
    assert (scores.finished, scores.changed) == (True, 1)


def test_clock_layout_and_targets(browser: Browser, tiny_checkpoint: Path, tmp_path: Path) -> None:
    build_set(tiny_checkpoint, tmp_path, 1, 1)
    with serving(tmp_path / "set") as server:
        for device, factor in ((TABLET, 4), (PHONE, 3)):
            page = open_page(browser, server.address, **device)
            page.locator("#name").fill("layout")
            page.locator("#name-form button").tap()
            page.locator("#begin").tap()
            wait_for_image(page, 1)
            box = page.locator("#image").bounding_box()
            assert box is not None
            assert (box["width"], box["height"]) == (128 * factor, 128 * factor)
            for button in page.locator("#test button").all():
                target = button.bounding_box()
                assert target is not None
                assert min(target["width"], target["height"]) >= 44
                assert target["y"] + target["height"] <= page.viewport_size["height"]  # type: ignore[index]
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            page.context.close()

        page = open_page(browser, server.address)
        page.clock.install()
        page.reload()
        page.locator("#name").fill("clock")
        page.keyboard.press("Enter")
        page.locator("#begin").click()
        wait_for_image(page, 1)
        page.clock.run_for(5_000)
        page.keyboard.press("p")
        expect(page.locator("#paused-title")).to_be_visible()
        page.clock.run_for(3_600_000)
        page.keyboard.press("p")
        page.evaluate(HIDDEN, True)
        page.clock.run_for(3_600_000)
        page.evaluate(HIDDEN, False)
        page.clock.run_for(2_000)
        page.keyboard.press("g")
        wait_for_image(page, 2)

    store = AnswerStore(tmp_path / "set" / ANSWERS_FILE)
    [answer] = store.all()
    store.close()
    assert 7_000 <= answer.visible_ms < 3_600_000


HIDDEN = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
