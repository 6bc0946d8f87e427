"""What the tests of jobs share: a client, a batch source that can be held up, and looks at a bucket."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from fake_samplers import FakeSampler
from live_server import Client, Reply, wait_for
from set_tools import Counting, digests, never
from swift_server import Swift

from endotwin.generator.batch import BatchMaker
from endotwin.generator.card import Card
from endotwin.generator.sampler import Sampler
from endotwin.image_range import BATCH
from endotwin.sets.make import make_set
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.folder import FolderDestination
from endotwin.sets.storage.place import Bucket
from service.jobs.job import Job
from service.jobs.store import JobStore

CHECKPOINT = "a" * 64
SPEC = SetSpec(name="test", n=100, seed=7, model="tiny", generator_sha256=CHECKPOINT, shard_size=24)
LONG = 3600.0
"""Seconds of a lease that does not run out in a test."""

ENDS = ("complete", "failed", "cancelled", "cancel_failed")


class JobClient(Client):
    """Talks to a service about jobs."""

    def post(self, body: object, **headers: str) -> Reply:
        """Send a body, as it is if it is bytes, else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("/jobs", "POST", content, {"Content-Type": "application/json", **headers})

    def created(self, body: object, **headers: str) -> str:
        """Create a job; return its id."""
        reply = self.post(body, **headers)
        assert reply.status == 202, reply.body
        job = json.loads(reply.body)
        assert reply.headers["Location"] == f"/jobs/{job['id']}"
        return str(job["id"])

    def job(self, identity: str) -> dict[str, Any]:
        reply = self.request(f"/jobs/{identity}", "GET")
        assert reply.status == 200, reply.body
        return dict(json.loads(reply.body))

    def cancel(self, identity: str) -> Reply:
        return self.request(f"/jobs/{identity}", "DELETE")

    def resume(self, identity: str) -> Reply:
        return self.request(f"/jobs/{identity}/resume", "POST")

    def wait_for_state(self, identity: str, *states: str) -> dict[str, Any]:
        """Wait until a job is in one of these states."""
        seen: dict[str, Any] = {}

        def there() -> bool:
            seen.update(self.job(identity))
            assert seen["state"] in states or seen["state"] not in ENDS, seen
            return seen["state"] in states

        wait_for(there, f"job {identity} to be {' or '.join(states)}")
        return seen


class Held(FakeSampler):
    """Images whose grey level is their block; from `free` batches on they wait until `release`."""

    def __init__(self, free: int = 0) -> None:
        self.calls: list[tuple[int, int]] = []
        self.free = free
        self._gate = threading.Event()

    def aligned(self, seed: int, block: int) -> np.ndarray:
        self.calls.append((seed, block))
        while len(self.calls) > self.free and not self._gate.wait(0.05):
            pass
        return np.full((BATCH, 128, 128), block % 256, np.uint8)

    def release(self) -> None:
        self._gate.set()


Serve = Callable[..., JobClient]
"""Serves images and jobs of a sampler from within this process."""


def order(destination: str, **fields: object) -> Mapping[str, object]:
    """Return a request: 100 images in shards of 24 by default, so the last has 4."""
    return {"n": 100, "seed": 7, "shard_size": 24, "destination": destination, **fields}


def undisturbed(
    folder: Path, card: Card, sampler: Sampler | FakeSampler, device: str = "test", **fields: object
) -> dict[str, str]:
    """Return the digests of the set of `order`, as `endotwin set` makes it in a folder."""
    usual = {"n": 100, "seed": 7, "shard_size": 24}
    own = {"name": "endotwin-tiny-7", "model": "tiny", "generator_sha256": "0" * 64}
    spec = SetSpec(**{**usual, **own, **fields})
    destination = FolderDestination(folder)
    with ThreadPoolExecutor(1) as thread:
        maker = BatchMaker(sampler.batch, thread, device)
        make_set(spec, card, destination, lambda: maker, progress=Counting(), stop_if_asked=never)
    return digests(destination)


def contents(swift: Swift, bucket: str, prefix: str = "") -> dict[str, str]:
    """Return the sha256 of every object below a prefix, by the rest of its key."""
    client = swift.client()
    listed = client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return {
        entry["Key"][len(prefix) :]: hashlib.sha256(
            client.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
        ).hexdigest()
        for entry in listed
    }


def open_uploads(swift: Swift, bucket: str) -> list[str]:
    uploads = swift.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    return [upload["Key"] for upload in uploads]


def add_job(store: JobStore, prefix: str = "set", **options: object) -> Job:
    """Add a job of `SPEC` to a store."""
    usual = {"key": None, "request_sha256": "1", "max_open": 100}
    return store.add(Bucket("bucket", prefix), SPEC, **{**usual, **options})
