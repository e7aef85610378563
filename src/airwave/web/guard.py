"""What every request passes, and every answer gets: limits, origins, errors as JSON, headers."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from airwave.settings import Settings
from airwave.web.access import who
from airwave.web.answers import json_answer, problem, whole
from airwave.web.keys import BROKER
from airwave.web.limits import LIMITS
from airwave.web.origins import address, foreign_origin
from airwave.web.visitor import Visitor

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SHARED = ("/events", "/ws", "/publish/", "/history/")
"""What pages of other sites may use, as far as `http-origins` says so. The dashboard's own is for its own pages."""
PUBLIC = ("/airwave.js",)
"""What every page may load."""
_UNLIMITED = ("/healthz", "/readyz", "/metrics")

HEADERS = {
    "Server": "airwave",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def client_of(request: web.Request, visitor: Visitor) -> str:
    """By what a client is known that is held to its limits: by the subject of its token, or its address."""
    return f"subject {visitor.subject}" if visitor.subject else f"address {address(request)}"


def cross_origin_headers(request: web.Request) -> dict[str, str]:
    """What lets the page of another site have the answer, if it may."""
    if request.path in PUBLIC:
        return {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
    if not request.path.startswith(SHARED):
        return {}
    headers = {"Vary": "Origin"}
    origin = foreign_origin(request)
    if origin and _is_allowed(request.app[BROKER].settings, request.path, origin):
        headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return headers


def headers_of(request: web.Request) -> dict[str, str]:
    """The headers that every answer has."""
    return HEADERS | cross_origin_headers(request)


def _is_allowed(settings: Settings, path: str, origin: str) -> bool:
    return path.startswith(SHARED) and ("*" in settings.http_origins or origin in settings.http_origins)


def _preflight() -> web.Response:
    headers = {
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": "Authorization, Content-Type, Last-Event-ID",
        "Access-Control-Max-Age": "600",
    }
    return web.Response(status=204, headers=headers)


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what other sites may not do, and what is too much; errors become JSON."""
    try:
        _check(request)
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return _preflight()
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400 or error.content_type == "application/json":
            raise
        response = json_answer({"error": whole(_explained(error, request))}, error.status)
        response.headers.update(_kept_headers(error))
        return response
    except ConnectionError:
        raise
    except Exception as error:
        broker = request.app[BROKER]
        broker.stats.unexpected_errors += 1
        broker.host.log("error", "internal error", request=f"{request.method} {request.path}", exc_info=error)
        raise problem(web.HTTPInternalServerError, "internal error") from None


def _check(request: web.Request) -> None:
    if request.path in PUBLIC or request.path in _UNLIMITED:
        return
    origin = foreign_origin(request)
    if origin and not _is_allowed(request.app[BROKER].settings, request.path, origin):
        raise problem(web.HTTPForbidden, f"pages of {origin} may not do this: see http-origins")
    if not request.app[LIMITS].admits(client_of(request, who(request))):
        raise problem(web.HTTPTooManyRequests, "too many requests: see http-rate-limit", **{"Retry-After": "1"})


def _explained(error: web.HTTPException, request: web.Request) -> str:
    if error.status == 404:
        return f"there is nothing at {request.path}"
    if isinstance(error, web.HTTPMethodNotAllowed):
        return f"{request.path} takes {', '.join(sorted(error.allowed_methods))}, not {error.method}"
    return error.reason


def _kept_headers(error: web.HTTPException) -> dict[str, str]:
    return {name: error.headers[name] for name in ("Allow", "Retry-After") if name in error.headers}


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Every answer has these headers; pages that need more set a Content-Security-Policy of their own."""
    for name, value in headers_of(request).items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = HEADERS["Server"]
