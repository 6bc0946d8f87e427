"""A Bento: what it starts, with a system that is read-only, and what that listens on."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from entrances import TCP, UDP, UNIX, entrances, takes_a_connection
from live_server import LiveServer, serve_command
from packages import ROOT, arguments, locked

READ_ONLY = """
set -e
mount --make-rprivate /
for folder in "$TMPDIR" "$JOBS"; do mount --bind "$folder" "$folder"; done
cut -d ' ' -f 2 /proc/self/mounts | sort -u | while read -r point; do
    case $point in
        "$TMPDIR" | "$JOBS" | /dev* | /proc* | /sys*) ;;
        *) mount -o remount,bind,ro "$point" || true ;;
    esac
done
for folder in "$HOME" "$SOURCE" "$TMPDIR/.." /var/tmp; do
    if touch "$folder/written"; then exit 3; fi
done
cd "$SOURCE"
exec "$@"
"""
"""Start a command in a folder, in a system in which two other folders are all that can be written to."""

NAMESPACE = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the Bento of this repository; return its folder."""
    home = tmp_path_factory.mktemp("bentoml")
    variables = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "true"}
    command = [sys.executable, "-m", "bentoml", "build", "--output", "tag"]
    built = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    [folder] = (home / "bentos" / "endotwin").glob("*/")
    return folder


@pytest.fixture(scope="module")
def packaged(
    bento: Path, labelled_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """Start the service from the Bento's files; only two folders can be written to."""
    if shutil.which("unshare") is None or subprocess.run([*NAMESPACE, "true"], check=False).returncode != 0:
        pytest.skip("unshare cannot make a namespace for mounts here")
    home, jobs = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("jobs")
    names = [f"HOME={bento}", f"SOURCE={bento / 'src'}", f"JOBS={jobs}"]
    start = [*NAMESPACE, "env", "-u", "BENTOML_HOME", *names, "sh", "-c", READ_ONLY, "sh"]
    live = LiveServer(
        home,
        lambda port: [*start, *serve_command(port)],
        checkpoint_dir=str(labelled_checkpoint.parent),
        default_model="tiny",
        jobs_store=str(jobs / "jobs.sqlite"),
        storage_allow="bucket",
    )
    yield live
    live.stop()


def test_a_container_of_the_bento_starts_what_the_image_starts(bento: Path) -> None:
    dockerfile = (bento / "env" / "docker" / "Dockerfile").read_text()
    started = re.findall(r"^(ENTRYPOINT|CMD|USER|WORKDIR) (.*)$", dockerfile, re.MULTILINE)
    [ours] = arguments("CMD")
    assert [value for word, value in started if word == "ENTRYPOINT"] == ["[]"]
    assert [json.loads(value) for word, value in started if word == "CMD"] == [json.loads(ours)]
    assert [value for word, value in started if word == "USER"] == ["bentoml"]
    assert [value for word, value in started if word == "WORKDIR"][-1].endswith("/src")


def test_a_bento_installs_every_package_by_its_digest(bento: Path) -> None:
    requirements = (bento / "env" / "python" / "requirements.txt").read_text()
    for entry in locked().values():
        assert entry in requirements
    others = re.sub(
        r"^#.*\n|\s", "", "".join(re.split("|".join(map(re.escape, locked().values())), requirements))
    )
    assert others == "bentoml" + locked()["bentoml"].split()[0].removeprefix("bentoml")


def test_nothing_but_two_folders_has_to_be_writable(packaged: LiveServer, server: LiveServer) -> None:
    for query in ("n=3&seed=7", "n=2&seed=7&labels=instances&format=zip"):
        assert packaged.generate(query).body == server.generate(query).body
    assert packaged.request("/jobs", "GET").status == 200
    assert packaged.request("/metrics", "GET").status == 200
    assert "Read-only file system" not in packaged.log().partition("listening")[2]


def test_a_packaged_service_takes_connections_at_one_port_only(packaged: LiveServer) -> None:
    packaged.generate("n=40")
    assert len(packaged.processes()) == 1
    assert entrances(packaged.processes()) == [(TCP, ("127.0.0.1", packaged.port))]


def test_other_entrances_would_be_seen_and_tried(tmp_path: Path) -> None:
    name = f"@endotwin-{os.getpid()}"
    opened: list[tuple[socket.SocketKind, int, object]] = [
        (socket.SOCK_STREAM, socket.AF_INET, ("127.0.0.1", 0)),
        (socket.SOCK_STREAM, socket.AF_INET6, ("::1", 0)),
        (socket.SOCK_DGRAM, socket.AF_INET, ("127.0.0.1", 0)),
        (socket.SOCK_STREAM, socket.AF_UNIX, str(tmp_path / "socket")),
        (socket.SOCK_DGRAM, socket.AF_UNIX, name.replace("@", "\0")),
    ]
    before = entrances([psutil.Process()])
    sockets = []
    for kind, family, address in opened:
        sockets.append(socket.socket(family, kind))
        sockets[-1].bind(address)
        if kind == socket.SOCK_STREAM:
            sockets[-1].listen()
    found = [each for each in entrances([psutil.Process()]) if each not in before]
    assert [kind for kind, _ in found] == [TCP, TCP, UDP, UNIX, UNIX]
    assert (UNIX, name) in found
    assert all(map(takes_a_connection, found))
    for each in sockets:
        each.close()
    assert [each for each in found if takes_a_connection(each)] == [
        each for each in found if each[0] == UDP
    ]
