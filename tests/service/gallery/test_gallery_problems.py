"""What the gallery says when it gets no images: keys, quotas, limits, a service that is away."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fake_samplers import FakeSampler
from gallery_page import GalleryPage, Open
from key_tools import make_key
from live_server import Client
from playwright.sync_api import expect

from endotwin.image_range import BATCH
from endotwin.keys import revoke_key

Serve = Callable[..., Client]


class Numbered(FakeSampler):
    """Images whose grey level is their block, made at once."""

    def aligned(self, seed: int, block: int) -> np.ndarray:
        return np.full((BATCH, 128, 128), block % 256, np.uint8)


class FailsOnce(Numbered):
    """Fails at its second batch, once."""

    failed = False

    def aligned(self, seed: int, block: int) -> np.ndarray:
        if block == 1 and not self.failed:
            self.failed = True
            raise RuntimeError("made up")
        return super().aligned(seed, block)


def type_key(gallery: GalleryPage, key: str) -> None:
    gallery.page.locator("dialog input").fill(key)
    gallery.page.keyboard.press("Enter")


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_a_key_is_asked_for_and_kept_in_this_tab_alone(
    open_page: Open, serve_sampler: Serve, keys: Path
) -> None:
    key = make_key(keys, "lab", "generate")
    client = serve_sampler(Numbered(), keys_file=keys)
    gallery = open_page(client, "seed=7")
    page = gallery.page
    expect(page.locator("dialog")).to_contain_text("This service asks for an access key")
    type_key(gallery, "endotwin_wrong")
    expect(page.locator("dialog")).to_contain_text("this is no key of this service, or it was revoked")
    sent: list[str | None] = []
    page.on("request", lambda request: sent.append(request.headers.get("authorization")))
    type_key(gallery, key)
    gallery.wait_for_images(0)
    assert sent
    assert set(sent) == {f"Bearer {key}"}
    assert page.evaluate("Object.values(sessionStorage)") == [key]
    assert page.evaluate("localStorage.length") == 0
    assert page.evaluate("document.cookie") == ""
    assert not any(key in address for _, address in gallery.asked)
    page.locator("#take-along").click()
    expect(page.locator(".code[data-name=curl] pre")).to_contain_text(
        '"Authorization: Bearer $ENDOTWIN_KEY"'
    )
    assert key not in page.content()
    page.reload()
    gallery.wait_for_images(0)
    page.get_by_role("button", name="Access key…").click()
    page.get_by_role("button", name="Forget the key").click()
    assert page.evaluate("sessionStorage.length") == 0
    page.reload()
    expect(page.locator("dialog")).to_contain_text("This service asks for an access key")


def test_a_revoked_key_and_one_of_another_scope_are_told_apart(
    open_page: Open, serve_sampler: Serve, keys: Path
) -> None:
    writer, lab = make_key(keys, "writer", "jobs"), make_key(keys, "lab", "generate")
    gallery = open_page(serve_sampler(Numbered(), keys_file=keys), "seed=7")
    type_key(gallery, writer)
    words = "this needs a key with the scope generate; that of writer has jobs"
    expect(gallery.notice()).to_contain_text(words)
    gallery.notice().get_by_role("button", name="Use another key…").click()
    type_key(gallery, lab)
    gallery.wait_for_images(0)
    expect(gallery.notice()).to_have_count(0)
    gallery.page.wait_for_load_state("networkidle")  # else an image that is still to come finds out first
    revoke_key(keys, "lab")
    gallery.page.locator("#roll").click()
    expect(gallery.page.locator("dialog")).to_contain_text("it was revoked")


def test_a_quota_that_is_used_up_says_when_there_is_more(
    open_page: Open, serve_sampler: Serve, keys: Path
) -> None:
    key = make_key(keys, "lab", "generate", images_per_day=64)
    gallery = open_page(serve_sampler(Numbered(), keys_file=keys), "seed=7")
    type_key(gallery, key)
    gallery.wait_for_images(0)
    gallery.page.locator(".grid").evaluate("it => { it.scrollTop = 20000; }")
    expect(gallery.notice()).to_contain_text("The images of this key for today are used up: lab has")
    assert re.search(r"More at .*\d\d:\d\d.*, in (\d+ h )?\d+ min", gallery.notice().inner_text())


def test_who_may_have_one_stream_sees_two_settings(
    open_page: Open, serve_sampler: Serve, keys: Path
) -> None:
    key = make_key(keys, "lab", "generate", streams=1)
    gallery = open_page(serve_sampler(Numbered(), keys_file=keys), "seed=7&compare=1")
    type_key(gallery, key)
    gallery.wait_for_images(0, 10)
    gallery.wait_for_images(0, 10, side="B")
    expect(gallery.notice()).to_have_count(0)


def test_a_service_that_is_not_ready_is_asked_again(
    open_page: Open, serve_sampler: Serve, keys: Path
) -> None:
    key = make_key(keys, "lab", "generate")
    gallery = open_page(serve_sampler(Numbered(), keys_file=keys), "seed=7")
    type_key(gallery, key)
    gallery.wait_for_images(0)
    good = keys.read_bytes()
    keys.write_bytes(b"{")
    gallery.page.locator("#roll").click()
    expect(gallery.notice()).to_contain_text(
        "The service is not ready: the operator's file of keys cannot be used"
    )
    keys.write_bytes(good)
    expect(gallery.notice()).to_have_count(0)
    gallery.wait_for_images(0)


def test_a_service_that_is_away_is_asked_again(open_page: Open, serve_sampler: Serve) -> None:
    gallery = open_page(serve_sampler(Numbered()), "seed=7")
    gallery.wait_for_images(0)
    gallery.page.context.set_offline(True)
    gallery.page.locator("#roll").click()
    expect(gallery.notice()).to_contain_text("The service does not answer. The page asks again by itself.")
    gallery.page.context.set_offline(False)
    gallery.notice().get_by_role("button", name="Try again").click()
    gallery.wait_for_images(0)
    expect(gallery.notice()).to_have_count(0)


def test_a_stream_that_is_cut_is_asked_for_again(open_page: Open, serve_sampler: Serve) -> None:
    gallery = open_page(serve_sampler(FailsOnce()), "seed=7")
    gallery.wait_for_images(0, 15, 16, 31)
    assert (gallery.pixels(16) == 1).all()
    posts = [address for method, address in gallery.asked if method == "POST"]
    assert len(posts) > 1


def test_an_operator_that_allows_few_images_is_asked_for_few(open_page: Open, serve_sampler: Serve) -> None:
    gallery = open_page(serve_sampler(Numbered(), max_images=20), "seed=7")
    gallery.wait_for_images(0, 16, 35)
    expect(gallery.notice()).to_have_count(0)


def test_a_model_that_is_not_there_is_named(open_page: Open, serve_sampler: Serve) -> None:
    gallery = open_page(serve_sampler(Numbered()), "seed=7&model=nothing")
    expect(gallery.notice()).to_contain_text("model must be one of tiny, got 'nothing'")
    gallery.choose_model("tiny")
    gallery.wait_for_images(0)
    expect(gallery.notice()).to_have_count(0)
