"""The BentoML service, which `bentoml serve` runs; `python -m service` serves the same without BentoML."""

from __future__ import annotations

import bentoml
from bentoml.exceptions import BentoMLException

from endotwin.generator.card_file import CheckpointError
from endotwin.process_environment import GENERATING
from endotwin.settings import SettingsError, load_settings
from service.application import FIRST_BYTE_LIMIT_SECONDS, Application
from service.errors import ErrorShape
from service.hidden_pages import HiddenPages
from service.logs import configure_logs
from service.runtime import check_start, start_runtime
from service.start_line import log_start

_application = Application()


class Endotwin:
    """Synthetic specular-microscopy images of the human corneal endothelium, streamed by seed."""

    def __init__(self) -> None:
        """Load the checkpoints and run each once. BentoML listens to requests only when this is done."""
        configure_logs(load_settings(quiet=True).log_format)  # over the configuration of BentoML
        settings = load_settings()  # which logs
        log_start(settings)
        self._runtime = start_runtime(settings)
        _application.answer_with(self._runtime)
        self._runtime.check_models()

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
    traffic={"timeout": 2 * FIRST_BYTE_LIMIT_SECONDS},  # BentoML's answer has another shape than ours
    # BentoML's metrics have a series for every path that was ever asked for; its lines are not JSON.
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    envs=[{"name": name, "value": value} for name, value in GENERATING.items()],
)(Endotwin)
Service.mount_asgi_app(_application.routes, path="/")
for _layer, _arguments in _application.layers:
    Service.add_asgi_middleware(_layer, **_arguments)
Service.add_asgi_middleware(ErrorShape)
Service.add_asgi_middleware(HiddenPages)
