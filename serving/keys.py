"""API keys ``<id>.<secret>``: made, listed, revoked; checked in constant time. Only the secret's SHA-256 is kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import insert, select, update
from sqlalchemy.engine import Row

from features.errors import HistoryUnavailable, InvalidInput, NotFound, Unauthenticated
from features.history import History
from features.schema import api_keys

MAX_LABEL_CHARS = 100
_REFRESH_SECONDS = 1.0
# An id that is not known may be a key made a moment ago; guesses must not become a query each.
_UNKNOWN_REFRESH_SECONDS = 0.1
_NO_HASH = hashlib.sha256(b"").hexdigest()


class Scope(StrEnum):
    """What a key may do. ``admin`` may do everything."""

    SUGGEST = "suggest"
    WRITE = "write"
    REPORT = "report"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What is known of a key.

    Attributes
    ----------
    groups : frozenset of str or None
        Access groups whose cases the key may see, beside those of no group; None sees all.
    expires_at, revoked_at : aware datetime or None
    """

    key_id: str
    label: str
    scopes: frozenset[Scope]
    groups: frozenset[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def allows(self, scope: Scope) -> bool:
        """Whether the key has a scope, or ``admin``."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def is_valid(self, now: datetime) -> bool:
        """Whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made, with the one copy of its token."""

    key: ApiKey
    token: str


def create_key(
    history: History,
    *,
    label: str,
    scopes: Collection[str] = (Scope.SUGGEST, Scope.WRITE),
    groups: Collection[str] | None = None,
    expires_at: datetime | None = None,
) -> NewKey:
    """Make a key; its token cannot be read again later.

    Raises
    ------
    InvalidInput
        If the label is blank or too long, no scope or an unknown one is given, or the expiry has no time zone or is
        past.
    HistoryUnavailable
        If the history's database does not answer.
    """
    now = datetime.now(UTC)
    key = ApiKey(
        key_id=secrets.token_hex(8),
        label=_checked_label(label),
        scopes=_checked_scopes(scopes),
        groups=None if groups is None else frozenset(groups),
        created_at=now,
        expires_at=_checked_expiry(expires_at, now),
        revoked_at=None,
    )
    secret = secrets.token_urlsafe(32)
    with history.writing() as connection:
        connection.execute(
            insert(api_keys).values(
                key_id=key.key_id,
                secret_sha256=_sha256(secret),
                scopes=sorted(key.scopes),
                label=key.label,
                groups=None if key.groups is None else sorted(key.groups),
                created_at=key.created_at,
                expires_at=key.expires_at,
            )
        )
    return NewKey(key, f"{key.key_id}.{secret}")


def list_keys(history: History) -> list[ApiKey]:
    """Every key, revoked and expired ones too, oldest first."""
    with history.reading() as connection:
        rows = connection.execute(select(api_keys).order_by(api_keys.c.created_at, api_keys.c.key_id)).all()
    return [_key(row) for row in rows]


def revoke_key(history: History, key_id: str) -> ApiKey:
    """Revoke a key; running services refuse it within about a second. Revoking it again changes nothing.

    Raises
    ------
    NotFound
        If there is no key of this id.
    """
    with history.writing() as connection:
        connection.execute(
            update(api_keys)
            .where(api_keys.c.key_id == key_id, api_keys.c.revoked_at.is_(None))
            .values(revoked_at=datetime.now(UTC))
        )
        row = connection.execute(select(api_keys).where(api_keys.c.key_id == key_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no API key {key_id!r}; `precedent keys list` shows those that there are.")
    return _key(row)


class KeyRing:
    """Keys in memory, read again about every second. Checking a token touches no database.

    Whoever checks calls :meth:`refresh` on a thread that may block, when :meth:`needs_refresh` says so.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._keys: Mapping[str, tuple[ApiKey, str]] = {}
        self._read_at = -1e9
        self._is_loaded = False
        self._lock = threading.Lock()

    def needs_refresh(self, token: str) -> bool:
        """Whether what is in memory is too old to judge a token by."""
        age = time.monotonic() - self._read_at
        known = token.partition(".")[0] in self._keys
        return age > (_REFRESH_SECONDS if known else _UNKNOWN_REFRESH_SECONDS)

    def refresh(self) -> None:
        """Read the keys; where the history does not answer, those read before stay in force.

        Raises
        ------
        HistoryUnavailable
            If the keys were never read and cannot be now.
        """
        with self._lock:
            if time.monotonic() - self._read_at < _UNKNOWN_REFRESH_SECONDS:
                return  # another thread was first
            try:
                with self._history.reading() as connection:
                    rows = connection.execute(select(api_keys)).all()
            except HistoryUnavailable:
                if not self._is_loaded:
                    raise
            else:
                self._keys = {row.key_id: (_key(row), row.secret_sha256) for row in rows}
                self._is_loaded = True
            self._read_at = time.monotonic()

    def check(self, token: str) -> ApiKey:
        """The key of a token.

        Raises
        ------
        Unauthenticated
            If the token is wrong, expired or revoked; the message does not tell which.
        """
        key_id, _, secret = token.partition(".")
        key, expected = self._keys.get(key_id, (None, _NO_HASH))
        matches = hmac.compare_digest(_sha256(secret), expected)
        if key is None or not matches or not key.is_valid(datetime.now(UTC)):
            raise Unauthenticated(
                "The API key is wrong, expired or revoked; make one with `precedent keys create` and send it as "
                "X-API-Key or as Authorization: Bearer."
            )
        return key


def _key(row: Row[tuple[object, ...]]) -> ApiKey:
    return ApiKey(
        key_id=row.key_id,
        label=row.label,
        scopes=frozenset(Scope(scope) for scope in row.scopes),
        groups=None if row.groups is None else frozenset(row.groups),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _checked_label(label: str) -> str:
    label = " ".join(label.split())
    if not 0 < len(label) <= MAX_LABEL_CHARS:
        raise InvalidInput(
            f"The label of a key has {len(label)} characters; give 1 to {MAX_LABEL_CHARS} that say who uses it.",
            field="label",
        )
    return label


def _checked_scopes(scopes: Collection[str]) -> frozenset[Scope]:
    known = [scope.value for scope in Scope]
    unknown = sorted(set(scopes) - set(known))
    if unknown or not scopes:
        what = f"The scope {unknown[0]!r} is unknown" if unknown else "A key without a scope may do nothing"
        raise InvalidInput(f"{what}; use {', '.join(known[:-1])} or {known[-1]}.", field="scopes")
    return frozenset(Scope(scope) for scope in scopes)


def _checked_expiry(expires_at: datetime | None, now: datetime) -> datetime | None:
    if expires_at is None:
        return None
    if expires_at.tzinfo is None or expires_at <= now:
        raise InvalidInput(
            f"A key cannot expire at {expires_at.isoformat()}; give a time to come, with a time zone.",
            field="expires_at",
        )
    return expires_at.astimezone(UTC)
