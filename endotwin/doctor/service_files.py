"""The files of jobs and keys, and the port."""

from __future__ import annotations

import errno
import http.client
import ipaddress
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from endotwin.doctor.finding import Finding, advice, ok, problem
from endotwin.doctor.machine import examine_folder, is_on_network
from endotwin.keys import KeysError, read_keys
from endotwin.settings import Settings, variable

_SUBJECT = "jobs"
_BUSY_SECONDS = 2.0


def examine_jobs_store(settings: Settings) -> Iterator[Finding]:
    """Yield whether the file of jobs can be read and written; it is not made."""
    path = settings.jobs_store
    if path is None:
        yield ok(_SUBJECT, f"none: {variable('jobs_store')} is not set")
        return
    if is_on_network(path.parent):
        text = f"{path} is on a network file system, where locks may not hold: use a disk of this machine"
        yield advice(_SUBJECT, text)
    if not settings.storage_allow:
        text = (
            f"no destination is allowed: set {variable('storage_allow')}, or unset {variable('jobs_store')}"
        )
        yield advice(_SUBJECT, text)
    yield from examine_jobs_folder(settings)
    if path.exists():
        yield _examine_database(path)


def examine_jobs_folder(settings: Settings) -> Iterator[Finding]:
    """Yield whether files can be written beside the file of jobs, if there is to be one."""
    if settings.jobs_store is None:
        return
    folder, name = settings.jobs_store.parent, variable("jobs_store")
    if folder.is_dir():
        yield from examine_folder(_SUBJECT, folder, f"set {name} to another place")
    else:
        yield problem(_SUBJECT, f"there is no folder {folder} for {name}: make it")


def _examine_database(path: Path) -> Finding:
    try:
        database = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS)
        try:
            [[found]] = database.execute("PRAGMA quick_check(1)").fetchall()
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
        finally:
            database.close()
    except sqlite3.Error as error:
        return problem(
            _SUBJECT, f"{path} cannot be used: {error}; put it back from a copy, or move it away"
        )
    if found != "ok":
        return problem(_SUBJECT, f"{path} is damaged: {found}; put it back from a copy, or move it away")
    return ok(_SUBJECT, f"{path} can be read and written")


def examine_keys(settings: Settings, host: str) -> Iterator[Finding]:
    """Yield whether the file of keys can be used, or whether a service on this host is open without."""
    if settings.keys_file is None:
        none = f"none: {variable('keys_file')} is not set, and"
        if _is_loopback(host):
            yield ok("keys", f"{none} everybody on this machine may ask for everything")
        else:
            how = "set it, and make keys with `endotwin key create`"
            yield advice("keys", f"{none} whoever reaches {host} may ask for everything: {how}")
        return
    try:
        keys = read_keys(settings.keys_file)
    except KeysError as error:
        yield problem("keys", str(error))
        return
    if keys:
        yield ok("keys", f"{len(keys)} in {settings.keys_file}: {', '.join(key.name for key in keys)}")
    else:
        text = f"none in {settings.keys_file}, so nobody gets in: `endotwin key create NAME` makes one"
        yield advice("keys", text)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def examine_port(host: str, port: int) -> Iterator[Finding]:
    """Yield whether a service could listen."""
    where = f"port {port} of {host}"
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen()
    except socket.gaierror:
        yield problem("port", f"{host} is no address of this machine: use 127.0.0.1, or 0.0.0.0 for all")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            yield problem("port", f"{where} is in use{_who_answers(host, port)}; stop that, or use --port")
        elif error.errno == errno.EACCES:
            yield problem("port", f"{where} takes a right that this user lacks; use one from 1024 on")
        else:
            yield problem("port", f"a service cannot listen on {where}: {error.strerror}")
    else:
        yield ok("port", f"{where} is free")


def _who_answers(host: str, port: int) -> str:
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection = http.client.HTTPConnection(address, port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
    return f", by a server that answers /readyz with {status}"
