"""The audit chain over journal, keys, erasures and promotions."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
JOURNAL = ("journal_suggestions", "journal_feedback")
NOTHING = "0" * 64


def upgrade() -> None:
    for table in JOURNAL:
        op.add_column(table, sa.Column("audit_seq", NUMBER))
        op.add_column(table, sa.Column("salt", sa.String()))
        op.create_index(f"ix_{table}_audit_seq", table, ["audit_seq"], unique=True)
    chain = op.create_table(
        "audit_chain",
        sa.Column("seq", NUMBER, nullable=False, autoincrement=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("actor", sa.String()),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit_chain"),
    )
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("seq", NUMBER, nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("base_seq", NUMBER, nullable=False),
        sa.Column("base_hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
    )
    first = start()
    op.bulk_insert(chain, [first])
    op.bulk_insert(head, [{"id": 1, "seq": 1, "hash": first["hash"], "base_seq": 0, "base_hash": NOTHING}])


def start() -> dict[str, object]:
    """The first entry: how many rows the journal held that no entry vouches for."""
    connection = op.get_bind()
    n_rows = sum(connection.scalar(sa.select(sa.func.count()).select_from(sa.table(table))) or 0 for table in JOURNAL)
    at = datetime.now(UTC)
    payload = f'{{"unchained":{n_rows}}}'
    hashed = ["precedent-audit-1", "1", at.isoformat(timespec="microseconds"), "start", "", NOTHING, payload]
    digest = hashlib.sha256("\n".join(hashed).encode()).hexdigest()
    return {
        "seq": 1,
        "at": at,
        "kind": "start",
        "actor": None,
        "payload": payload,
        "previous": NOTHING,
        "hash": digest,
    }
