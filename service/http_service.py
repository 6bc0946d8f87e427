"""The BentoML service. BentoML adds /healthz, /livez, /readyz, /metrics and /docs.json."""

from __future__ import annotations

import logging

import bentoml
from bentoml.exceptions import BentoMLException

from endotwin.generator.checkpoint import CheckpointError
from endotwin.process_environment import GENERATING
from endotwin.settings import SettingsError, load_settings
from service.access.control import AccessControl
from service.app import create_app
from service.errors import ErrorShape
from service.hidden_pages import HiddenPages
from service.log_escapes import escape_all_logs
from service.readiness import DeviceReadiness
from service.redirects import RelativeRedirects
from service.runtime import Runtime, check_start, start_runtime
from service.time_limit import FirstByteLimit

_FIRST_BYTE_LIMIT_SECONDS = 600

logging.getLogger("endotwin").setLevel(logging.INFO)

_app = create_app()


def use(runtime: Runtime) -> None:
    """Answer requests with a runtime that was started already."""
    _app.state.runtime = runtime


class Endotwin:
    """Synthetic specular-microscopy images of the human corneal endothelium, streamed by seed."""

    def __init__(self) -> None:
        """Load the checkpoints and run each once. BentoML listens to requests only when this is done."""
        escape_all_logs()
        if not hasattr(_app.state, "runtime"):
            use(start_runtime(load_settings()))
        self._runtime: Runtime = _app.state.runtime

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def check() -> None:
        """Stop `bentoml serve` with one clear line, before it starts a worker that could only fail."""
        try:
            check_start(load_settings(quiet=True))  # the worker logs what was ignored
        except (SettingsError, CheckpointError) as error:
            raise BentoMLException(str(error)) from error

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """Stop the threads."""
        self._runtime.close()


Service = bentoml.service(
    name="endotwin",
    workers=1,
    traffic={"timeout": 2 * _FIRST_BYTE_LIMIT_SECONDS},  # BentoML's answer has another shape than ours
    envs=[{"name": name, "value": value} for name, value in GENERATING.items()],
    # BentoML decodes the type for its log, and fails where it is no UTF-8.
    logging={"access": {"request_content_type": False}},
)(Endotwin)
Service.mount_asgi_app(_app, path="/")
Service.add_asgi_middleware(RelativeRedirects)
Service.add_asgi_middleware(ErrorShape)
Service.add_asgi_middleware(DeviceReadiness, runtime=lambda: _app.state.runtime)
Service.add_asgi_middleware(FirstByteLimit, seconds=_FIRST_BYTE_LIMIT_SECONDS)
Service.add_asgi_middleware(AccessControl, state=_app.state)
Service.add_asgi_middleware(HiddenPages)
