"""``precedent keys create|list|revoke``."""

from __future__ import annotations

import click


@click.group("keys")
def keys_group() -> None:
    """Who may call the service. A key is shown once, when it is made; only its hash is kept."""
