"""``precedent serve``."""

from __future__ import annotations

from pathlib import Path

import click

from cli.common import json_option, print_json, say, workspace_option

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--host", default=None, help="Address to listen on (default: 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Port (default: 8440; 0: any free one).")
@click.option("--tls-cert", type=_FILE, default=None, help="Certificate for TLS, with its chain, in PEM.")
@click.option("--tls-key", type=_FILE, default=None, help="The certificate's private key, in PEM, without a password.")
@workspace_option
@json_option
def serve(
    host: str | None,
    port: int | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    workspace: Path | None,
    as_json: bool,
) -> int:
    """Answer the ticketing system over HTTP until stopped; a worker that dies is replaced at once."""
    from features.settings import load_settings
    from serving.supervise import supervise
    from serving.tls import certificate

    settings = load_settings(workspace)

    def ready(url: str) -> None:
        if as_json:
            print_json({"url": url})
        else:
            say(f"Ready at {url}")

    return supervise(
        settings,
        host=host if host is not None else settings.service.host,
        port=port if port is not None else settings.service.port,
        certificate=certificate(tls_cert or settings.service.tls_cert, tls_key or settings.service.tls_key),
        on_ready=ready,
    )
