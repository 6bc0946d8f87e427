"""What people take along from the gallery: the files of the service, and code that makes them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from gallery_page import GalleryPage, Open
from live_server import ROOT, LiveServer
from playwright.sync_api import expect

QUERY = "seed=7&start=5&count=6&model=labelled&density=1500:2500&overlay=borders"
SAME = "seed=7&start=5&n=6&model=labelled&density=1500:2500"


def open_taking(gallery: GalleryPage) -> None:
    gallery.page.locator("#take-along").click()
    expect(gallery.page.locator("dialog pre")).to_have_count(3)


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        ("tar", f"{SAME}&labels=borders"),
        ("zip", f"{SAME}&labels=borders"),
        ("npy", SAME),
    ],
    ids=["tar", "zip", "npy"],
)
def test_what_is_shown_is_downloaded(
    open_page: Open, shipped: LiveServer, tmp_path: Path, kind: str, query: str
) -> None:
    gallery = open_page(shipped, QUERY)
    open_taking(gallery)
    gallery.page.get_by_label("Format").select_option(kind)
    with gallery.page.expect_download() as download:
        gallery.page.get_by_role("button", name="Download", exact=True).click()
    download.value.save_as(tmp_path / "file")
    assert download.value.suggested_filename == f"endotwin-labelled-7-5-6.{kind}"
    assert (tmp_path / "file").read_bytes() == shipped.generate(f"{query}&format={kind}").body
    expect(gallery.page.locator("dialog")).to_contain_text(f"Saved as endotwin-labelled-7-5-6.{kind}")


def test_labels_and_a_part_are_chosen(open_page: Open, shipped: LiveServer) -> None:
    gallery = open_page(shipped, "seed=7&model=labelled&at=24")
    gallery.wait_for_images(24)
    open_taking(gallery)
    page = gallery.page
    page.get_by_label("instances").check()
    page.locator("dialog").get_by_label(re.compile("^Images")).select_option("view")
    code = page.locator(".code[data-name=curl] pre")
    expect(code).to_contain_text("start=24&format=tar&model=labelled&labels=instances")
    page.get_by_label("Format").select_option("npy")
    expect(code).not_to_contain_text("labels")
    expect(page.locator("dialog fieldset")).to_have_attribute("disabled", "")


@pytest.mark.parametrize("name", ["curl", "Python", pytest.param("shell", marks=pytest.mark.long)])
def test_code_is_copied_that_makes_the_same_file(
    open_page: Open, shipped: LiveServer, tmp_path: Path, name: str
) -> None:
    gallery = open_page(shipped, QUERY, permissions=["clipboard-read", "clipboard-write"])
    open_taking(gallery)
    gallery.page.get_by_role("button", name=f"Copy {name}").click()
    expect(gallery.page.locator(f".code[data-name={name}] button")).to_have_text("Copied")
    code = gallery.page.evaluate("navigator.clipboard.readText()")
    if name == "curl" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    variables = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", code] if name == "Python" else ["sh", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    written = (tmp_path / "endotwin-labelled-7.tar").read_bytes()
    assert written == shipped.generate(f"{SAME}&labels=borders").body


def test_without_a_clipboard_the_code_is_selected(open_page: Open, shipped: LiveServer) -> None:
    """As over plain HTTP to another machine, where browsers have none."""
    gallery = open_page(shipped, QUERY)
    gallery.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    open_taking(gallery)
    gallery.page.get_by_role("button", name="Copy curl").click()
    selected = gallery.page.evaluate("getSelection().toString()")
    assert selected == gallery.page.locator(".code[data-name=curl] pre").inner_text()
