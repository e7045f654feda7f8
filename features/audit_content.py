"""What the audit chain keeps of the journal's texts: a salted hash, which tells nothing once the salt is gone.

A text is often so short that whoever holds its bare hash finds it by trying, and whoever holds the key of a keyed one
does too. So each row has a salt of its own, 128 random bits kept beside the text and erased with it: what stays in the
chain then fits every text as well as any other.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from features.audit_chain import canonical_json

# Lists of their own, and not the tables' columns: a column that comes later must not change what was hashed before.
_SUGGESTION = (
    "request_id",
    "at",
    "key_id",
    "release",
    "ticket_id",
    "ticket_system",
    "change_watermark",
    "model_text_sha",
    "ticket",
    "answer",
)
_FEEDBACK = ("request_id", "at", "key_id", "kind", "target", "ref_id", "value", "by_whom")


def new_salt() -> str:
    """A salt: 32 hexadecimal digits."""
    return secrets.token_hex(16)


def suggestion_hash(row: Mapping[str, Any]) -> str:
    """Hash of a row of ``journal_suggestions`` under its salt."""
    return _hash(row, _SUGGESTION)


def feedback_hash(row: Mapping[str, Any]) -> str:
    """Hash of a row of ``journal_feedback`` under its salt."""
    return _hash(row, _FEEDBACK)


def _hash(row: Mapping[str, Any], columns: tuple[str, ...]) -> str:
    content = canonical_json({name: _plain(row[name]) for name in columns})
    return hashlib.sha256(f"{row['salt']}\n{content}".encode()).hexdigest()


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else value
