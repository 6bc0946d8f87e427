"""What clients and probes see of a device that fails and comes back."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Callable
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
import torch
from fake_samplers import FakeSampler
from live_server import Client, wait_for
from prometheus_client import REGISTRY
from starlette.responses import PlainTextResponse

from endotwin.image_range import BATCH
from service import device_worker as worker_module
from service.readiness import Readiness

ERROR = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


class Failing(FakeSampler):
    """White images; from a block on the device fails, until `works`."""

    def __init__(self, fails_at: int) -> None:
        self.fails_at = fails_at
        self.works = False

    def aligned(self, seed: int, block: int) -> np.ndarray:
        if block >= self.fails_at and not self.works:
            raise ERROR
        return np.full((BATCH, 128, 128), 255, np.uint8)


def requests(outcome: str, code: str) -> float:
    labels = {"outcome": outcome, "code": code}
    return REGISTRY.get_sample_value("endotwin_requests_total", labels) or 0.0


@pytest.fixture(autouse=True)
def _tried_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "_FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(worker_module, "_LONGEST_PAUSE_SECONDS", 0.2)


def test_without_a_device_requests_are_refused_until_it_is_back(
    serve_sampler: Callable[..., Client],
) -> None:
    sampler = Failing(0)
    client = serve_sampler(sampler)
    refused, failed = requests("refused", "not_ready"), requests("failed", "not_ready")
    for count in (1, 2):  # the first one finds out
        reply = client.request("/generate?n=20")
        assert reply.status == 503
        assert reply.error["code"] == "not_ready"
        assert "out of memory: CUDA out of memory. Tried to allocate 2.00 GiB" in reply.error["message"]
        assert int(reply.headers["Retry-After"]) >= 1
        wait_for(lambda: requests("refused", "not_ready") >= refused + count, "it to be counted")  # noqa: B023
    assert requests("refused", "not_ready") == refused + 2
    assert requests("failed", "not_ready") == failed
    assert client.request("/models", "GET").status == 200
    sampler.works = True
    wait_for(lambda: client.request("/generate?n=20").status == 200, "the device to be back")


def test_streams_are_cut_and_go_on_from_where_they_were(serve_sampler: Callable[..., Client]) -> None:
    sampler = Failing(2)
    client = serve_sampler(sampler)
    failed = requests("failed", "not_ready")
    with pytest.raises(http.client.IncompleteRead) as cut:
        client.request("/generate?n=100&format=npy")
    assert len(cut.value.partial) >= BATCH * 128 * 128
    wait_for(lambda: requests("failed", "not_ready") == failed + 1, "it to be counted")
    sampler.works = True
    wait_for(lambda: client.request("/generate?n=1").status == 200, "the device to be back")
    assert len(client.generate("n=68&start=32&format=npy").images) == 68


@pytest.mark.parametrize(
    ("problem", "restart", "statuses"),
    [
        (None, False, {"/readyz": 200, "/livez": 200, "/healthz": 200, "/models": 200}),
        ("out of memory", False, {"/readyz": 503, "/livez": 200, "/healthz": 200, "/models": 200}),
        ("the device failed", True, {"/readyz": 503, "/livez": 503, "/healthz": 200, "/models": 200}),
    ],
)
def test_probes_say_why_nothing_can_be_generated(
    problem: str | None, restart: bool, statuses: dict[str, int]
) -> None:
    runtime = SimpleNamespace(device=SimpleNamespace(problem=problem, needs_restart=restart), keyring=None)
    application = Readiness(PlainTextResponse("fine"), lambda: runtime)

    async def ask() -> dict[str, httpx.Response]:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://endotwin") as client:
            return {path: await client.get(path) for path in statuses}

    replies = asyncio.run(ask())
    assert {path: reply.status_code for path, reply in replies.items()} == statuses
    for reply in replies.values():
        if reply.status_code == 503:
            assert reply.json() == {"error": {"code": "not_ready", "message": problem}}
