"""`/api/login`, `/api/logout`, `/api/me`: a password or token becomes a cookie that no script can read."""

import msgspec
from aiohttp import web

from airwave.web.access import ACCESS, SESSION_S, require
from airwave.web.answers import body_of, json_answer, problem
from airwave.web.visitor import Visitor

_BODY_BYTES_MAX = 16_384


class _Secret(msgspec.Struct):
    password: str = ""
    token: str = ""


async def login(request: web.Request) -> web.Response:
    """POST {"password": ...} or {"token": ...}."""
    try:
        secret = msgspec.json.decode(await body_of(request, _BODY_BYTES_MAX), type=_Secret)
    except msgspec.DecodeError:
        raise problem(web.HTTPBadRequest, 'send {"password": "..."} or {"token": "..."}') from None
    if bool(secret.password) == bool(secret.token):
        raise problem(web.HTTPBadRequest, 'send {"password": "..."} or {"token": "..."}')
    access = request.app[ACCESS]
    visitor, cookie = access.sign_in(request, password=secret.password, token=secret.token)
    if visitor.role == "none":
        kinds = {403: web.HTTPForbidden, 429: web.HTTPTooManyRequests}
        raise problem(kinds.get(visitor.status, web.HTTPUnauthorized), visitor.refusal)
    response = json_answer(_about(visitor))
    response.set_cookie(
        access.cookie_name,
        cookie,
        max_age=SESSION_S,
        httponly=True,
        samesite="Strict",
        secure=request.secure or request.headers.get("X-Forwarded-Proto") == "https",
    )
    return response


async def logout(request: web.Request) -> web.Response:
    """POST: the cookie is no longer good."""
    access = request.app[ACCESS]
    access.sign_out(request)
    response = json_answer({"ok": True})
    response.del_cookie(access.cookie_name, httponly=True, samesite="Strict")
    return response


async def me(request: web.Request) -> web.Response:
    """GET: who one is."""
    return json_answer(_about(require(request)))


def _about(visitor: Visitor) -> dict[str, object]:
    return {"role": visitor.role, "subject": visitor.subject, "expires": visitor.expires_at}


def routes(app: web.Application) -> None:
    """Add them to an application."""
    app.router.add_post("/api/login", login)
    app.router.add_post("/api/logout", logout)
    app.router.add_get("/api/me", me)
