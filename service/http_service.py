"""The BentoML service. BentoML adds /healthz, /livez and /readyz."""

from __future__ import annotations

import bentoml
from bentoml.exceptions import BentoMLException

from endotwin.generator.checkpoint import CheckpointError
from endotwin.process_environment import GENERATING
from endotwin.settings import SettingsError, load_settings
from service.access.control import AccessControl
from service.access.cors import CrossOrigin
from service.app import create_app
from service.errors import ErrorShape
from service.hidden_pages import HiddenPages
from service.logs import configure_logs
from service.readiness import Readiness
from service.redirects import RelativeRedirects
from service.request_log import RequestLog
from service.runtime import Runtime, check_start, start_runtime
from service.start_line import log_start
from service.stopping import RefuseWhileStopping, Stopping
from service.time_limit import FirstByteLimit

_FIRST_BYTE_LIMIT_SECONDS = 600

_app = create_app()

stopping = Stopping()


def use(runtime: Runtime) -> None:
    """Answer requests with a runtime that was started already."""
    _app.state.runtime = runtime


class Endotwin:
    """Synthetic specular-microscopy images of the human corneal endothelium, streamed by seed."""

    def __init__(self) -> None:
        """Load the checkpoints and run each once. BentoML listens to requests only when this is done."""
        configure_logs(load_settings(quiet=True).log_format)  # over the configuration of BentoML
        if not hasattr(_app.state, "runtime"):
            settings = load_settings()
            log_start(settings)
            use(start_runtime(settings))
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
    # BentoML's metrics have a series for every path that was ever asked for; its lines are not JSON.
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    envs=[{"name": name, "value": value} for name, value in GENERATING.items()],
)(Endotwin)
Service.mount_asgi_app(_app, path="/")
Service.add_asgi_middleware(RequestLog)
Service.add_asgi_middleware(CrossOrigin, state=_app.state)
Service.add_asgi_middleware(RelativeRedirects)
Service.add_asgi_middleware(ErrorShape)
Service.add_asgi_middleware(Readiness, runtime=lambda: _app.state.runtime)
Service.add_asgi_middleware(RefuseWhileStopping, stopping=stopping)
Service.add_asgi_middleware(FirstByteLimit, seconds=_FIRST_BYTE_LIMIT_SECONDS)
Service.add_asgi_middleware(AccessControl, state=_app.state)
Service.add_asgi_middleware(HiddenPages)
