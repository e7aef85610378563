"""Who may come in.

    no key for tokens    only who is on this machine: as admin, or if there is a password, by that
    a key                everybody, by a token; by the password as well, if there is one

A token or password comes as `Authorization`, or as the cookie that signing in has given. Pages cannot set headers for
EventSource and WebSocket: there a token may also stand in the URL, `?token=`, which nobody here logs.
"""

import base64
import binascii
import hmac
import secrets
from collections import OrderedDict
from typing import Any

from aiohttp import web

from airwave.broker import Broker
from airwave.web.answers import problem
from airwave.web.limits import Limits
from airwave.web.origins import address, foreign_origin, is_local
from airwave.web.tokens import Keys, Role, TokenError
from airwave.web.visitor import Visitor, admin, local_user, lowered, of_token, stranger

SESSIONS_MAX = 1000
SESSION_S = 12 * 3600
# aiohttp 3.14 wants such keys, and those before have none.
_VISITOR: Any = getattr(web, "RequestKey", lambda name, _: name)("airwave.visitor", Visitor)

_NOT_HERE = (
    "only browsers on this machine are served, as http://localhost: to serve others set http-token-key or "
    "http-token-public-key"
)
_TRY_LATER = "too many failed attempts: try again in a while"


class Access:
    """Who may come in.

    Args:
        broker: the node.
        limits: how often a sign-in may fail.

    Raises:
        SettingsError: a key is none.

    Attributes:
        keys: of tokens.
        failed_sign_ins: passwords and tokens that were wrong.
    """

    def __init__(self, broker: Broker, limits: Limits) -> None:
        self.failed_sign_ins = 0
        self._broker = broker
        self._settings = broker.settings
        self._limits = limits
        self._sessions: OrderedDict[str, tuple[Visitor, float]] = OrderedDict()  # by cookie, with the end in Unix s
        self.keys = Keys(broker.settings)
        for name in ("http-token-key", "http-token-audience"):
            broker.settings.on_change(name, self._keys_changed)
        broker.settings.on_change("requirepass", lambda _: self._sessions.clear())

    def _keys_changed(self, _: object) -> None:
        self.keys = Keys(self._settings)
        self._sessions.clear()

    # --- requests ---------------------------------------------------------------------------------------------------

    def visitor(self, request: web.Request) -> Visitor:
        """Who sends a request; the same each time that it is asked for a request."""
        found: Visitor | None = request.get(_VISITOR)
        if found is None:
            found = request[_VISITOR] = self._visitor(request)
        return found

    def _visitor(self, request: web.Request) -> Visitor:
        foreign = bool(foreign_origin(request))
        if not self.keys.configured:
            if not is_local(request):
                return stranger(_NOT_HERE, status=403)
            if not self._settings.requirepass:
                return local_user() if foreign else admin()
        word, secret = _credentials(request)
        if secret:
            visitor = self._by_secret(word, secret, request)
            return lowered(visitor) if foreign else visitor
        cookie = "" if foreign else request.cookies.get(self.cookie_name, "")
        return self._of_session(cookie) or stranger("sign in, or send a token: Authorization: Bearer ...")

    def _by_secret(self, word: str, secret: str, request: web.Request) -> Visitor:
        """A visitor with a token or the password."""
        where = address(request)
        if not self._limits.may_sign_in(where):
            return stranger(_TRY_LATER, status=429)
        reason = "the password is wrong"
        if word == "bearer" and self.keys.configured and secret.count(".") == 2:
            try:
                return of_token(self.keys.claims(secret))
            except TokenError as error:
                reason = str(error)
        elif self._is_password(secret):
            return admin()
        self.failed_sign_ins += 1
        self._limits.sign_in_failed(where)
        self._broker.host.log("warning", "sign-in failed", client=where, reason=reason)
        return stranger(reason)

    def _is_password(self, secret: str) -> bool:
        password = self._settings.requirepass
        return bool(password) and hmac.compare_digest(secret.encode("utf-8", "surrogateescape"), password)

    # --- signing in -------------------------------------------------------------------------------------------------

    @property
    def cookie_name(self) -> str:
        """With the port: cookies of one host are for all its ports, and there may be several nodes."""
        return f"airwave-{self._settings.http_port}"

    def sign_in(self, request: web.Request, *, password: str = "", token: str = "") -> tuple[Visitor, str]:
        """Who comes with this password or token, and the value of a cookie that stands for it from now on."""
        if not self.keys.configured and not is_local(request):
            return stranger(_NOT_HERE, status=403), ""
        visitor = self._by_secret("bearer" if token else "password", token or password, request)
        if visitor.role == "none":
            return visitor, ""
        cookie = secrets.token_urlsafe(32)
        ends_at = min(self._broker.host.wall() + SESSION_S, visitor.expires_at or 1e18)
        self._sessions[cookie] = visitor, ends_at
        if len(self._sessions) > SESSIONS_MAX:
            self._sessions.popitem(last=False)
        return visitor, cookie

    def sign_out(self, request: web.Request) -> None:
        """The cookie of a request is no longer good."""
        self._sessions.pop(request.cookies.get(self.cookie_name, ""), None)

    def _of_session(self, cookie: str) -> Visitor | None:
        visitor, ends_at = self._sessions.get(cookie, (None, 0.0))
        if visitor is not None and ends_at <= self._broker.host.wall():
            del self._sessions[cookie]
            return None
        return visitor


ACCESS = web.AppKey("access", Access)


def who(request: web.Request) -> Visitor:
    """Who sends a request; role `none` for somebody who may not come in."""
    return request.app[ACCESS].visitor(request)


def require(request: web.Request, role: Role = "user") -> Visitor:
    """Who sends a request.

    Raises:
        HTTPUnauthorized: they have to sign in, or to send a token.
        HTTPForbidden: they have not this role, or are not served at all.
        HTTPTooManyRequests: they have tried too often.
    """
    visitor = who(request)
    if visitor.role == "none":
        if visitor.status == 403:
            raise problem(web.HTTPForbidden, visitor.refusal)
        if visitor.status == 429:
            raise problem(web.HTTPTooManyRequests, visitor.refusal)
        raise problem(web.HTTPUnauthorized, visitor.refusal, **{"WWW-Authenticate": "Bearer"})
    if not visitor.is_at_least(role):
        raise problem(web.HTTPForbidden, f"this needs the role {role}")
    return visitor


def _credentials(request: web.Request) -> tuple[str, str]:
    """`bearer` and a token, or a password; or `basic` and a password; the second is empty if there is none."""
    word, _, rest = request.headers.get("Authorization", "").partition(" ")
    if word.lower() == "bearer":
        return "bearer", rest.strip()
    if word.lower() == "basic":
        try:
            text = base64.b64decode(rest.strip(), validate=True).decode("utf-8", "surrogateescape")
        except binascii.Error:
            return "basic", "?"
        return "basic", text.partition(":")[2]
    return "bearer", request.query.get("token", "")
