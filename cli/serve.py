"""``precedent serve``."""

from __future__ import annotations

from pathlib import Path

import click

from cli.common import json_option, print_json, say, workspace_option


@click.command()
@click.option("--host", default=None, help="Address to listen on (default: 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Port (default: 8440; 0: any free one).")
@workspace_option
@json_option
def serve(host: str | None, port: int | None, workspace: Path | None, as_json: bool) -> int:
    """Answer the ticketing system over HTTP until stopped; a worker that dies is replaced at once."""
    from features.settings import load_settings
    from serving.supervise import supervise

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
        on_ready=ready,
    )
