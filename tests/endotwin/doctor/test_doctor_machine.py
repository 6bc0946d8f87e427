"""What `endotwin doctor` says about memory, descriptors, clock, user, folders, and the port."""

from __future__ import annotations

import os
import resource
import socket
import sqlite3
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from failing_system import as_ordinary_user, folder_for_everyone, no_file_larger_than
from live_server import LiveServer, free_port
from set_tools import small_disk

from endotwin.doctor import machine
from endotwin.doctor.finding import Finding, Level, problem
from endotwin.doctor.machine import (
    examine_clock,
    examine_descriptors,
    examine_folder,
    examine_home,
    examine_memory,
    examine_temporary_folder,
    examine_user,
    file_system,
)
from endotwin.doctor.service_files import (
    examine_jobs_folder,
    examine_jobs_store,
    examine_keys,
    examine_port,
)
from endotwin.keys import create_key
from endotwin.settings import Settings


def only(findings: Iterable[Finding], level: Level) -> str:
    """Return the text of the one finding, of this level."""
    [finding] = findings
    assert finding.level is level, str(finding)
    return finding.text


def level_of(findings: Iterable[Finding]) -> Level:
    return max((finding.level for finding in findings), key=list(Level).index)


def test_a_finding_is_one_line_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID\nEXAMPLE")
    text = "a very-secret\nproxy http://me:password@host/ of AKID\\nEXAMPLE \x1b[31m"
    assert str(problem("any", text)) == r"problem  any           a … proxy http://…@host/ of … \x1b[31m"


def test_what_is_too_short_for_a_secret_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "e")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "four")
    assert problem("any", "three or four keys").text == "three or … keys"


@pytest.mark.parametrize(
    ("available", "limit", "used", "level", "text"),
    [
        (16_000_000, "max", 0, Level.OK, "16.4 GB"),
        (1_500_000, "max", 0, Level.ADVICE, "1.5 GB"),
        (500_000, "max", 0, Level.PROBLEM, "0.5 GB"),
        (16_000_000, "4000000000", 3_500_000_000, Level.PROBLEM, "0.5 GB"),
        (16_000_000, "4000000000", 500_000_000, Level.OK, "3.5 GB"),
    ],
)
def test_memory(tmp_path: Path, available: int, limit: str, used: int, level: Level, text: str) -> None:
    (tmp_path / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable:   {available} kB\n")
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.current").write_text(f"{used}\n")
    assert text in only(examine_memory(tmp_path, tmp_path), level)


def test_memory_of_an_unknown_system(tmp_path: Path) -> None:
    assert "cannot be found out" in only(examine_memory(tmp_path, tmp_path), Level.ADVICE)


@pytest.mark.parametrize(("limit", "level"), [(128, Level.PROBLEM), (512, Level.ADVICE), (1024, Level.OK)])
def test_descriptors(limit: int, level: Level) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        found = list(examine_descriptors())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert level_of(found) is level


def test_a_clock_that_is_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "UTC" in only(examine_clock(), Level.OK)
    monkeypatch.setattr(machine.time, "time", lambda: time.mktime((2020, 1, 1, 0, 0, 0, 0, 0, 0)))
    assert "before Endotwin was installed" in only(examine_clock(), Level.PROBLEM)


def test_the_user() -> None:
    with as_ordinary_user():
        assert "ordinary" in only(examine_user(), Level.OK)
    if os.geteuid() == 0:
        assert "root" in only(examine_user(), Level.ADVICE)


def test_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "500k") as disk:
        text = only(examine_folder("jobs", disk / "new", "set it to another"), Level.PROBLEM)
    assert text == f"{disk} cannot be written to: No space left on device; make room, or set it to another"


def test_a_quota(tmp_path: Path) -> None:
    with no_file_larger_than(1000):
        text = only(examine_folder("jobs", tmp_path, "name another"), Level.PROBLEM)
    assert "File too large; make room, or name another" in text


def test_a_folder_of_somebody_else() -> None:
    with folder_for_everyone() as folder, as_ordinary_user():
        text = only(examine_folder("home", folder, "name another"), Level.PROBLEM)
    assert text == f"{folder} cannot be written to: Permission denied; name another"


def test_little_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "20m") as disk:
        assert "0.0 GB; 0.1 GB are better" in only(examine_folder("home", disk, ""), Level.ADVICE)


def test_no_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    assert "set TMPDIR" in only(examine_temporary_folder(Settings()), Level.PROBLEM)


