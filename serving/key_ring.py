"""API keys as the service checks them: in memory, in constant time."""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import select

from features.errors import HistoryUnavailable, Unauthenticated
from features.history import History
from features.schema import api_keys
from serving.keys import ApiKey, secret_hash, to_key

_REFRESH_SECONDS = 1.0
# An id that is not known may be a key made a moment ago; guesses must not become a query each.
_UNKNOWN_REFRESH_SECONDS = 0.1
_NO_HASH = secret_hash("")


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
                self._keys = {row.key_id: (to_key(row), row.secret_sha256) for row in rows}
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
        matches = hmac.compare_digest(secret_hash(secret), expected)
        if key is None or not matches or not key.is_valid(datetime.now(UTC)):
            raise Unauthenticated(
                "The API key is wrong, expired or revoked; make one with `precedent keys create` and send it as "
                "X-API-Key or as Authorization: Bearer."
            )
        return key
