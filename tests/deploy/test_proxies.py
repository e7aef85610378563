"""The proxies of docs/production.md, with real ones: TLS outside, and nothing of a stream of events is held back."""

import datetime
import ipaddress
import json
import os
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jwt
import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from doc_examples import blocks
from live import DEADLINE_S, HOST, Start, free_port, wait_for
from servers import connected, running

from .shown import DEPLOY

KEY = "k" * 32
PAGE = (DEPLOY.parent / "docs/production.md").read_text()
FILES = {block.about["file"]: block.text for block in blocks(PAGE) if "file" in block.about}


def need(program: str, package: str) -> str:
    """The path of a program, or the test is skipped; on CI there must be one."""
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        reason = f"{program} is not installed: apt-get install {package}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for this machine that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - day).not_valid_after(now + day)
    made = builder.add_extension(here, critical=False).sign(key, hashes.SHA256())
    paths = tmp_path / "cert.pem", tmp_path / "cert.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def with_certificate(text: str, certificate: tuple[Path, Path]) -> str:
    pem, key = map(str, certificate)
    return text.replace("/etc/ssl/air.example.com.pem", pem).replace("/etc/ssl/air.example.com.key", key)


def open_(port: int, path: str, certificate: tuple[Path, Path], token: str = "") -> "urllib.request._UrlopenRet":
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    context = ssl.create_default_context(cafile=str(certificate[0]))
    request = urllib.request.Request(f"https://{HOST}:{port}{path}", headers=headers)
    return urllib.request.urlopen(request, timeout=DEADLINE_S, context=context)


@contextmanager
def nginx(folder: Path, http_port: int, certificate: tuple[Path, Path]) -> Iterator[int]:
    """nginx with the block of the page; gives its port."""
    program, port = need("nginx", "nginx-light"), free_port()
    site = with_certificate(FILES["airwave-nginx.conf"], certificate)
    site = site.replace("127.0.0.1:8379", f"{HOST}:{http_port}").replace("listen 443", f"listen {HOST}:{port}")
    paths = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("proxy", "client_body", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} pid {folder}/pid; daemon off; error_log stderr notice; events {{}}"
        f"http {{ access_log off; {paths} {site} }}"
    )
    with running(
        [program, "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")], folder, "start worker"
    ):
        yield port


@pytest.mark.slow
def test_nginx_in_front_of_browsers(start: Start, tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    http_port = free_port()
    node = start("--bind", HOST, "--http-port", str(http_port), "--http-token-key", KEY)
    claims = {"sub": "anna", "exp": int(time.time()) + 60, "subscribe": ["news"]}
    token = jwt.encode(claims, KEY, "HS256")
    with nginx(tmp_path, http_port, certificate) as port, node.connect() as peer:
        with open_(port, "/readyz", certificate) as answer:
            assert json.load(answer) == {"status": "ok"}
        for path, status in (("/metrics", 403), ("/events?channel=news", 401)):
            with pytest.raises(urllib.error.HTTPError) as refused:
                open_(port, path, certificate)
            with refused.value:
                assert refused.value.code == status
        with open_(port, "/events?channel=news", certificate, token) as events:
            wait_for(lambda: peer.do("PUBLISH", "news", "hello") == 1, "the subscriber")
            while b"hello" not in (line := events.readline()):  # it comes while the connection goes on
                assert line


@pytest.mark.slow
def test_who_comes_through_a_proxy_is_not_this_machine(
    start: Start, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    http_port = free_port()
    start("--bind", HOST, "--http-port", str(http_port))
    with (
        nginx(tmp_path, http_port, certificate) as port,
        pytest.raises(urllib.error.HTTPError) as refused,
    ):
        open_(port, "/events?channel=news", certificate)
    with refused.value:
        assert refused.value.code == 403


@pytest.mark.slow
def test_stunnel_in_front_of_redis_clients(start: Start, tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    program, port = need("stunnel4", "stunnel4"), free_port()
    node = start("--bind", HOST, "--requirepass", "secret")
    service = with_certificate(FILES["airwave-stunnel.conf"], certificate)
    service = service.replace("127.0.0.1:6379", f"{HOST}:{node.port}").replace("6390", f"{HOST}:{port}")
    (tmp_path / "stunnel.conf").write_text(f"foreground = yes\npid =\nsyslog = no\n{service}")
    with running([program, str(tmp_path / "stunnel.conf")], tmp_path, "Configuration successful"):
        wait_for(lambda: listens(port), "stunnel to listen")
        url = f"rediss://:secret@{HOST}:{port}?ssl_ca_certs={certificate[0]}"
        with redis.Redis.from_url(url) as client:
            assert client.ping()
            assert client.publish("news", "hello") == 0


def listens(port: int) -> bool:
    try:
        connected((HOST, port)).close()
    except ConnectionRefusedError:
        return False
    return True
