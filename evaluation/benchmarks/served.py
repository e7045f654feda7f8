"""A real ``precedent serve`` to measure, as a process of its own, and a client that costs little beside it."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import orjson

from features.history import History
from features.settings import Settings, load_settings
from serving.keys import Scope, create_key, revoke_key

_STOP_SECONDS = 30
_ANSWER_SECONDS = 60.0
_MAX_TEXTS = 2_000
SUGGEST = "/v1/suggest"
GONE = 0
"""Status of a request whose connection ended without an answer, or that took more than a minute."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running service: where it listens, the process of its worker, a key for everything."""

    settings: Settings
    host: str
    port: int
    supervisor: int
    token: str

    @property
    def worker(self) -> int:
        """Process id of the worker that there is now."""
        children = Path(f"/proc/{self.supervisor}/task/{self.supervisor}/children").read_text(encoding="ascii")
        return int(children.split()[0])


@contextmanager
def service(workspace: Path) -> Iterator[Service]:
    """Serve a workspace on a free port of the loopback address. What is sent is stored there: give a copy."""
    settings = load_settings(workspace)
    with closing(History.open(settings.history_url)) as history:
        made = create_key(history, label="benchmark", scopes=[Scope.ADMIN])
        command = [sys.executable, "-m", "cli.main", "serve", "--port", "0", "--json", "--workspace", str(workspace)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # noqa: S603
        try:
            assert process.stdout is not None  # noqa: S101
            url = urlsplit(json.loads(process.stdout.readline())["url"])
            yield Service(settings, str(url.hostname), int(url.port or 0), process.pid, made.token)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_STOP_SECONDS)
            revoke_key(history, made.key.key_id)


def ticket_texts(settings: Settings) -> list[tuple[str, str]]:
    """Subject and description of tickets of the workspace, to be asked about under other words."""
    with closing(History.open(settings.history_url)) as history:
        cases = (stored.case.ticket for stored in islice(history.iter_cases(), _MAX_TEXTS))
        return [(ticket.subject, ticket.description) for ticket in cases]


class Questions:
    """Bodies of ``POST /v1/suggest``, no two with the same text, so that no cache answers them."""

    def __init__(self, texts: Sequence[tuple[str, str]]) -> None:
        self._texts = texts
        self._n_asked = 0

    def ticket(self) -> dict[str, str]:
        """The next ticket."""
        self._n_asked += 1
        subject, description = self._texts[self._n_asked % len(self._texts)]
        return {"subject": f"{subject} {self._n_asked}", "description": description}

    def __call__(self) -> bytes:
        """The next body."""
        return orjson.dumps({"ticket": self.ticket()})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and how long after it was sent (seconds)."""

    status: int
    seconds: float
    body: bytes = b""
    retry_after: int | None = None


class Listening(Protocol):
    """Where a service listens, and the key that it asks for."""

    @property
    def host(self) -> str:
        """Name or address."""
        ...

    @property
    def port(self) -> int:
        """TCP port."""
        ...

    @property
    def token(self) -> str:
        """Sent as ``X-API-Key``."""
        ...


class Client:
    """Keep-alive connections to one service, as many as are needed at a time; HTTP/1.1 by hand."""

    def __init__(self, to: Listening) -> None:
        self._to = to
        self._free: list[_Connection] = []
        self.n_opened = 0

    async def send(self, method: str, path: str, body: bytes = b"", headers: Sequence[str] = ()) -> Answer:
        """Send a request on a free connection, or on a new one."""
        head = [f"{method} {path} HTTP/1.1", f"Host: {self._to.host}", f"X-API-Key: {self._to.token}", *headers]
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}", "", ""]
        started = time.perf_counter()
        try:
            while self._free and self._free[-1].is_closed:
                self._free.pop()
            connection = self._free.pop() if self._free else await self._opened()
            status, raw, answer = await asyncio.wait_for(
                connection.exchange("\r\n".join(head).encode() + body), _ANSWER_SECONDS
            )
        except (OSError, TimeoutError):
            return Answer(GONE, time.perf_counter() - started)
        if not connection.is_closed:
            self._free.append(connection)
        return Answer(status, time.perf_counter() - started, answer, _retry_after(raw))

    def close(self) -> None:
        """Close every connection that is free."""
        for connection in self._free:
            connection.close()
        self._free.clear()

    async def _opened(self) -> _Connection:
        self.n_opened += 1
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, self._to.host, self._to.port)
        return connection


class _Connection(asyncio.Protocol):
    """One request at a time, answered with a Content-Length."""

    def __init__(self) -> None:
        self.is_closed = False
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._answer: asyncio.Future[tuple[int, bytes, bytes]] | None = None

    async def exchange(self, request: bytes) -> tuple[int, bytes, bytes]:
        """Status, head and body of the answer to a request."""
        if self._transport is None or self.is_closed:
            raise ConnectionResetError
        self._received.clear()
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's transports are no subclass

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0 or self._answer is None or self._answer.done():
            return
        head = bytes(self._received[:end]).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(self._received) - end - 4 >= length:
            self._answer.set_result((int(head.split(b" ", 2)[1]), head, bytes(self._received[end + 4 :])))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())


def _retry_after(head: bytes) -> int | None:
    value = head.partition(b"retry-after:")[2].split(b"\r\n")[0].strip()
    return int(value) if value else None


@dataclass(slots=True)
class Sent:
    """What an open loop sent, and how late it was with it (seconds)."""

    answers: list[Answer] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    seconds: float = 0.0


async def closed_loop(
    client: Client, body: Callable[[], bytes], *, connections: int, seconds: float, path: str = SUGGEST
) -> Sent:
    """Suggestions, each connection sending the next when it has its answer; after a refusal, when it is told to."""
    sent = Sent()
    started = time.perf_counter()
    until = started + seconds

    async def one() -> None:
        while time.perf_counter() < until:
            answer = await client.send("POST", path, body())
            sent.answers.append(answer)
            if answer.retry_after is not None:
                await asyncio.sleep(min(answer.retry_after, max(0.0, until - time.perf_counter())))

    await asyncio.gather(*(one() for _ in range(connections)))
    sent.seconds = time.perf_counter() - started
    return sent


async def open_loop(
    client: Client, body: Callable[[], bytes], *, per_second: float, seconds: float, path: str = SUGGEST
) -> Sent:
    """Suggestions at a steady rate, whatever becomes of them."""
    sent = Sent()
    started = time.perf_counter()
    n_due, asking = int(per_second * seconds), set()

    async def one() -> None:
        sent.answers.append(await client.send("POST", path, body()))

    for number in range(n_due):
        due = started + number / per_second
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        sent.late.append(max(0.0, time.perf_counter() - due))
        task = asyncio.ensure_future(one())
        asking.add(task)
        task.add_done_callback(asking.discard)
    sent.seconds = time.perf_counter() - started
    await asyncio.gather(*asking)
    return sent
