"""Tokens: who signed them decides, and the kind of key decides how."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from airwave.settings import Settings, SettingsError
from airwave.web.tokens import Keys, TokenError

from .site import KEY, token

PRIVATE: dict[str, Any] = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def pem(public: Any) -> bytes:
    return bytes(public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))


def keys(folder: Path, algorithm: str = "", *, secret: str = KEY, audience: str = "") -> Keys:
    """Keys of a server with a secret, or with the public key of an algorithm."""
    settings = Settings()
    settings.http_token_audience = audience
    if algorithm:
        path = folder / "key.pem"
        path.write_bytes(pem(PRIVATE[algorithm].public_key()))
        settings.http_token_public_key = str(path)
    else:
        settings.http_token_key = secret.encode()
    return Keys(settings)


def refused(found: Keys, text: str) -> str:
    with pytest.raises(TokenError) as caught:
        found.claims(text)
    return str(caught.value)


def forged(header: dict[str, Any], secret: bytes | None) -> str:
    """A token with a header of our own, signed with HMAC or not at all."""
    parts = [header, {"sub": "x", "exp": int(time.time()) + 600}]
    text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    signature = b"" if secret is None else hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def test_claims(tmp_path: Path) -> None:
    claims = keys(tmp_path).claims(token(["news", "user:*"], ["chat"], exp=4_000_000_000, role="viewer"))
    assert (claims.subject, claims.role) == ("user:1", "viewer")
    assert claims.expires_at is not None
    assert 4_000_000_000 <= claims.expires_at <= 4_000_000_010
    assert claims.subscribe.allow(b"user:7")
    assert not claims.subscribe.allow(b"chat")
    assert claims.publish.allow(b"chat")


def test_what_a_token_does_not_say_it_does_not_allow(tmp_path: Path) -> None:
    claims = keys(tmp_path).claims(jwt.encode({}, KEY, algorithm="HS256"))
    assert (claims.subject, claims.role, claims.expires_at) == ("", "user", None)
    assert not claims.subscribe.allow(b"news")
    assert not claims.publish.allow(b"news")


@pytest.mark.parametrize("algorithm", [*PRIVATE])
def test_each_kind_of_public_key(tmp_path: Path, algorithm: str) -> None:
    found = keys(tmp_path, algorithm)
    assert found.claims(token(key=PRIVATE[algorithm], algorithm=algorithm)).subject == "user:1"
    for other, key in PRIVATE.items():
        if other != algorithm:
            assert f"not signed with {algorithm}" in refused(found, token(key=key, algorithm=other))


@pytest.mark.parametrize("algorithm", [*PRIVATE])
def test_a_public_key_is_never_taken_for_a_secret(tmp_path: Path, algorithm: str) -> None:
    found = keys(tmp_path, algorithm)
    public = pem(PRIVATE[algorithm].public_key())
    for name in ("HS256", "HS384", "HS512", algorithm):
        refused(found, forged({"alg": name, "typ": "JWT"}, public))


@pytest.mark.parametrize("name", ["none", "None", "NONE", "", None])
def test_a_token_cannot_ask_for_no_signature(tmp_path: Path, name: str | None) -> None:
    for found in (keys(tmp_path), keys(tmp_path, "RS256")):
        refused(found, forged({"alg": name, "typ": "JWT"}, None))
        refused(found, forged({"alg": name, "typ": "JWT"}, KEY.encode()))


def test_other_keys_and_lengths_of_hash_are_refused(tmp_path: Path) -> None:
    found = keys(tmp_path)
    assert "not valid" in refused(found, token(key="l" * 40))
    assert "not signed with HS256" in refused(found, jwt.encode({}, KEY * 2, algorithm="HS512"))


def test_time(tmp_path: Path) -> None:
    found = keys(tmp_path)
    now = int(time.time())
    assert refused(found, token(exp=now - 60)) == "the token has expired"
    assert "not valid" in refused(found, token(nbf=now + 600))
    assert "not valid" in refused(found, token(exp="soon"))


def test_audience(tmp_path: Path) -> None:
    found = keys(tmp_path, audience="airwave")
    assert found.claims(token(aud="airwave"))
    assert found.claims(token(aud=["other", "airwave"]))
    refused(found, token(aud="other"))
    refused(found, token())
    assert keys(tmp_path).claims(token(aud="whatever"))


@pytest.mark.parametrize(
    "claims",
    [
        {"subscribe": "news"},
        {"subscribe": [1]},
        {"publish": {"a": 1}},
        {"role": "root"},
        {"role": 1},
        {"subscribe": ["x"] * 1001},
    ],
)
def test_claims_that_make_no_sense_are_refused(tmp_path: Path, claims: dict[str, Any]) -> None:
    about = {"sub": "x", **claims}
    refused(keys(tmp_path), jwt.encode(about, KEY, algorithm="HS256"))


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "..", "é.é.é", "x" * 10_000, "W10.W10.x"])
def test_garbage_is_refused(tmp_path: Path, text: str) -> None:
    refused(keys(tmp_path), text)


def test_keys_that_are_none_or_weak_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    cases = {
        b"nothing": "no public key",
        pem(rsa.generate_private_key(65537, 1024).public_key()): "at least 2048 bits",
        pem(ec.generate_private_key(ec.SECP384R1()).public_key()): "neither RSA, P-256 nor Ed25519",
    }
    for data, told in cases.items():
        path.write_bytes(data)
        settings = Settings()
        settings.http_token_public_key = str(path)
        with pytest.raises(SettingsError, match=told):
            Keys(settings)
    for secret, told in (
        ("short", "too short"),
        ("-----BEGIN PUBLIC KEY-----" + KEY, "belongs to http-token-public-key"),
    ):
        with pytest.raises(SettingsError, match=told):
            keys(tmp_path, secret=secret)
    settings = Settings()
    settings.http_token_public_key = str(tmp_path / "missing")
    with pytest.raises(SettingsError, match="No such file"):
        Keys(settings)
