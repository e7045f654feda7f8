"""People, who come with a token of an OpenID Connect issuer instead of an API key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from features.errors import Forbidden, Unavailable
from features.settings import OidcSettings
from serving.issuer_keys import IssuerKeys
from serving.keys import ApiKey, Scope
from serving.tokens import IssuerKey, read_key_id, refused, verify

PREFIX = "oidc:"


class People:
    """Turns tokens into what their bearers may do.

    Parameters
    ----------
    settings : OidcSettings
    keys : IssuerKeys
        Of the issuer that the settings name.
    pseudonym : callable
        Stands in for a person in journal and log (:meth:`features.intake.Intake.pseudonym`).
    """

    def __init__(self, settings: OidcSettings, keys: IssuerKeys, pseudonym: Callable[[str], str]) -> None:
        self._settings = settings
        self._keys = keys
        self._pseudonym = pseudonym

    def start(self) -> None:
        """Begin to read the issuer's keys, so that the first person need not wait for them."""
        self._keys.refresh()

    async def check(self, token: str) -> ApiKey:
        """What the bearer of a token may do, as a key would.

        Raises
        ------
        Unauthenticated
            If the token is not of this issuer, not for this service, or not of this time.
        Forbidden
            If nothing that the token says is mapped to a scope.
        Unavailable
            If the issuer's keys were never read and cannot be now.
        """
        key = await self._key(read_key_id(token))
        settings = self._settings
        claims = verify(
            token,
            key,
            issuer=self._keys.issuer,
            audience=str(settings.audience),
            leeway_seconds=settings.leeway_seconds,
        )
        scopes = frozenset(
            Scope(scope) for value in _words(claims, settings.scopes_claim) for scope in settings.scopes.get(value, ())
        )
        if not scopes:
            raise Forbidden("This token gives no scope here; ask for a role that the setting oidc.scopes maps to one.")
        return ApiKey(
            key_id=PREFIX + self._pseudonym(f"{self._keys.issuer} {claims['sub']}"),
            label="",
            scopes=scopes,
            groups=None if settings.sees_all_groups else frozenset(_groups(claims, settings.groups_claim)),
            created_at=datetime.now(UTC),
            expires_at=None,  # the token's own was checked, and is again with every request
            revoked_at=None,
        )

    async def _key(self, key_id: str | None) -> IssuerKey:
        key = self._keys.find(key_id)
        if key is None or self._keys.is_stale:
            refresh = self._keys.refresh()
            if key is None and refresh is not None:
                pending, seconds = refresh
                await asyncio.wait({asyncio.wrap_future(pending)}, timeout=seconds)
                key = self._keys.find(key_id)
        if key is not None:
            return key
        if not self._keys.is_loaded:
            raise Unavailable("The identity provider does not answer; try again in a moment, or use an API key.")
        raise refused()


def _words(claims: Mapping[str, Any], name: str) -> list[str]:
    """Values of a claim: a list, or one text with blanks between them (as ``scope`` is, RFC 8693, 4.2)."""
    value = _claim(claims, name)
    return value.split() if isinstance(value, str) else _texts(value)


def _groups(claims: Mapping[str, Any], name: str | None) -> list[str]:
    value = None if name is None else _claim(claims, name)
    return [value] if isinstance(value, str) else _texts(value)


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name; where there is none, by a path with dots (``realm_access.roles``)."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
