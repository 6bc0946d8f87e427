"""deploy/nginx.conf: a real nginx with TLS in front of a real service."""

from __future__ import annotations

import datetime
import http.client
import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from live_server import PATIENCE_SECONDS, ROOT, LiveServer, free_port, wait_for

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")

AROUND = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""
"""What is around a site in Debian's nginx.conf, in a folder of the test and as its user."""


def write_certificate(folder: Path) -> None:
    """Write a key, and a certificate for localhost that it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "endotwin.key").write_bytes(private)
    (folder / "endotwin.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


class Nginx:
    """Nginx with the site of `deploy`, under other names and ports."""

    def __init__(self, folder: Path, upstream: int) -> None:
        assert NGINX is not None
        self.port, self.plain_port, self._folder = free_port(), free_port(), folder
        write_certificate(folder)
        site = (ROOT / "deploy" / "nginx.conf").read_text()
        for ours, theirs in {
            "127.0.0.1:3000": f"127.0.0.1:{upstream}",
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "listen 443 ssl;": f"listen 127.0.0.1:{self.port} ssl;",
            "images.example.org;": "localhost;",
            "/etc/ssl/certs/endotwin.pem": f"{folder}/endotwin.pem",
            "/etc/ssl/private/endotwin.key": f"{folder}/endotwin.key",
        }.items():
            assert ours in site
            site = site.replace(ours, theirs)
        (folder / "site.conf").write_text(site)
        (folder / "nginx.conf").write_text(AROUND.format(folder=folder))
        command = [
            NGINX,
            "-p",
            str(folder),
            "-c",
            str(folder / "nginx.conf"),
            "-e",
            str(folder / "error.log"),
        ]
        subprocess.run([*command, "-t"], check=True, capture_output=True)
        self._process = subprocess.Popen(command)
        try:
            wait_for(self._answers, "nginx to answer")
        except BaseException:
            self.stop()
            raise

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self._folder / "error.log").read_text()
        try:
            self.request("/nowhere", "GET")
        except OSError:
            return False
        return True

    def connect(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self._folder / "endotwin.pem"))
        return http.client.HTTPSConnection(
            "localhost", self.port, timeout=PATIENCE_SECONDS, context=context
        )

    def request(
        self, target: str, method: str = "POST", headers: dict[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        with closing(self.connect()) as connection:
            connection.request(method, target, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


@pytest.fixture(scope="module")
def nginx(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    if NGINX is None:
        pytest.skip("nginx is not installed (Debian: apt install nginx-light)")
    running = Nginx(tmp_path_factory.mktemp("nginx"), server.port)
    yield running
    running.stop()


def test_a_hundred_images_are_the_same_through_the_proxy(nginx: Nginx, server: LiveServer) -> None:
    status, headers, body = nginx.request("/generate?n=100&seed=7")
    assert (status, body) == (200, server.generate("n=100&seed=7").body)
    assert headers["Strict-Transport-Security"]
    assert nginx.request("/models", "GET")[0] == 200
    assert nginx.request("/readyz", "GET")[0] == 200


def test_a_stream_is_not_buffered_and_ends_with_its_client(nginx: Nginx, server: LiveServer) -> None:
    before = server.metric("endotwin_images_total")
    with closing(nginx.connect()) as connection:
        connection.request("POST", "/generate?n=5000&format=tar")
        response = connection.getresponse()
        assert len(response.read(1 << 16)) == 1 << 16
        assert server.metric("endotwin_open_streams") == 1
    server.wait_until_idle()
    assert server.metric("endotwin_images_total") - before < 5000


@pytest.mark.parametrize("path", ["/metrics", "/schema.json", "/generate/", "/admin/reload", "/jobsx"])
def test_paths_that_are_not_offered_do_not_reach_the_service(nginx: Nginx, path: str) -> None:
    status, headers, body = nginx.request(path, "GET")
    assert (status, headers["Content-Type"]) == (404, "application/json")
    assert json.loads(body)["error"]["code"] == "not_found"


def test_errors_of_the_service_come_through(nginx: Nginx) -> None:
    status, _, body = nginx.request("/generate?n=0")
    assert (status, json.loads(body)["error"]["code"]) == (400, "invalid_parameter")
    assert nginx.request("/jobs", "POST", body=b" " * 70_000)[0] == 413


def test_what_is_not_encrypted_is_sent_elsewhere(nginx: Nginx) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", nginx.plain_port)) as connection:
        connection.request("POST", "/generate?n=1", headers={"Host": "evil.example"})
        response = connection.getresponse()
        assert (response.status, response.headers["Location"]) == (308, "https://localhost/generate?n=1")


def test_a_service_that_is_away_is_an_error_in_the_common_shape(nginx: Nginx, tmp_path: Path) -> None:
    away = Nginx(tmp_path, free_port())
    try:
        status, headers, body = away.request("/generate?n=1")
    finally:
        away.stop()
    assert (status, headers["Content-Type"], headers["Retry-After"]) == (503, "application/json", "5")
    assert json.loads(body)["error"]["code"] == "not_ready"
