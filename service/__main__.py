"""`python -m service`: the service in one process, which listens on one TCP port and on nothing else.

`bentoml serve` runs the same application under a supervisor that takes commands from every process of the
machine (docs/operator.md).
"""

from __future__ import annotations

import argparse
import ipaddress
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from endotwin.doctor.finding import Level
from endotwin.doctor.machine import examine_descriptors
from endotwin.doctor.service_files import examine_jobs_folder
from endotwin.process_environment import GENERATING, restart_with
from endotwin.settings import Settings, SettingsError, load_settings, variable
from service.access.keyring import Keyring
from service.logs import configure_logs

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

    from service.runtime import Runtime

logger = logging.getLogger("endotwin")

_BACKLOG = 2048
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def main() -> None:
    """Serve until SIGTERM or SIGINT; exit with 1 and one line on standard error if that cannot be done."""
    restart_with(GENERATING)
    arguments = _parse_arguments()
    os.environ["BENTOML_DO_NOT_TRACK"] = "true"
    try:
        settings = load_settings(quiet=True)  # before anything that takes long to import
        if settings.keys_file is not None:
            Keyring(settings.keys_file)
        _check_machine(settings)
        listener = _listen(arguments.host, arguments.port)
    except (SettingsError, OSError) as error:
        sys.exit(f"Error: {error}")
    # prometheus_client reads these when it is imported: one process, and no series for when a count began.
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    os.environ["PROMETHEUS_DISABLE_CREATED_SERIES"] = "true"
    with listener:
        _create_server(arguments.host, arguments.port, arguments.grace_seconds).run([listener])


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
        default=5,
        help="how long open streams may go on after SIGTERM or SIGINT; then they are cut",
    )
    arguments = parser.parse_args()
    if not 1 <= arguments.port <= 65_535:
        parser.error(f"--port must be from 1 to 65535, got {arguments.port}")
    if arguments.grace_seconds < 1:
        parser.error(f"--grace-seconds must be 1 or more, got {arguments.grace_seconds}")
    return arguments


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens: connections wait until the models have run.

    Raises:
        OSError: the address is not one of this machine, or the port is in use.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Else the body of an answer on a kept connection waits 40 ms for the client's word on its head.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise OSError(f"cannot listen on port {port} of {host}: {error.strerror}") from error
    return listener


def _create_server(host: str, port: int, grace_seconds: int) -> uvicorn.Server:
    """Return a server that stops on a signal, even one that comes while it loads."""
    import uvicorn  # noqa: PLC0415

    config = uvicorn.Config(
        lambda: _load_application(server),
        host,
        port,
        factory=True,
        log_config=None,
        access_log=False,  # RequestLog writes one
        server_header=False,
        timeout_graceful_shutdown=grace_seconds,
    )
    server = uvicorn.Server(config)
    for number in _STOP_SIGNALS:  # uvicorn raises a signal again once it has stopped
        signal.signal(number, server.handle_exit)
    return server


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _load_application(server: uvicorn.Server) -> ASGIApp:
    """Load the checkpoints, once, and return what BentoML would run in its worker."""
    configure_logs(load_settings(quiet=True).log_format)
    settings = load_settings()  # which logs
    from endotwin.generator.checkpoint import CheckpointError  # noqa: PLC0415
    from service.runtime import start_runtime  # noqa: PLC0415

    # The rest is imported while the devices' threads load: those wait for the processor, not for imports.
    with ThreadPoolExecutor(1) as thread:
        starting = thread.submit(start_runtime, settings)
        application, use = _import_application()
        try:
            runtime = starting.result()
        except (SettingsError, CheckpointError) as error:
            sys.exit(f"Error: {error}")
    if server.should_exit:
        runtime.close()
        sys.exit()
    use(runtime)
    signal.signal(signal.SIGHUP, lambda *_: runtime.read_models_again())
    logger.info("listening on %s, port %d", server.config.host, server.config.port)
    if runtime.settings.keys_file is None and not _is_loopback(server.config.host):
        logger.warning(
            "whoever reaches %s may ask for everything: no keys are set (%s, `endotwin key create`)",
            server.config.host,
            variable("keys_file"),
        )
    return application


def _import_application() -> tuple[ASGIApp, Callable[[Runtime], None]]:
    """Return the application, and what gives it the runtime that it answers with."""
    import bentoml  # noqa: PLC0415

    from service.http_service import Service, use  # noqa: PLC0415

    context = bentoml.server_context
    context.service_type, context.service_name = "entry_service", Service.name
    context.bento_name, context.bento_version = Service.name, "not available"
    return Service.to_asgi(), use


if __name__ == "__main__":
    main()
