"""HTTP/1.1 as uvicorn speaks it, with bounds on a request's head: uvicorn alone waits for it for ever and at any size.

What is no HTTP at all is answered as every other error is.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from features.errors import InvalidInput
from serving.problems import problem
from serving.suggester import new_request_id

MAX_HEAD_BYTES = 65_536
HEAD_SECONDS = 10.0


class BoundedHttp(HttpToolsProtocol):
    """Gives up a connection whose request line and headers take too long or are too large."""

    _deadline: asyncio.TimerHandle | None = None
    _n_head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request, for a while."""
        super().connection_made(transport)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._end_head()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Wait for the rest of a request's head."""
        super().on_message_begin()
        if self._deadline is None:
            self._begin_head()

    def on_headers_complete(self) -> None:
        """Leave the rest to the guards."""
        self._end_head()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Count what comes before the end of a head."""
        self._n_head_bytes += len(data) if self._deadline else 0
        super().data_received(data)
        if self._deadline is not None and self._n_head_bytes > MAX_HEAD_BYTES:
            self.send_400_response(f"The request's head is larger than {MAX_HEAD_BYTES:,} bytes; send fewer headers.")

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read, and close."""
        self._end_head()
        found = problem(InvalidInput(msg), new_request_id())
        head = [f"HTTP/1.1 {found.status} Bad Request", *(f"{name}: {value}" for name, value in found.headers)]
        head += [f"content-length: {len(found.body)}", "connection: close", "", ""]
        self.transport.write("\r\n".join(head).encode("ascii") + found.body)
        self.transport.close()

    def _begin_head(self) -> None:
        self._n_head_bytes = 0
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _end_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
