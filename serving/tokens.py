"""JSON Web Tokens: which keys an issuer has, and what a token says that one of them signed. The only door to jwt.

Only signatures with a key pair are taken, and only those that fit the key: a token's own header chooses nothing
(RFC 8725, 3.1 and 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from features.errors import Unauthenticated

MAX_TOKEN_CHARS = 16_384
_MIN_RSA_BITS = 2048
_REQUIRED = ["iss", "sub", "aud", "exp"]
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_BY_CURVE: dict[str, tuple[str, ...]] = {
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "Ed25519": ("EdDSA",),
}
# What the library raises on a token made to hurt: numbers beyond any clock, JSON without end.
_BAD = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A public key, with the algorithms that it may verify."""

    key: Any
    algorithms: tuple[str, ...]


def read_keys(document: object) -> dict[str | None, IssuerKey]:
    """The keys of a JSON Web Key Set that verify signatures, by their id; those of other uses and kinds are left out.

    Raises
    ------
    ValueError
        If there is none, or the document is no key set.
    """
    entries = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(entries, Sequence):
        raise ValueError("no key set")
    keys = {entry.get("kid"): found for entry in entries if isinstance(entry, dict) and (found := _key(entry))}
    if not keys:
        raise ValueError("no key that verifies signatures")
    return keys


def read_key_id(token: str) -> str | None:
    """Id of the key that a token says it is signed with; nothing of it is proven yet.

    Raises
    ------
    Unauthenticated
        If this is no token.
    """
    if len(token) > MAX_TOKEN_CHARS:
        raise refused()
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except _BAD:
        raise refused() from None
    return kid if isinstance(kid, str) else None


def verify(token: str, key: IssuerKey, *, issuer: str, audience: str, leeway_seconds: float) -> dict[str, Any]:
    """The claims of a token, signature, issuer, audience and times checked.

    Raises
    ------
    Unauthenticated
        If anything is wrong with it; the message does not tell what.
    """
    try:
        return jwt.decode(
            token,
            key.key,
            algorithms=list(key.algorithms),
            issuer=issuer,
            audience=audience,
            leeway=leeway_seconds,
            options={"require": _REQUIRED},
        )
    except _BAD:
        raise refused() from None


def refused() -> Unauthenticated:
    """What is said of every token that is not taken."""
    return Unauthenticated(
        "The token is wrong, expired or not meant for this service; sign in again and send it as Authorization: Bearer."
    )


def _key(entry: dict[str, Any]) -> IssuerKey | None:
    fitting: tuple[str, ...] = _RSA if entry.get("kty") == "RSA" else _BY_CURVE.get(str(entry.get("crv")), ())
    if "alg" in entry:
        fitting = tuple(name for name in fitting if name == entry["alg"])
    if not fitting or entry.get("use", "sig") != "sig" or not isinstance(entry.get("kid"), str | None):
        return None
    try:
        key = jwt.PyJWK(entry, fitting[0]).key
    except _BAD:
        return None
    is_short = fitting[0] in _RSA and key.key_size < _MIN_RSA_BITS
    # A private key in a public document is nobody's secret any more.
    return None if is_short or "d" in entry else IssuerKey(key, fitting)
