"""API keys ``<id>.<secret>``: made, rotated, revoked. Only the secret's SHA-256 is kept.

A bare hash is enough here: a secret is 256 random bits, which nobody finds by trying.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.engine import Row

from features.audit_chain import ChainEnd, Event, Kind
from features.errors import Conflict, InvalidInput, NotFound
from features.history import History
from features.schema import api_keys

MAX_LABEL_CHARS = 100


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
    actor: str | None = None,
) -> NewKey:
    """Make a key; its token cannot be read again later.

    Parameters
    ----------
    actor : str or None
        Who makes it, for the audit chain (:class:`features.audit_chain.Event`).

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
        key_id=_new_id(),
        label=_checked_label(label),
        scopes=_checked_scopes(scopes),
        groups=None if groups is None else frozenset(groups),
        created_at=now,
        expires_at=_checked_expiry(expires_at, now),
        revoked_at=None,
    )
    with history.writing() as connection:
        chain = ChainEnd(connection)
        made = _insert(connection, key)
        chain.append([Event(Kind.KEY_CREATED, now, actor, _told(key))])
    return made


def rotate_key(
    history: History,
    key_id: str,
    *,
    overlap: timedelta,
    expires_at: datetime | None = None,
    actor: str | None = None,
) -> NewKey:
    """Make a key that may what another may, which stays valid for a while beside it and then expires.

    Parameters
    ----------
    overlap : timedelta
        How long both are valid; an earlier expiry of the old key stays.
    expires_at : aware datetime, optional
        When the new key expires; by default it lives as long as the old one was made for.

    Raises
    ------
    NotFound
        If there is no key of this id.
    Conflict
        If that key is revoked or expired already.
    InvalidInput
        If the expiry has no time zone or is past.
    """
    now = datetime.now(UTC)
    expires_at = _checked_expiry(expires_at, now)
    with history.writing() as connection:
        chain = ChainEnd(connection)
        old = _read(connection, key_id)
        if not old.is_valid(now):
            raise Conflict(
                f"The API key {key_id!r} is revoked or expired; make a new one with `precedent keys create`."
            )
        if expires_at is None and old.expires_at is not None:
            expires_at = now + (old.expires_at - old.created_at)
        until = now + overlap if old.expires_at is None else min(now + overlap, old.expires_at)
        made = _insert(connection, replace(old, key_id=_new_id(), created_at=now, expires_at=expires_at))
        connection.execute(update(api_keys).where(api_keys.c.key_id == key_id).values(expires_at=until))
        told = _told(made.key) | {"replaces": key_id, "replaced_until": until.isoformat()}
        chain.append([Event(Kind.KEY_ROTATED, now, actor, told)])
    return made


def list_keys(history: History) -> list[ApiKey]:
    """Every key, revoked and expired ones too, oldest first."""
    with history.reading() as connection:
        rows = connection.execute(select(api_keys).order_by(api_keys.c.created_at, api_keys.c.key_id)).all()
    return [to_key(row) for row in rows]


def revoke_key(history: History, key_id: str, *, actor: str | None = None) -> ApiKey:
    """Revoke a key; running services refuse it within about a second. Revoking it again changes nothing.

    Raises
    ------
    NotFound
        If there is no key of this id.
    """
    now = datetime.now(UTC)
    with history.writing() as connection:
        chain = ChainEnd(connection)
        key = _read(connection, key_id)
        if key.revoked_at is not None:
            return key
        connection.execute(update(api_keys).where(api_keys.c.key_id == key_id).values(revoked_at=now))
        chain.append([Event(Kind.KEY_REVOKED, now, actor, {"key_id": key_id})])
    return replace(key, revoked_at=now)


def _new_id() -> str:
    return secrets.token_hex(8)


def _insert(connection: Connection, key: ApiKey) -> NewKey:
    """Store a key with a new secret."""
    secret = secrets.token_urlsafe(32)
    connection.execute(
        insert(api_keys).values(
            key_id=key.key_id,
            secret_sha256=secret_hash(secret),
            scopes=sorted(key.scopes),
            label=key.label,
            groups=None if key.groups is None else sorted(key.groups),
            created_at=key.created_at,
            expires_at=key.expires_at,
        )
    )
    return NewKey(key, f"{key.key_id}.{secret}")


def _told(key: ApiKey) -> dict[str, object]:
    """What the audit chain keeps of a key: label and groups may name somebody, and could not be taken back."""
    return {
        "key_id": key.key_id,
        "scopes": sorted(key.scopes),
        "sees_all_groups": key.groups is None,
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
    }


def _read(connection: Connection, key_id: str) -> ApiKey:
    row = connection.execute(select(api_keys).where(api_keys.c.key_id == key_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no API key {key_id!r}; `precedent keys list` shows those that there are.")
    return to_key(row)


def to_key(row: Row[tuple[object, ...]]) -> ApiKey:
    """What a row of ``api_keys`` says, without its secret."""
    return ApiKey(
        key_id=row.key_id,
        label=row.label,
        scopes=frozenset(Scope(scope) for scope in row.scopes),
        groups=None if row.groups is None else frozenset(row.groups),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


def secret_hash(secret: str) -> str:
    """SHA-256 of a secret in hexadecimal."""
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
