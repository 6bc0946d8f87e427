"""The gallery's page of jobs: started, watched, cancelled, and what it says when something is wrong."""

from __future__ import annotations

from gallery_page import GalleryPage, Open
from job_tools import Held, Serve, contents
from playwright.sync_api import Locator, expect
from swift_server import Swift


def start(gallery: GalleryPage, destination: str, images: int, every: str = "", shard: str = "") -> Locator:
    """Start a job; return its row."""
    gallery.page.get_by_label("For validation").fill(every)
    gallery.page.get_by_label("Shard size").fill(shard)
    gallery.page.locator("#jobs-page").get_by_label("Images").fill(str(images))
    gallery.page.get_by_label("Destination").fill(destination)
    gallery.page.get_by_role("button", name="Start").click()
    return gallery.page.locator(".jobs li", has_text=destination)


def test_a_job_is_started_watched_and_cancelled(
    open_page: Open, serve_jobs: Serve, bucket: str, swift_server: Swift, held: Held
) -> None:
    client = serve_jobs(held)
    gallery = open_page(client, f"seed={2**64 - 1}&view=jobs")
    row = start(gallery, f"s3://{bucket}/first", 10_064)
    expect(row).to_contain_text("running")
    expect(row).to_contain_text("of 10,064 images")
    expect(row).to_contain_text(f"seed {2**64 - 1}")
    gallery.page.on("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button", name="Cancel").click()
    held.release()
    expect(row).to_contain_text("cancelled")
    expect(row.get_by_role("button")).to_have_count(0)
    assert contents(swift_server, bucket) == {}
    done = start(gallery, f"s3://{bucket}/second", 20, every="10", shard="16")
    expect(done).to_contain_text("complete")
    expect(done).to_contain_text("20 of 20 images")
    shards = {
        f"second/{part}/shard-00000{number}.tar" for part in ("train", "validation") for number in (0, 1)
    }
    assert contents(swift_server, bucket).keys() >= {"second/manifest.json", *shards}


def test_what_is_wrong_with_a_job_is_said_in_the_services_words(open_page: Open, serve_jobs: Serve) -> None:
    gallery = open_page(serve_jobs(Held()), "seed=7&view=jobs")
    start(gallery, "s3://elsewhere/set", 20)
    expect(gallery.page.locator("#jobs-page form .problem")).to_contain_text("elsewhere")
    start(gallery, "s3://allowed/sets/one", 20, every="one")
    expect(gallery.page.locator("#jobs-page form .problem")).to_contain_text("validation_every")
    start(gallery, "s3://allowed/sets/one", 0)
    expect(gallery.page.locator("#jobs-page form .problem")).to_contain_text(
        "n must be an integer from 1 to"
    )
