"""Who may see and change what in the dashboard, and what a request says.

Changes must come as JSON: a form of another site cannot send that, and a script of another site has to ask first, which
`guard` refuses. Cookies are SameSite=Strict besides. Each change has a line in the log.
"""

from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

import msgspec
from aiohttp import web

from airwave.web.access import require, who
from airwave.web.answers import body_of, problem
from airwave.web.keys import BROKER
from airwave.web.origins import address, foreign_origin
from airwave.web.visitor import Visitor

BODY_BYTES_MAX = 512 * 1024
KEY_BYTES_MAX = 64 * 1024


def bad_request(error: str) -> web.HTTPException:
    """The error for a request that nobody could answer."""
    return problem(web.HTTPBadRequest, error)


def not_found(error: str) -> web.HTTPException:
    """The error for something that is not there."""
    return problem(web.HTTPNotFound, error)


def open_to_all(request: web.Request) -> None:
    """Let everybody pass who is served at all, if there is a dashboard.

    Raises:
        HTTPNotFound: the setting `dashboard` is no.
        HTTPForbidden: only this machine is served.
    """
    if request.app[BROKER].settings.dashboard == "no":
        raise not_found("there is no dashboard here: see the setting dashboard")
    visitor = who(request)
    if visitor.role == "none" and visitor.status == 403:
        raise problem(web.HTTPForbidden, visitor.refusal)


def reading(request: web.Request) -> Visitor:
    """Let those pass who may look.

    Raises:
        HTTPException: they may not.
    """
    open_to_all(request)
    return require(request, "viewer")


def may_change(request: web.Request, visitor: Visitor) -> bool:
    """Whether a visitor may change something."""
    return visitor.is_at_least("admin") and request.app[BROKER].settings.dashboard == "yes"


async def changing(request: web.Request) -> dict[str, Any]:
    """Let those pass who may change something; gives the JSON object that was sent.

    Raises:
        HTTPException: they may not, or it is none.
    """
    visitor = reading(request)
    if not may_change(request, visitor):
        read_only = request.app[BROKER].settings.dashboard != "yes"
        why = "the dashboard is read-only: see the setting dashboard" if read_only else "this needs the role admin"
        raise problem(web.HTTPForbidden, why)
    if foreign_origin(request):
        raise problem(web.HTTPForbidden, "pages of other sites may not do this")
    if request.content_type != "application/json":
        raise problem(web.HTTPUnsupportedMediaType, "send JSON: Content-Type: application/json")
    try:
        body = msgspec.json.decode(await body_of(request, BODY_BYTES_MAX), type=dict[str, Any])
    except msgspec.DecodeError:
        raise bad_request("send a JSON object") from None
    who = visitor.subject or "admin"
    request.app[BROKER].host.log(
        "notice", "changed by the dashboard", request=request.path, by=who, client=address(request)
    )
    return body


# --- what a request says ----------------------------------------------------------------------------------------------


def key_of(name: bytes) -> str:
    """How a name stands in the API."""
    return quote_from_bytes(name, safe="")


def text_of(name: bytes) -> str:
    """How a name is shown."""
    return name.decode("utf-8", "backslashreplace")


def name_in(words: Any, field: str = "name") -> bytes:
    """The name whose key is in a query or a body.

    Raises:
        HTTPBadRequest: there is none.
    """
    key = words.get(field)
    if not isinstance(key, str) or not key or len(key) > 3 * KEY_BYTES_MAX:
        raise bad_request(f"{field} is missing: the percent-encoded name")
    # One that cannot be encoded has lone surrogates, which JSON may have.
    return unquote_to_bytes(key.encode("utf-8", "backslashreplace"))


def number_in(words: Any, field: str, default: int, low: int, high: int) -> int:
    """A number of a query.

    Raises:
        HTTPBadRequest: it is none, or not within the bounds.
    """
    text = words.get(field, str(default))
    if not text.isascii() or not text.isdecimal() or len(text) > 18 or not low <= int(text) <= high:
        raise bad_request(f"{field} must be a number from {low} to {high}")
    return int(text)
