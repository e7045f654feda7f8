"""Alembic's entry point: runs the migrations on the connection that :func:`features.migrations.upgrade` gives."""

from __future__ import annotations

from alembic import context

from features.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite changes a column only by copying the table.
    render_as_batch=True,
)
context.run_migrations()
