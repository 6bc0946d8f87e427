"""A real S3-compatible server for tests: OpenStack Swift on one node, from the packages of the test extra.

Its proxy (which speaks S3) and its storage servers are processes of their own: they can be killed and
started again on the same files.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
from botocore.config import Config
from live_server import free_port, wait_for

BIN = Path(sys.executable).parent
ACCESS_KEY, SECRET_KEY = "test:tester", "testing"
STORAGE = ("account", "container", "object")

_CONSTRAINTS = """
[swift-hash]
swift_hash_path_prefix = tests
swift_hash_path_suffix = tests
"""
_STORAGE_SERVER = """
[DEFAULT]
devices = {folder}/devices
mount_check = false
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = root
swift_dir = {folder}
fallocate_reserve = 0
disable_fallocate = true
log_udp_host = 127.0.0.1
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""
_PROXY = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = root
swift_dir = {folder}
log_udp_host = 127.0.0.1
[pipeline:main]
pipeline = catch_errors cache s3api tempauth copy slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{no_cache}
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
location = us-east-1
dns_compliant_bucket_names = true
allow_no_owner = true
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
"""


def missing() -> str | None:
    """Return what is missing to run Swift, or None."""
    programs = ["swift-ring-builder", *(f"swift-{name}-server" for name in (*STORAGE, "proxy"))]
    absent = [program for program in programs if shutil.which(BIN / program) is None]
    return f"{', '.join(absent)} (pip install swift pyeclib)" if absent else None


class Swift:
    """One node below a folder of its own. Not started until `start`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "devices" / "d1").mkdir(parents=True)
        (folder / "swift.conf").write_text(_CONSTRAINTS)
        for name in STORAGE:
            port = free_port()
            builder = folder / f"{name}.builder"
            for arguments in (
                ["create", "4", "1", "0"],
                ["add", f"r1z1-127.0.0.1:{port}/d1", "1"],
                ["rebalance"],
            ):
                command = [BIN / "swift-ring-builder", builder, *arguments]
                subprocess.run(command, check=True, capture_output=True)
            self._write(name, _STORAGE_SERVER, name=name, port=port)
        self._write("proxy", _PROXY, port=self.port, no_cache=free_port())

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start all servers that do not run, and wait until S3 answers."""
        for name in (*STORAGE, "proxy"):
            if name not in self._processes:
                with (self._folder / f"{name}.log").open("ab") as log:
                    self._processes[name] = subprocess.Popen(
                        [BIN / f"swift-{name}-server", self._folder / f"{name}.conf"],
                        stdout=log,
                        stderr=subprocess.STDOUT,
                    )
        wait_for(self._answers, "Swift")

    def kill(self) -> None:
        """Kill all servers, as a power cut would, but for what the kernel still writes."""
        for process in self._processes.values():
            process.send_signal(signal.SIGKILL)
        for process in self._processes.values():
            process.wait()
        self._processes.clear()

    def client(self):
        """Return a boto3 client for a look from outside."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(s3={"addressing_style": "path"}),
        )

    def _write(self, server: str, template: str, **values: object) -> None:
        (self._folder / f"{server}.conf").write_text(template.format(folder=self._folder, **values))

    def _answers(self) -> bool:
        for name, process in self._processes.items():
            assert process.poll() is None, (self._folder / f"{name}.log").read_text()[-2000:]
        try:
            self.client().list_buckets()
        except Exception:
            return False
        return True


@contextmanager
def running_swift(folder: Path) -> Iterator[Swift]:
    swift = Swift(folder)
    try:
        swift.start()
        yield swift
    finally:
        swift.kill()
