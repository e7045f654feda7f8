"""The worker process of ``precedent serve``: uvicorn on a socket that the supervisor bound."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from serving.process import prepare_environment
from serving.tls import Certificate, certificate

APP = "serving.service:app"
_KEEP_ALIVE_SECONDS = 30
# How long a thread that computes may keep Python from the one that answers; 5 ms otherwise, several times a request.
_SWITCH_SECONDS = 0.0005


def main() -> None:
    """Serve until told to stop, or until the supervisor is gone."""
    parser = argparse.ArgumentParser(prog="serving.worker", description=__doc__)
    parser.add_argument("--socket", type=int, required=True, help="File descriptor of the listening socket.")
    parser.add_argument("--supervisor", type=int, required=True, help="File descriptor that ends with the supervisor.")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--graceful-seconds", type=float, required=True)
    parser.add_argument("--tls-cert", type=Path)
    parser.add_argument("--tls-key", type=Path)
    arguments = parser.parse_args()
    prepare_environment()
    os.environ["PRECEDENT_WORKSPACE"] = str(arguments.workspace)
    sys.setswitchinterval(_SWITCH_SECONDS)
    threading.Thread(target=_end_with, args=(arguments.supervisor,), daemon=True).start()
    _serve(
        socket.socket(fileno=arguments.socket),
        certificate(arguments.tls_cert, arguments.tls_key),
        arguments.graceful_seconds,
    )


def _end_with(descriptor: int) -> None:
    """Stop in good order when the other end of a pipe closes, however its process ended."""
    os.read(descriptor, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _serve(listening: socket.socket, tls: Certificate | None, graceful_seconds: float) -> None:
    import uvicorn

    from serving.protocol import BoundedHttp

    config = uvicorn.Config(
        APP,
        loop="uvloop",
        http=BoundedHttp,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=round(graceful_seconds),
        ssl_context_factory=None if tls is None else lambda _config, _default: tls.context(),
    )
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
