"""The keys of an OpenID Connect issuer: found by discovery, kept in memory, read again now and then.

A refresh runs on a thread of its own, one at a time and not often, whatever tokens come; nobody waits for it longer
than it may take. While the issuer does not answer, the keys read before stay in force.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from http.client import HTTPException
from typing import Any

from features.settings import is_trusted_url
from serving.bounded_http import fetch
from serving.logs import log
from serving.tokens import IssuerKey, read_keys

logger = logging.getLogger("precedent.oidc")

FETCH_SECONDS = 4.0
_REFRESH_SECONDS = 300.0
_PAUSE_SECONDS = 10.0


class IssuerKeys:
    """Keys of one issuer.

    Parameters
    ----------
    issuer : str
        As tokens name it, and the URL that discovery starts from.
    refresh_seconds : float
        How old keys may grow.
    pause_seconds : float
        Least time between two refreshes: tokens with made-up key ids must not become requests to the issuer.
    """

    def __init__(
        self, issuer: str, *, refresh_seconds: float = _REFRESH_SECONDS, pause_seconds: float = _PAUSE_SECONDS
    ) -> None:
        self.issuer = issuer
        self._refresh_seconds = refresh_seconds
        self._pause_seconds = pause_seconds
        self._keys: Mapping[str | None, IssuerKey] = {}
        self._read_at = -1e9
        self._asked_at = -1e9
        self._pending: Future[None] | None = None
        self._lock = threading.Lock()

    @property
    def is_loaded(self) -> bool:
        """Whether keys were ever read."""
        return bool(self._keys)

    @property
    def is_stale(self) -> bool:
        """Whether the keys are due to be read again."""
        return time.monotonic() - self._read_at > self._refresh_seconds

    def find(self, key_id: str | None) -> IssuerKey | None:
        """A key by its id; where a token names none, the only one that there is."""
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    def refresh(self) -> tuple[Future[None], float] | None:
        """Begin to read the keys, or join in where that is under way.

        Returns
        -------
        (Future, float) or None
            Done when the keys were read or could not be, and how many seconds are worth waiting for it; None where it
            is too soon to ask again.
        """
        with self._lock:
            now = time.monotonic()
            if self._pending is None:
                if now - self._asked_at < self._pause_seconds:
                    return None
                self._asked_at = now
                self._pending = Future()
                threading.Thread(target=self._run, args=(self._pending,), name="issuer keys", daemon=True).start()
            return self._pending, max(0.0, self._asked_at + FETCH_SECONDS - now)

    def _run(self, pending: Future[None]) -> None:
        try:
            keys = self._read(time.monotonic() + FETCH_SECONDS)
        except Exception as error:  # noqa: BLE001 (whatever that server does, the keys read before stay in force)
            log(logger, logging.WARNING, "issuer's keys not read", kind=type(error).__name__)
        else:
            self._keys = keys
            self._read_at = time.monotonic()
        with self._lock:
            self._pending = None
        pending.set_result(None)

    def _read(self, deadline: float) -> Mapping[str | None, IssuerKey]:
        discovery = _fetch_json(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration", deadline)
        # OpenID Connect Discovery 1.0, 4.3: else one issuer could pass for another.
        if discovery["issuer"] != self.issuer:
            raise HTTPException("another issuer")
        url = str(discovery["jwks_uri"])
        if not is_trusted_url(url):
            raise HTTPException("key set without TLS")
        return read_keys(_fetch_json(url, deadline))


def _fetch_json(url: str, deadline: float) -> Any:
    return json.loads(fetch(url, deadline=deadline, headers={"Accept": "application/json", "Connection": "close"}))
