"""`--url`: a redis-py client for it, and what is said when the server behind it cannot be used."""

# ruff: noqa: PLC0415 (imports inside functions keep `airwave --help` fast)

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from airwave.cli.escape import printable
from airwave.cli.failure import Failure

if TYPE_CHECKING:
    from redis import Redis

DEFAULT_URL = "redis://127.0.0.1:6379"
PACKED_BYTES = 6000  # of a command, before they are sent apart
TIMEOUT_S = 5.0
# A server's own text in an error, in characters. Redis explains protected mode in over 900.
_SERVER_TEXT_MAX = 200

Url = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="AIRWAVE_URL",
        metavar="URL",
        help="The server: redis://[user:password@]host[:port][/db], rediss:// for TLS, unix:///path. "
        "Airwave or any Redis from version 5 on.",
    ),
]

_BAD_URL = (
    "the URL is not valid: write redis://[user:password@]host[:port][/db], rediss://... or unix:///path "
    "(percent-encode special characters in the password)"
)


def connect(url: str) -> Redis:
    """A client that has not connected yet; replies are bytes.

    RESP2, because it works with every Redis, also without HELLO. No retries: a PUBLISH sent again could arrive twice,
    and a reconnection behind the caller's back would hide that messages were missed.

    Raises:
        Failure: the URL makes no sense. Its text is never repeated: it may hold a password.
    """
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    retry = Retry(NoBackoff(), 0)
    if _password_spills(url):
        raise Failure(_BAD_URL, code=2)
    from redis.connection import PythonRespSerializer

    try:
        client = redis.Redis.from_url(
            url, protocol=2, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=retry
        )
        # `?decode_responses=true` of a shared URL would break on payloads that are not UTF-8.
        client.connection_pool.connection_kwargs["decode_responses"] = False
        # hiredis's own (3.5) may crash the process, or swallow Ctrl-C, if the signal comes while it packs.
        client.connection_pool.connection_kwargs["command_packer"] = PythonRespSerializer(PACKED_BYTES, _bytes)
        client.connection_pool.connection_class(**client.connection_pool.connection_kwargs)
    except (ValueError, TypeError, redis.RedisError):
        raise Failure(_BAD_URL, code=2) from None
    return client


def _bytes(word: str | bytes | int | float) -> bytes:
    return word if isinstance(word, bytes) else str(word).encode("utf-8", "surrogateescape")


def connect_raw(url: str) -> Redis:
    """As `connect`, but replies are what the server sends: redis-py turns the fields of an entry into a dictionary,
    which forgets names that come twice."""
    client = connect(url)
    client.response_callbacks.clear()
    return client


def mapping(reply: Any) -> dict[bytes, Any]:
    """A raw reply of names and values: a flat list in RESP2, a map in RESP3 (which a URL may ask for)."""
    if isinstance(reply, dict):
        return reply
    return dict(zip(reply[::2], reply[1::2], strict=True))


def _password_spills(url: str) -> bool:
    """True when `/`, `?` or `#` in a password ends the address early, so that a part of it would pass for a host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    in_path = parts.scheme != "unix" and "@" in parts.path
    return in_path or bool(parts.fragment) or ("@" in parts.query and "=" not in parts.query)


def display(url: str) -> str:
    """The URL without user, password and options, safe to print."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return printable(f"{parts.scheme}://{host}{parts.path}")


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Turn what redis-py raises into a `Failure` that says what was wrong and what to do."""
    import redis

    try:
        yield
    except redis.RedisError as error:
        raise Failure(explain(error, url)) from None


def explain(error: Exception, url: str) -> str:
    """One line on an error of redis-py."""
    import redis

    server = display(url)
    if isinstance(error, redis.AuthenticationError):
        return f"{server} refused access ({_text(error)}): give user and password as redis://user:password@host"
    if isinstance(error, redis.ResponseError):
        return f"{server} answered: {_text(error)}"
    if isinstance(error, redis.InvalidResponse):
        return f"what answers at {server} does not speak Redis: check host and port in --url"
    if isinstance(error, redis.BusyLoadingError):
        return f"{server} is still loading its data: try again in a moment"
    reason, advice = _connection_trouble(error)
    return f"cannot reach {server} ({reason}): {advice}"


def _connection_trouble(error: Exception) -> tuple[str, str]:
    """Why there is no connection, and what to do about it. redis-py keeps the error of the socket as context."""
    import redis

    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLError):
        return _tls_trouble(cause)
    if isinstance(cause, TimeoutError) or isinstance(error, redis.TimeoutError):
        return (
            f"no answer within {TIMEOUT_S:g} s",
            "check host and port in --url, and whether TLS is wanted there (rediss://) or not",
        )
    if isinstance(cause, socket.gaierror):
        return "unknown host", "check the host name in --url"
    if isinstance(cause, ConnectionResetError | BrokenPipeError) or "closed" in str(error).lower():
        return "the server closed the connection", "look into its log; if it speaks TLS, use rediss://"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower(), "start a server with `airwave serve`, or name another with --url"
    return _text(error), "look into the server's log, or name another server with --url"


def _tls_trouble(cause: ssl.SSLError) -> tuple[str, str]:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message, "name the authority's certificate with ?ssl_ca_certs=FILE in --url"
    return "TLS failed", "if the server speaks plain Redis, use redis:// instead of rediss://"


def _text(error: Exception) -> str:
    text = printable(str(error)).rstrip(".")
    return text if len(text) <= _SERVER_TEXT_MAX else text[:_SERVER_TEXT_MAX] + "..."
