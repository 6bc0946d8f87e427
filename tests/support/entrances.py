"""The sockets of a process at which others can send it something, of whatever kind."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from pathlib import Path

import psutil

TCP, UDP, UNIX = "tcp", "udp", "unix"
Entrance = tuple[str, object]
"""The kind, and host and port or the path of a Unix socket; an abstract one begins with @."""


def entrances(processes: list[psutil.Process]) -> list[Entrance]:
    """Return what can be connected to; sockets that are connected, or have no name, are none."""
    found: set[Entrance] = set()
    for process in processes:
        sockets = process.net_connections("all")
        assert _unknown(process, {each.fd for each in sockets}) == [], "sockets of another kind"
        for each in sockets:
            if each.family == socket.AF_UNIX:
                found |= {(UNIX, each.laddr)} if each.laddr else set()
            elif each.type == socket.SOCK_DGRAM:
                found.add((UDP, tuple(each.laddr)))
            elif each.status == psutil.CONN_LISTEN:
                found.add((TCP, tuple(each.laddr)))
    return sorted(found, key=str)


def _unknown(process: psutil.Process, known: set[int]) -> list[str]:
    """Return the sockets that are neither TCP, UDP nor Unix: raw, packet, netlink, vsock and so on."""
    unknown = []
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            target = str(link.readlink())
            if target.startswith("socket:") and int(link.name) not in known:
                unknown.append(target)
    return unknown


def takes_a_connection(entrance: Entrance) -> bool:
    """Return whether somebody who tries gets in; UDP takes whatever it is sent."""
    kind, address = entrance
    if kind == UDP:
        return True
    if kind == TCP:
        host, port = address  # type: ignore[misc]
        family, types, address = (
            socket.AF_INET6 if ":" in host else socket.AF_INET,
            [socket.SOCK_STREAM],
            (host, port),
        )
    else:
        family, types = socket.AF_UNIX, [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET]
        address = re.sub("^@", "\0", str(address))
    for kind_of_socket in types:
        with socket.socket(family, kind_of_socket) as client, suppress(OSError):
            client.settimeout(5)
            client.connect(address)
            return True
    return False
