"""GET /metrics: the metrics of `service.metrics`, and what is looked up when Prometheus asks."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from importlib.metadata import version

import torch
from fastapi import FastAPI
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    REGISTRY,
    CollectorRegistry,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from endotwin import __version__
from service.runtime import Runtime


def add_metrics_page(app: FastAPI) -> None:
    """Answer GET /metrics."""
    registry = _everything(lambda: app.state.runtime)

    def show_metrics(request: Request) -> Response:
        """Return all metrics in the text format of Prometheus."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    app.add_route("/metrics", show_metrics, include_in_schema=False)


def _everything(runtime: Callable[[], Runtime]) -> CollectorRegistry:
    registry = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):  # under BentoML's supervisor: dead workers count too
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        ProcessCollector(registry=registry)
        registry.register(PLATFORM_COLLECTOR)
        registry.register(GC_COLLECTOR)
    else:
        registry.register(REGISTRY)
    registry.register(RuntimeCollector(runtime))
    return registry


class RuntimeCollector(Collector):
    """What the service is and what its GPUs hold, at the time of asking."""

    def __init__(self, runtime: Callable[[], Runtime]) -> None:
        self._runtime = runtime

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        runtime = self._runtime()
        info = {
            "version": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "bentoml": version("bentoml"),
            "device": runtime.device_name,
        }
        build = GaugeMetricFamily("endotwin_build_info", "Always 1; what runs here.", labels=list(info))
        build.add_metric(list(info.values()), 1)
        yield build
        limit = runtime.settings.max_streams + runtime.settings.small_streams
        yield GaugeMetricFamily("endotwin_max_streams", "Streams that may be open.", value=limit)
        yield from _gpu_memory()


def _gpus() -> int:
    return torch.cuda.device_count() if torch.cuda.is_initialized() else 0  # type: ignore[no-untyped-call]


def _gpu_memory() -> Iterator[Metric]:
    """Yield the memory of the GPUs that this process uses; none for one that does not answer."""
    total = GaugeMetricFamily("endotwin_gpu_memory_bytes", "Memory of a GPU.", labels=["device"])
    free = GaugeMetricFamily(
        "endotwin_gpu_memory_free_bytes", "Memory of a GPU that no process uses.", labels=["device"]
    )
    held = GaugeMetricFamily(
        "endotwin_gpu_memory_held_bytes",
        "Memory of a GPU that torch holds for this process.",
        labels=["device"],
    )
    for index in range(_gpus()):
        try:
            reserved = torch.cuda.memory_reserved(index)
            if not reserved:  # to ask for more would make a context there
                continue
            unused, whole = torch.cuda.mem_get_info(index)
        except RuntimeError:
            continue
        for family, value in ((total, whole), (free, unused), (held, reserved)):
            family.add_metric([f"cuda:{index}"], value)
    yield from (total, free, held)
