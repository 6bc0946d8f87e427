"""All that is looked at, in the order in which it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from endotwin.doctor.finding import Finding, advice, ok, problem
from endotwin.doctor.machine import (
    examine_clock,
    examine_descriptors,
    examine_home,
    examine_memory,
    examine_temporary_folder,
    examine_user,
)
from endotwin.doctor.models import examine_checkpoints, examine_device
from endotwin.doctor.service_files import examine_jobs_store, examine_keys, examine_port
from endotwin.doctor.storage import examine_storage
from endotwin.packages import GENERATING, INSTALL, INSTALL_SERVICE, SERVING, missing_packages
from endotwin.settings import Settings, SettingsError, load_settings


def examine(host: str, port: int, places: tuple[str, ...]) -> Iterator[Finding]:
    """Yield everything that is found.

    Args:
        host: address that a service would listen on.
        port: the port.
        places: where sets are to go; without any, where the settings allow them.
    """
    settings: Settings | None = None
    try:
        settings = load_settings(quiet=True)
    except SettingsError as error:
        yield problem("settings", str(error))
    else:
        changed = sorted(settings.model_fields_set)
        yield ok("settings", f"{len(changed)} set: {', '.join(changed)}" if changed else "none set")
    yield from examine_packages()
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("memory", examine_memory),
        ("descriptors", examine_descriptors),
        ("clock", examine_clock),
        ("user", examine_user),
    ]
    if settings is not None:
        checks += _checks_with(settings, host, places)
    if not missing_packages(SERVING):
        checks += [("home", examine_home), ("port", partial(examine_port, host, port))]
    for subject, check in checks:
        yield from _survive(subject, check)


def _checks_with(
    settings: Settings, host: str, places: tuple[str, ...]
) -> list[tuple[str, Callable[[], Iterator[Finding]]]]:
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("temporary", partial(examine_temporary_folder, settings))
    ]
    if not missing_packages(GENERATING):  # else that is the finding
        checks += [
            ("device", partial(examine_device, settings)),
            ("checkpoints", partial(examine_checkpoints, settings)),
        ]
    return [
        *checks,
        ("storage", partial(examine_storage, settings, places)),
        ("jobs", partial(examine_jobs_store, settings)),
        ("keys", partial(examine_keys, settings, host)),
    ]


def examine_packages() -> Iterator[Finding]:
    """Yield whether what images and a service take is installed."""
    serving = missing_packages(SERVING)
    if missing := missing_packages(GENERATING):
        text = f"no image can be made without {', '.join(missing)}: {INSTALL}"
        if serving:
            text += f"; serving takes {', '.join(serving)} too: {INSTALL_SERVICE}"
        yield problem("packages", text)
    elif serving:
        text = f"images and sets can be made; serving takes {', '.join(serving)}: {INSTALL_SERVICE}"
        yield advice("packages", text)
    else:
        yield ok("packages", "all that a service takes is installed")


def _survive(subject: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield the findings of a check; one that fails is a finding, and no obstacle to the others."""
    try:
        yield from check()
    except Exception as error:  # whatever it is, the others are to be told
        yield problem(subject, f"this could not be looked at: {type(error).__name__}: {error}")
