"""Who asks, and what they may."""

from dataclasses import dataclass

from airwave import glob
from airwave.web.rights import EVERYTHING, NOTHING, Globs
from airwave.web.tokens import Claims, Role

RANK: dict[Role, int] = {"none": 0, "user": 1, "viewer": 2, "admin": 3}

OWN_PREFIX = b"__airwave__:"
"""Channels of the dashboard."""
_UNPUBLISHABLE = (OWN_PREFIX, b"__presence__:")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who asks.

    Attributes:
        subject: whose token it is; empty: there is none, or it names nobody.
        role: none, user, viewer or admin, each of which may what those before it may.
        expires_at: when this ends, Unix seconds; None: never.
        subscribe, publish: the channels.
        status, refusal: the HTTP status and the reason for somebody who has no role.
        in_cookie: the name of the cookie session; empty: it is none.
    """

    subject: str
    role: Role
    expires_at: float | None = None
    subscribe: Globs = NOTHING
    publish: Globs = NOTHING
    status: int = 401
    refusal: str = ""

    def may_subscribe(self, channel: bytes) -> bool:
        """Whether a channel's messages and history are for them."""
        if self.role in ("viewer", "admin"):
            return True
        return not channel.startswith(OWN_PREFIX) and self.subscribe.allow(channel)

    def may_psubscribe(self, pattern: bytes) -> bool:
        """Whether all that a pattern may match is for them."""
        if self.role in ("viewer", "admin"):
            return True
        return not glob.literal_prefix(pattern).startswith(OWN_PREFIX) and self.subscribe.cover(pattern)

    def may_publish(self, channel: bytes) -> bool:
        """Whether they may publish on a channel."""
        if channel.startswith(_UNPUBLISHABLE):
            return False
        return self.role == "admin" or self.publish.allow(channel)

    def is_at_least(self, role: Role) -> bool:
        """Whether they have this role, or a higher one."""
        return RANK[self.role] >= RANK[role]


def stranger(refusal: str, status: int = 401) -> Visitor:
    """Somebody who may nothing, and why."""
    return Visitor("", "none", status=status, refusal=refusal)


def admin(subject: str = "") -> Visitor:
    """Somebody who may everything: who knows the password, or is on this machine where there is none."""
    return Visitor(subject, "admin", subscribe=EVERYTHING, publish=EVERYTHING)


def local_user() -> Visitor:
    """A page of another site, on this machine: `http-origins` lets it use all channels, and no more."""
    return Visitor("", "user", subscribe=EVERYTHING, publish=EVERYTHING)


def of_token(claims: Claims) -> Visitor:
    """Somebody with a token."""
    return Visitor(claims.subject, claims.role, claims.expires_at, claims.subscribe, claims.publish)


def lowered(visitor: Visitor) -> Visitor:
    """The same with the rights of a user: pages of other sites get no more."""
    if not visitor.is_at_least("viewer"):
        return visitor
    globs = EVERYTHING if visitor.role == "admin" else visitor.publish
    return Visitor(visitor.subject, "user", visitor.expires_at, EVERYTHING, globs)
