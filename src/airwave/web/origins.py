"""Where a request comes from: this machine, one of our pages, or another site."""

import ipaddress

from aiohttp import web

# A proxy on this machine makes everybody local, unless it says for whom it asks.
_OF_PROXIES = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def address(request: web.Request) -> str:
    """The client's IP address."""
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return str(peer[0]) if peer else "?"


def is_local(request: web.Request) -> bool:
    """Whether a client on this machine asks for this machine by name: otherwise a page whose host name was made to
    point here (DNS rebinding) could do what its visitor may."""
    if any(name in request.headers for name in _OF_PROXIES):
        return False
    host = _host_name(request.headers.get("Host", ""))
    return _is_loopback(address(request)) and (host == "localhost" or _is_loopback(host))


def foreign_origin(request: web.Request) -> str:
    """The other site whose page asks; empty: none does, or it does not show."""
    origin = request.headers.get("Origin")
    if origin is None:
        site = request.headers.get("Sec-Fetch-Site", "none")
        return "" if site in ("none", "same-origin") or request.method in _SAFE_METHODS else "another site"
    scheme, _, place = origin.lower().partition("://")
    host = request.headers.get("Host", "").lower()
    port = _DEFAULT_PORTS.get(scheme, "")
    return "" if place and place.removesuffix(f":{port}") == host.removesuffix(f":{port}") else origin.lower() or "null"


def _host_name(host: str) -> str:
    """A Host header without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()


def _is_loopback(text: str) -> bool:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
