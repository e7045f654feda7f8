"""The supervisor of ``precedent serve``: binds the socket, keeps one worker on it, and starts the next when it dies.

The socket stays open meanwhile, so that clients wait a moment instead of being refused. Nothing heavy is imported here.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from types import FrameType

from features.errors import Conflict, NoRelease, Unavailable
from features.settings import Settings
from serving.logs import log, set_up
from serving.process import prepare_environment
from serving.tls import Certificate, own_client

logger = logging.getLogger("precedent.supervise")

_TICK_SECONDS = 0.05
_PROBE_SECONDS = 0.1
_GRACE_SECONDS = 5.0
_LONGEST_BACKOFF_SECONDS = 30.0
_BACKLOG = 2048


def supervise(
    settings: Settings, *, host: str, port: int, certificate: Certificate | None, on_ready: Callable[[str], None]
) -> int:
    """Serve until SIGTERM or SIGINT.

    Parameters
    ----------
    port : int
        0 takes any free one.
    certificate : Certificate or None
        For TLS; each worker reads its files anew.
    on_ready : callable
        Told the URL once suggestions can be answered.

    Returns
    -------
    int
        0 after a stop that was asked for.

    Raises
    ------
    NoRelease
        If nothing is promoted in the workspace.
    SettingsInvalid
        If the certificate cannot be used.
    Conflict
        If the address cannot be listened on.
    Unavailable
        If the first worker ends before it answers.
    """
    if not (settings.releases_dir / "CURRENT").exists():
        raise NoRelease(
            f"No release is promoted in {settings.workspace}; run `precedent train` and then `precedent promote`."
        )
    if certificate is not None:
        certificate.context()
    prepare_environment()
    set_up(settings.log_level)
    with _listen(host, port) as listening:
        return _Supervisor(settings, listening, certificate, on_ready).run()


class _Supervisor:
    """One worker after another on one socket."""

    def __init__(
        self,
        settings: Settings,
        listening: socket.socket,
        certificate: Certificate | None,
        on_ready: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._listening = listening
        self._certificate = certificate
        self._on_ready = on_ready
        self._graceful_seconds = settings.service.timeout_seconds
        self._is_stopping = False
        self._was_ready = False
        self._n_deaths = 0
        # Never written to: the worker's end tells it when this process is gone, even by SIGKILL.
        self._life, self._keep = os.pipe()

    def run(self) -> int:
        """Keep a worker until told to stop."""
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            while not self._is_stopping:
                self._watch(self._start())
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._life)
            os.close(self._keep)
        return 0

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        log(logger, logging.INFO, "stopping", signal=signal.Signals(number).name)
        self._is_stopping = True

    def _start(self) -> subprocess.Popen[bytes]:
        descriptors = (self._listening.fileno(), self._life)
        command = [sys.executable, "-m", "serving.worker"]
        command += ["--socket", str(descriptors[0]), "--supervisor", str(descriptors[1])]
        command += ["--workspace", str(self._settings.workspace.resolve())]
        command += ["--graceful-seconds", str(self._graceful_seconds)]
        if self._certificate is not None:
            command += ["--tls-cert", str(self._certificate.cert), "--tls-key", str(self._certificate.key)]
        # A session of its own: Ctrl-C on a terminal reaches the supervisor alone, which then stops the worker once.
        return subprocess.Popen(command, pass_fds=descriptors, start_new_session=True)  # noqa: S603

    def _watch(self, worker: subprocess.Popen[bytes]) -> None:
        is_ready = False
        try:
            while worker.poll() is None and not self._is_stopping:
                if not is_ready and (is_ready := self._answers()):
                    self._tell_ready()
                time.sleep(_TICK_SECONDS if is_ready else _PROBE_SECONDS)
        finally:
            if worker.poll() is None:
                self._stop(worker)
        if not self._is_stopping:
            self._bury(worker, was_ready=is_ready)

    def _tell_ready(self) -> None:
        if not self._was_ready:
            self._was_ready = True
            self._on_ready(_url(self._listening, "http" if self._certificate is None else "https"))

    def _stop(self, worker: subprocess.Popen[bytes]) -> None:
        worker.terminate()
        try:
            worker.wait(self._graceful_seconds + _GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()

    def _bury(self, worker: subprocess.Popen[bytes], *, was_ready: bool) -> None:
        if not self._was_ready and self._n_deaths == 0 and worker.returncode > 0:
            raise Unavailable(
                f"The service's worker ended with code {worker.returncode} before it was ready; the lines above say "
                "why, and `precedent doctor` what to mend."
            )
        # One that answered is replaced at once, however often: that does some good, and its start takes seconds anyway.
        self._n_deaths = 1 if was_ready else self._n_deaths + 1
        pause = 0.0 if self._n_deaths == 1 else min(0.5 * 2 ** (self._n_deaths - 2), _LONGEST_BACKOFF_SECONDS)
        log(logger, logging.ERROR, "worker ended", code=worker.returncode, next_in_seconds=pause)
        until = time.monotonic() + pause
        while time.monotonic() < until and not self._is_stopping:
            time.sleep(_TICK_SECONDS)

    def _answers(self) -> bool:
        """Whether the worker says that it is ready; asked the way that everybody asks."""
        try:
            with self._connected() as connection:
                connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return connection.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    def _connected(self) -> socket.socket:
        connection = socket.create_connection(self._listening.getsockname()[:2], timeout=1.0)
        if self._certificate is None:
            return connection
        return own_client().wrap_socket(connection)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise Conflict(
            f"Nothing can listen at {host}:{port} ({error.strerror or error}); stop what listens there already, or "
            "choose another address with --host and --port."
        ) from None
    return listening


def _url(listening: socket.socket, scheme: str) -> str:
    host, port = listening.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  what may be called, not bound
    return f"{scheme}://[{shown}]:{port}" if ":" in shown else f"{scheme}://{shown}:{port}"
