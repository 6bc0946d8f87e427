"""Memory, descriptors, clock, user, and the folders that are written to."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from endotwin.doctor.finding import Finding, Level, advice, ok, problem
from endotwin.settings import Settings

_GB = 1e9
_LEAST_MEMORY, _GOOD_MEMORY = 1.0, 2.0
_LEAST_DISK, _GOOD_DISK = 0.1, 2.0
_LEAST_DESCRIPTORS, _GOOD_DESCRIPTORS = 256, 1024
_TRIAL = 1 << 20
_PACKAGE = Path(__file__).resolve().parents[1]

_NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "lustre", "fuse.sshfs", "glusterfs"}


def examine_memory(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> Iterator[Finding]:
    """Yield whether there is memory for a service, of the machine and of the container."""
    free = _free_memory(proc, cgroup)
    if free is None:
        yield advice("memory", "how much is free cannot be found out on this system")
        return
    text = f"{free:.1f} GB are free"
    if free < _LEAST_MEMORY:
        yield problem("memory", f"{text}; the service needs some {_GOOD_MEMORY:g} GB and would be killed")
    elif free < _GOOD_MEMORY:
        yield advice("memory", f"{text}; {_GOOD_MEMORY:g} GB are better")
    else:
        yield ok("memory", text)


def _free_memory(proc: Path, cgroup: Path) -> float | None:
    """Return the gigabytes that can still be used: those of the machine, or of the container if fewer."""
    found = []
    try:
        lines = dict(line.split(":") for line in (proc / "meminfo").read_text().splitlines())
        found.append(int(lines["MemAvailable"].split()[0]) * 1024)
    except (OSError, KeyError, ValueError):
        pass
    try:
        limit = (cgroup / "memory.max").read_text().strip()
        if limit != "max":
            found.append(int(limit) - int((cgroup / "memory.current").read_text()))
    except (OSError, ValueError):
        pass
    return min(found) / _GB if found else None


def examine_descriptors() -> Iterator[Finding]:
    """Yield whether enough files and connections can be open at once."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY or limit >= _GOOD_DESCRIPTORS:
        yield ok("descriptors", "enough files and connections may be open at once")
        return
    text = f"only {limit} files and connections may be open at once: raise it, as with `ulimit -n 65536`"
    yield (problem if limit < _LEAST_DESCRIPTORS else advice)("descriptors", text)


def examine_clock() -> Iterator[Finding]:
    """Yield whether the clock is behind the files that are here."""
    now, newest = time.time(), (_PACKAGE / "__init__.py").stat().st_mtime
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < newest - 86_400:
        written = time.strftime("%Y-%m-%d", time.gmtime(newest))
        yield problem(
            "clock", f"it is {shown} here, before Endotwin was installed ({written}): set the clock"
        )
    else:
        yield ok("clock", shown)


def examine_user() -> Iterator[Finding]:
    """Yield who runs this."""
    if os.geteuid() == 0:
        yield advice("user", "root: a service that is broken into is not, under an ordinary user")
    else:
        yield ok("user", f"an ordinary one, of number {os.geteuid()}")


def examine_temporary_folder(settings: Settings) -> Iterator[Finding]:
    """Yield whether temporary files can be written, and the shards of jobs that wait to be sent."""
    try:
        folder = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        yield problem("temporary", f"{error.strerror}; set TMPDIR to a folder that can be written to")
        return
    yield from examine_folder("temporary", folder, "set TMPDIR to another", large=bool(settings.jobs_store))


def examine_home() -> Iterator[Finding]:
    """Yield whether the commands of BentoML could write where they keep their files."""
    home = Path(os.environ.get("BENTOML_HOME") or Path.home() / "bentoml")
    for finding in examine_folder("home", home, "set BENTOML_HOME to another folder"):
        needed = finding.level is Level.PROBLEM
        yield advice("home", f"{finding.text}; only `bentoml` commands need it") if needed else finding


def examine_folder(subject: str, folder: Path, otherwise: str, *, large: bool = False) -> Iterator[Finding]:
    """Yield whether a folder, or the one in which it would be made, can be written to and has room.

    Args:
        subject: of the finding.
        folder: may be missing.
        otherwise: what to do if not.
        large: shards will be written there.
    """
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(bytes(_TRIAL))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        what = "make room, or " if full else ""
        yield problem(subject, f"{there} cannot be written to: {error.strerror}; {what}{otherwise}")
        return
    free = shutil.disk_usage(there).free / _GB
    needed = _GOOD_DISK if large else _LEAST_DISK
    if free < needed:
        yield advice(subject, f"{there} can be written to, and has {free:.1f} GB; {needed:g} GB are better")
    else:
        yield ok(subject, f"{there} can be written to, and has {free:.1f} GB")


def file_system(path: Path, mounts: Path = Path("/proc/mounts")) -> str:
    """Return the kind of file system that a path is on; "" where it is not known."""
    try:
        fields = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return ""
    places = [(Path(field[1]), field[2]) for field in fields if path.is_relative_to(field[1])]
    return max(places, key=lambda place: len(place[0].parts), default=(path, ""))[1]


def is_on_network(path: Path) -> bool:
    """Return whether a path is on a file system of another machine."""
    return file_system(path) in _NETWORK_FILE_SYSTEMS