def test_a_home_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "not" / "yet"))
    assert str(tmp_path) in examine_home().__next__().text
    assert list(tmp_path.iterdir()) == []
    with folder_for_everyone() as folder, as_ordinary_user():
        monkeypatch.setenv("BENTOML_HOME", str(folder))
        assert "only `bentoml` commands need it" in only(examine_home(), Level.ADVICE)


def test_the_kind_of_a_file_system(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda / ext4 rw 0 0\nserver:/x /data nfs4 rw 0 0\n/dev/sdb /data/local xfs rw 0 0\n"
    )
    kinds = [file_system(Path(path), mounts) for path in ("/home", "/data/a", "/data/local/b", "/database")]
    assert kinds == ["ext4", "nfs4", "xfs", "ext4"]


def jobs(path: Path, **others: object) -> Settings:
    return Settings(jobs_store=path, storage_allow=("data",), **others)


def test_a_store_of_jobs(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    assert level_of(examine_jobs_store(jobs(path))) is Level.OK
    assert not path.exists()
    sqlite3.connect(path).execute("CREATE TABLE jobs (id)").connection.close()
    assert "can be read and written" in list(examine_jobs_store(jobs(path)))[-1].text


def test_no_folder_for_the_jobs(tmp_path: Path) -> None:
    assert "there is no folder" in only(examine_jobs_store(jobs(tmp_path / "no" / "x")), Level.PROBLEM)
    assert list(examine_jobs_folder(Settings())) == []


def test_jobs_without_a_destination(tmp_path: Path) -> None:
    found = examine_jobs_store(Settings(jobs_store=tmp_path / "x"))
    assert any("no destination is allowed" in finding.text for finding in found)


@pytest.mark.parametrize("content", [b"no database" * 1000, "damaged"], ids=["foreign", "damaged"])
def test_a_store_that_is_none(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "jobs.sqlite"
    if content == "damaged":
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE jobs (id TEXT UNIQUE)")
            database.executemany("INSERT INTO jobs VALUES (?)", [("x" * n,) for n in range(500)])
        database.close()
        whole = bytearray(path.read_bytes())
        whole[4096:12_000] = os.urandom(12_000 - 4096)
        content = bytes(whole)
    path.write_bytes(content)
    *_, last = examine_jobs_store(jobs(path))
    assert last.level is Level.PROBLEM
    assert "move it away" in last.text


def test_a_store_in_use(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE jobs (id)")
    other.execute("BEGIN EXCLUSIVE")
    *_, last = examine_jobs_store(jobs(path))
    other.close()
    assert last.level is Level.PROBLEM
    assert "locked" in last.text


def test_a_file_of_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    text = only(examine_keys(Settings(keys_file=path), "127.0.0.1"), Level.PROBLEM)
    assert "No such file" in text
    assert text.endswith("; `endotwin key create` makes it")
    no_limits = {"images_per_day": None, "streams": None, "job_images": None}
    token = create_key(path, "alice", ("generate",), **no_limits)
    text = only(examine_keys(Settings(keys_file=path), "127.0.0.1"), Level.OK)
    assert text == f"1 in {path}: alice"
    assert token not in text
    path.chmod(0o644)
    assert "chmod 600" in only(examine_keys(Settings(keys_file=path), "127.0.0.1"), Level.PROBLEM)


@pytest.mark.parametrize(
    ("host", "level"),
    [
        ("127.0.0.1", Level.OK),
        ("localhost", Level.OK),
        ("::1", Level.OK),
        ("0.0.0.0", Level.ADVICE),
        ("::", Level.ADVICE),
        ("lab.example", Level.ADVICE),
    ],
)
def test_no_keys(host: str, level: Level) -> None:
    text = only(examine_keys(Settings(), host), level)
    assert (f"whoever reaches {host} may ask for everything" in text) is (level is Level.ADVICE)


def test_a_port() -> None:
    port = free_port()
    assert "is free" in only(examine_port("127.0.0.1", port), Level.OK)
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert "is in use; stop that" in only(examine_port("127.0.0.1", port), Level.PROBLEM)
    assert "no address" in only(examine_port("no.such.name.invalid", port), Level.PROBLEM)
    assert "cannot listen" in only(examine_port("192.0.2.1", port), Level.PROBLEM)


def test_the_port_of_another_service(server: LiveServer) -> None:
    text = only(examine_port("127.0.0.1", server.port), Level.PROBLEM)
    assert "by a server that answers /readyz with 200" in text
