"""One request to another server, over in time whatever that server does. Neither proxies nor redirects are followed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

_MAX_ANSWER_BYTES = 262_144


def fetch(
    url: str, *, deadline: float, headers: Mapping[str, str], method: str = "GET", body: bytes | None = None
) -> bytes:
    """What a server answers, at most 256 KiB of it.

    Parameters
    ----------
    deadline : float
        When to give up, by the monotonic clock.

    Raises
    ------
    OSError
        If the server cannot be reached, or not in time.
    HTTPException
        If its answer is no HTTP, or its status tells of no success.
    """
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    connection = kind(parts.hostname or "", parts.port, timeout=left)
    try:
        connection.connect()
        with _hung_up_at(deadline, connection.sock):
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            if not 200 <= response.status < 300:
                raise HTTPException(f"status {response.status}")
            return response.read(_MAX_ANSWER_BYTES)
    finally:
        connection.close()


@contextmanager
def _hung_up_at(deadline: float, connected: socket.socket) -> Iterator[None]:
    """End what is read from a socket at a time: its timeout is for each read alone, and a server may drip for ever."""

    def hang_up() -> None:
        with suppress(OSError):  # it was closed meanwhile
            # Not the method of a TLS socket, which takes away what the reading thread is using.
            socket.socket.shutdown(connected, socket.SHUT_RDWR)

    timer = threading.Timer(deadline - time.monotonic(), hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
