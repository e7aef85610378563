"""Tokens: JWT, signed with a key that the server shares, or whose public half it has.

    {"sub": "user:42", "exp": 1735689600, "subscribe": ["news", "user:42:*"], "publish": [], "role": "viewer"}

The kind of key decides the algorithm, never the token: so a token cannot ask for none, nor have a public key taken for
a secret.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from airwave.settings import Settings, SettingsError
from airwave.web.rights import NOTHING, Globs

TOKEN_CHARS_MAX = 8192
GLOBS_MAX = 1000
_KEY_BYTES_MIN = 32  # RFC 7518, 3.2: as long as the hash
_RSA_BITS_MIN = 2048
_LEEWAY_S = 5  # clocks of two machines

Role = Literal["none", "user", "viewer", "admin"]


class TokenError(Exception):
    """A token is not good; the message says why, for the one who sent it."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says.

    Attributes:
        subject: whose it is; may be empty.
        expires_at: Unix seconds; None: never.
        role: user, viewer or admin.
        subscribe, publish: the channels.
    """

    subject: str
    expires_at: float | None
    role: Role
    subscribe: Globs
    publish: Globs


class Keys:
    """The keys that tokens may be signed with.

    Args:
        settings: those of the node.

    Raises:
        SettingsError: one of them is no key, or too weak.
    """

    def __init__(self, settings: Settings) -> None:
        self._audience = settings.http_token_audience
        self._keys: list[tuple[Any, str]] = []
        if settings.http_token_key:
            if len(settings.http_token_key) < _KEY_BYTES_MIN:
                raise SettingsError(f"http-token-key is too short: at least {_KEY_BYTES_MIN} bytes")
            if settings.http_token_key.lstrip().startswith(b"-----BEGIN"):
                raise SettingsError("http-token-key is a secret; a key in PEM form belongs to http-token-public-key")
            self._keys.append((settings.http_token_key, "HS256"))
        if settings.http_token_public_key:
            self._keys.append(_public_key(settings.http_token_public_key))

    @property
    def configured(self) -> bool:
        """Whether there is a key: otherwise no token is good."""
        return bool(self._keys)

    def claims(self, token: str) -> Claims:
        """What a token says.

        Raises:
            TokenError: it is not good.
        """
        if len(token) > TOKEN_CHARS_MAX:
            raise TokenError("the token is too long")
        try:
            algorithm = jwt.get_unverified_header(token).get("alg")
            key = next((key for key, name in self._keys if name == algorithm), None)
            if key is None:
                allowed = ", ".join(name for _, name in self._keys)
                raise TokenError(f"the token is not signed with {allowed or 'a key: the server has none'}")
            payload = jwt.decode(
                token,
                key,
                algorithms=[cast(str, algorithm)],
                audience=self._audience or None,
                leeway=_LEEWAY_S,
                options={"verify_aud": bool(self._audience), "require": ["aud"] if self._audience else []},
            )
        except jwt.ExpiredSignatureError:
            raise TokenError("the token has expired") from None
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise TokenError(f"the token is not valid: {error}") from None
        return _claims(payload)


def _public_key(path: str) -> tuple[Any, str]:
    try:
        key = serialization.load_pem_public_key(Path(path).read_bytes())
    except OSError as error:
        raise SettingsError(f"http-token-public-key {path}: {error.strerror}") from None
    except ValueError:
        raise SettingsError(f"http-token-public-key {path}: no public key in PEM form") from None
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < _RSA_BITS_MIN:
            raise SettingsError(f"http-token-public-key {path}: an RSA key has at least {_RSA_BITS_MIN} bits")
        return key, "RS256"
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key, "ES256"
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return key, "EdDSA"
    raise SettingsError(f"http-token-public-key {path}: neither RSA, P-256 nor Ed25519")


def _claims(payload: dict[str, Any]) -> Claims:
    role = payload.get("role", "user")
    if role not in ("user", "viewer", "admin"):
        raise TokenError("the token's role is neither user, viewer nor admin")
    expires_at = payload.get("exp")
    return Claims(
        subject=str(payload.get("sub", "")),
        expires_at=float(expires_at) + _LEEWAY_S if expires_at is not None else None,
        role=role,
        subscribe=_globs(payload, "subscribe"),
        publish=_globs(payload, "publish"),
    )


def _globs(payload: dict[str, Any], name: str) -> Globs:
    globs = payload.get(name)
    if globs is None:
        return NOTHING
    if not isinstance(globs, Sequence) or isinstance(globs, str) or not all(isinstance(each, str) for each in globs):
        raise TokenError(f"the token's claim {name} is not a list of channel patterns")
    if len(globs) > GLOBS_MAX:
        raise TokenError(f"the token's claim {name} has more than {GLOBS_MAX} patterns")
    return Globs([each.encode("utf-8", "surrogatepass") for each in globs])
