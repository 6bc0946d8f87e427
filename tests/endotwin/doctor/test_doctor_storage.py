"""What `endotwin doctor` says about places for sets, tried against a real S3 server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import time

import pytest
from live_server import free_port
from set_tools import clear_environment, without_aws_configuration
from swift_server import ACCESS_KEY, SECRET_KEY, Swift

from endotwin.doctor.finding import Finding, Level
from endotwin.doctor.storage import examine_storage
from endotwin.settings import Settings

BUCKET = "doctor"


@pytest.fixture(scope="module")
def bucket(swift_server: Swift) -> str:
    swift_server.client().create_bucket(Bucket=BUCKET)
    return BUCKET


def examine(place: str = f"{BUCKET}/sets") -> list[Finding]:
    return list(examine_storage(Settings(storage_allow=(place,))))


def test_no_place() -> None:
    [finding] = examine_storage(Settings())
    assert (finding.level, "is not set" in finding.text) == (Level.OK, True)


def test_a_place_that_works(swift_server: Swift, aws: dict[str, str], bucket: str) -> None:
    *_, last = found = examine()
    assert Level.PROBLEM not in [finding.level for finding in found]
    assert last.level is Level.OK
    assert last.text.startswith(f"s3://{BUCKET}/sets at http://127.0.0.1:")
    assert "KeyCount" in (listed := swift_server.client().list_objects_v2(Bucket=bucket))
    assert listed["KeyCount"] == 0


def test_a_place_that_is_named(aws: dict[str, str], bucket: str, tmp_path: Path) -> None:
    found = list(examine_storage(Settings(), (f"s3://{BUCKET}/other", str(tmp_path))))
    assert [finding.level for finding in found] == [Level.OK, Level.OK]
    [refused] = examine_storage(Settings(), ("http://example/x",))
    assert refused.level is Level.PROBLEM


def test_a_bucket_that_is_not_there(aws: dict[str, str]) -> None:
    [finding] = examine("no-such-bucket")
    assert finding.level is Level.PROBLEM
    assert "there is no such bucket" in finding.text
    assert "same command" not in finding.text


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("AWS_SECRET_ACCESS_KEY", "another-secret", "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"),
        ("AWS_ACCESS_KEY_ID", "test:nobody-at-all", "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"),
        ("AWS_SECRET_ACCESS_KEY", "testing\n", "AWS_SECRET_ACCESS_KEY holds a line break"),
        ("AWS_ACCESS_KEY_ID", "two\nlines-of-it", "AWS_ACCESS_KEY_ID holds a line break"),
    ],
)
def test_wrong_keys(
    aws: dict[str, str], bucket: str, monkeypatch: pytest.MonkeyPatch, name: str, value: str, advice: str
) -> None:
    monkeypatch.setenv(name, value)
    [finding] = examine()
    assert finding.level is Level.PROBLEM
    assert advice in finding.text
    for secret in (SECRET_KEY, ACCESS_KEY, *value.splitlines(), "lines-of-it"):
        assert secret not in finding.text.replace(advice, "")


def test_no_keys(swift_server: Swift, monkeypatch: pytest.MonkeyPatch) -> None:
    clear_environment(monkeypatch)
    for name, value in {**without_aws_configuration(), "AWS_ENDPOINT_URL": swift_server.endpoint}.items():
        monkeypatch.setenv(name, value)
    [finding] = examine()
    assert finding.level is Level.PROBLEM
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in finding.text


def test_nobody_answers(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://me:password@127.0.0.1:{free_port()}")
    [finding] = examine()
    assert finding.level is Level.PROBLEM
    assert "AWS_ENDPOINT_URL is right" in finding.text
    assert "password" not in finding.text


class Skewed(BaseHTTPRequestHandler):
    """Answers every request with the refusal of S3, an hour ahead."""

    def do_GET(self) -> None:
        body = (
            b"<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request time "
            b"and the server's time is too large.</Message></Error>"
        )
        self.send_response_only(403)
        self.send_header("Date", formatdate(time() + 3600, usegmt=True))
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def skewed() -> Iterator[str]:
    """Yield the address of a server whose clock is an hour ahead."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Skewed) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_another_clock(skewed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clear_environment(monkeypatch)
    given = {
        "AWS_ENDPOINT_URL": skewed,
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "something",
    }
    for name, value in {**without_aws_configuration(), **given}.items():
        monkeypatch.setenv(name, value)
    refused, clock = examine()
    assert refused.level is clock.level is Level.PROBLEM
    assert "set this machine's clock" in refused.text
    assert clock.subject == "clock"
    assert "is 3600 s ahead of this machine" in clock.text.replace("3599", "3600")


def test_without_the_packages_of_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys  # noqa: PLC0415

    for name in [name for name in sys.modules if name.startswith("endotwin.sets.storage.bucket")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "boto3", None)
    [finding] = examine()
    assert finding.level is Level.PROBLEM
    assert "pip install 'endotwin[s3]'" in finding.text
