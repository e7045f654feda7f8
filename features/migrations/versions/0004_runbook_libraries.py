"""Libraries of runbooks: each is imported, and cleared of what is gone, by itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("runbooks", sa.Column("library", sa.String(), nullable=False, server_default="main"))
