"""The process of `python -m service`, from its arguments to its end."""

from __future__ import annotations

import argparse
import gc
import ipaddress
import logging
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from endotwin.doctor.finding import Level
from endotwin.doctor.machine import examine_descriptors
from endotwin.doctor.service_files import examine_jobs_folder
from endotwin.packages import GENERATING, INSTALL_SERVICE, SERVING, missing_packages
from endotwin.settings import Settings, SettingsError, load_settings, variable
from service.access.keyring import Keyring
from service.listener import listen
from service.logs import configure_logs
from service.start_line import log_start

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from service.application import Application
    from service.runtime import Runtime
    from service.server import StoppableServer

logger = logging.getLogger("endotwin")

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve() -> None:
    """Serve until SIGTERM or SIGINT; exit with 1 and one line on standard error if that cannot be done."""
    arguments = _parse_arguments()
    # prometheus_client reads these when it is imported: one process, and no series for when a count began.
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    os.environ["PROMETHEUS_DISABLE_CREATED_SERIES"] = "true"
    if missing := missing_packages(GENERATING + SERVING):
        sys.exit(f"Error: serving needs {', '.join(missing)}: {INSTALL_SERVICE}")
    try:
        settings = load_settings(quiet=True)  # before anything that takes long to import
        if settings.keys_file is not None:
            Keyring(settings.keys_file)
        _check_machine(settings)
        listener = listen(arguments.host, arguments.port)
        from service.server import StoppableServer  # noqa: PLC0415

        server = StoppableServer(_load_application, listener, settings, arguments.grace_seconds)
    except (SettingsError, OSError) as error:
        sys.exit(f"Error: {error}")
    for number in _STOP_SIGNALS:  # also while it loads; uvicorn raises a signal again once it has stopped
        signal.signal(number, server.handle_exit)
    with listener:
        server.serve_listener()


def _check_machine(settings: Settings) -> None:
    """Check what would stop the service only after the models are loaded, or while it serves.

    Raises:
        SettingsError: too few files may be open, or the file of jobs cannot be written.
    """
    for finding in (*examine_descriptors(), *examine_jobs_folder(settings)):
        if finding.level is Level.PROBLEM:
            raise SettingsError(finding.text)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m service", description="Serve images over HTTP.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for all")
    parser.add_argument("--port", type=int, default=3000, help="port to listen on")
    parser.add_argument(
        "--grace-seconds",
        type=int,
        default=8,
        help="seconds after SIGTERM or SIGINT within which the process has ended; streams that are still "
        "open shortly before are cut",
    )
    arguments = parser.parse_args()
    if not 1 <= arguments.port <= 65_535:
        parser.error(f"--port must be from 1 to 65535, got {arguments.port}")
    if arguments.grace_seconds < 1:
        parser.error(f"--grace-seconds must be 1 or more, got {arguments.grace_seconds}")
    return arguments


def _load_application(server: StoppableServer) -> ASGIApp:
    """Load the checkpoints and return the application that answers with them."""
    configure_logs(load_settings(quiet=True).log_format)
    settings = load_settings()  # which logs
    try:
        log_start(settings)
    except SettingsError as error:
        sys.exit(f"Error: {error}")
    from endotwin.generator.card_file import CheckpointError  # noqa: PLC0415
    from service.runtime import start_runtime  # noqa: PLC0415

    # The rest is imported while the devices' threads load: those wait for the processor, not for imports.
    with ThreadPoolExecutor(1) as thread:
        starting = thread.submit(start_runtime, settings)
        application = _import_application()
        try:
            runtime = starting.result()
        except (SettingsError, CheckpointError) as error:
            sys.exit(f"Error: {error}")
    if server.should_exit:
        runtime.close()
        sys.exit()
    application.answer_with(runtime)
    server.stopping = application.stopping
    signal.signal(signal.SIGHUP, lambda *_: _read_models_again(runtime))
    host, port = server.address
    logger.info("listening on %s, port %d", host, port)
    if runtime.settings.keys_file is None and not ipaddress.ip_address(host).is_loopback:
        logger.warning(
            "whoever reaches %s may ask for everything: no keys are set (%s, `endotwin key create`)",
            host,
            variable("keys_file"),
        )
    gc.freeze()  # what is there by now stays: to look through it takes a fifth of a second
    gc.enable()
    return application.asgi()


def _read_models_again(runtime: Runtime) -> None:
    try:
        runtime.read_models_again()
    except RuntimeError as error:  # no memory for a thread; raised in a handler, it would end the service
        logger.error("models: cannot be read again: %s", error)  # noqa: TRY400


def _import_application() -> Application:
    # Numba, which the first scene needs: imported here, it does not hold up the device's thread.
    import endotwin.mosaic.gutta_kernels  # noqa: PLC0415
    import endotwin.mosaic.kernels  # noqa: PLC0415
    import endotwin.mosaic.pixels  # noqa: F401, PLC0415
    from service.application import Application  # noqa: PLC0415

    return Application()
