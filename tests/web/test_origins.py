"""Where a request comes from."""

from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from airwave.web.origins import address, foreign_origin, is_local


class Peer:
    """A transport that knows its peer's address."""

    def __init__(self, host: str) -> None:
        self.host = host

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self.host, 50001) if name == "peername" else default


def request(host: str = "localhost:8379", peer: str = "127.0.0.1", method: str = "GET", **headers: str) -> Any:
    found = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request(method, "/", {"Host": host, **found}, transport=Peer(peer))


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8379", "LOCALHOST:80", "127.0.0.1:8379", "127.1.2.3", "[::1]:8379"]
)
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.9.9.9"])
def test_this_machine_by_its_own_names(host: str, peer: str) -> None:
    assert is_local(request(host, peer))
    assert address(request(host, peer)) == peer


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:8379",
        "",
        "10.0.0.1",
        "[::2]",
        "2130706433",
    ],
)
def test_other_names_may_be_rebound(host: str) -> None:
    assert not is_local(request(host))


@pytest.mark.parametrize("peer", ["10.0.0.1", "::ffff:10.0.0.1", "192.0.2.1", "2001:db8::1"])
def test_other_machines(peer: str) -> None:
    assert not is_local(request(peer=peer))


@pytest.mark.parametrize("header", ["X_Forwarded_For", "Forwarded", "X_Real_IP", "Via"])
def test_a_proxy_on_this_machine_asks_for_others(header: str) -> None:
    assert not is_local(request(**{header: "192.0.2.1"}))


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8379", "http://localhost:8379"),
        ("example.com", "https://example.com"),
        ("example.com:443", "https://example.com"),
        ("example.com", "http://example.com:80"),
        ("EXAMPLE.com", "https://example.COM"),
        ("[::1]:8379", "http://[::1]:8379"),
    ],
)
def test_our_own_pages(host: str, origin: str) -> None:
    assert foreign_origin(request(host, Origin=origin)) == ""


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:3000",
        "https://evil.example",
        "null",
        "",
        "http://",
        "http://localhost:8379.evil.example",
        "file://",
    ],
)
def test_pages_of_others(origin: str) -> None:
    for method in ("GET", "POST"):
        assert foreign_origin(request(method=method, Origin=origin))


def test_what_browsers_say_without_an_origin() -> None:
    assert foreign_origin(request(method="POST", Sec_Fetch_Site="cross-site"))
    assert foreign_origin(request(method="POST", Sec_Fetch_Site="same-site"))
    assert not foreign_origin(request(method="POST", Sec_Fetch_Site="same-origin"))
    assert not foreign_origin(request(method="GET", Sec_Fetch_Site="cross-site"))  # a link
    assert not foreign_origin(request(method="POST"))  # no browser
