"""Tickets, outcomes, links, vectors, runbooks, journal, keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    make_counter()
    make_tickets()
    make_ticket_parts()
    make_vectors()
    make_runbooks()
    make_journal()


def row_of(table: str, name: str = "row_id") -> sa.Column[int]:
    key = sa.ForeignKey("tickets.row_id", name=f"fk_{table}_{name}", ondelete="CASCADE")
    return sa.Column(name, NUMBER, key, nullable=False)


def make_counter() -> None:
    counter = op.create_table(
        "change_counter",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_change_counter"),
    )
    op.bulk_insert(counter, [{"name": name, "value": 0} for name in ("changes", "rows", "runbooks")])


def make_tickets() -> None:
    op.create_table(
        "tickets",
        sa.Column("row_id", NUMBER, nullable=False, autoincrement=False),
        sa.Column("change", NUMBER, nullable=False),
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("version", NUMBER),
        sa.Column("content_hash", sa.LargeBinary(16), nullable=False),
        sa.Column("masking_rules", sa.String(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_at", TIME),
        sa.Column("product", sa.String()),
        sa.Column("customer", sa.String()),
        sa.Column("customer_tier", sa.String()),
        sa.Column("channel", sa.String()),
        sa.Column("language", sa.String()),
        sa.Column("access_group", sa.String()),
        sa.Column("reporter", sa.String()),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("row_id", name="pk_tickets"),
        sa.UniqueConstraint("system", "id", name="uq_tickets_system_id"),
    )
    op.create_index("ix_tickets_change", "tickets", ["change"], unique=True)
    op.create_index("ix_tickets_created_at", "tickets", ["created_at"])
    op.create_table(
        "tombstones",
        sa.Column("row_id", NUMBER, nullable=False, autoincrement=False),
        sa.Column("change", NUMBER, nullable=False),
        sa.Column("erased_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("row_id", name="pk_tombstones"),
    )
    op.create_index("ix_tombstones_change", "tombstones", ["change"], unique=True)


def make_ticket_parts() -> None:
    op.create_table(
        "outcomes",
        row_of("outcomes"),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("resolved_at", TIME),
        sa.Column("category", sa.String()),
        sa.Column("severity", sa.String()),
        sa.Column("targets", sa.JSON(), nullable=False),
        sa.Column("resolution", sa.Text()),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("url", sa.String()),
        sa.PrimaryKeyConstraint("row_id", name="pk_outcomes"),
    )
    op.create_index("ix_outcomes_status", "outcomes", ["status"])
    op.create_table(
        "messages",
        row_of("messages"),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("row_id", "position", name="pk_messages"),
    )
    op.create_table(
        "links",
        row_of("links", "from_row"),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("to_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("created_change", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("from_row", "type", "to_id", name="pk_links"),
    )
    op.create_index("ix_links_to_id", "links", ["to_id"])
    op.create_table(
        "superseded",
        row_of("superseded"),
        sa.Column("content_hash", sa.LargeBinary(16), nullable=False),
        sa.PrimaryKeyConstraint("row_id", "content_hash", name="pk_superseded"),
    )


def make_vectors() -> None:
    op.create_table(
        "vectors",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_vectors"),
    )
    op.create_table(
        "vector_uses",
        row_of("vector_uses"),
        sa.Column("key", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("row_id", "key", name="pk_vector_uses"),
    )
    op.create_index("ix_vector_uses_key", "vector_uses", ["key"])


def make_runbooks() -> None:
    op.create_table(
        "runbooks",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(16), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("url", sa.String()),
        sa.Column("services", sa.JSON(), nullable=False),
        sa.Column("owner", sa.String()),
        sa.Column("severity", sa.String()),
        sa.Column("last_reviewed", sa.Date()),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("links", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_runbooks"),
    )
    op.create_table(
        "runbook_sections",
        sa.Column("runbook_id", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("heading", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("anchor", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("runbook_id", "position", name="pk_runbook_sections"),
        sa.ForeignKeyConstraint(
            ["runbook_id"], ["runbooks.id"], name="fk_runbook_sections_runbook_id", ondelete="CASCADE"
        ),
    )


def make_journal() -> None:
    op.create_table(
        "journal_suggestions",
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("key_id", sa.String()),
        sa.Column("release", sa.String()),
        sa.Column("ticket_id", sa.String()),
        sa.Column("ticket_system", sa.String(), nullable=False),
        sa.Column("change_watermark", NUMBER),
        sa.Column("model_text_sha", sa.String()),
        sa.Column("ticket", sa.JSON(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_journal_suggestions"),
    )
    op.create_index("ix_journal_suggestions_at", "journal_suggestions", ["at"])
    op.create_index(
        "ix_journal_suggestions_ticket_system_ticket_id", "journal_suggestions", ["ticket_system", "ticket_id"]
    )
    op.create_index("ix_journal_suggestions_model_text_sha", "journal_suggestions", ["model_text_sha"])
    op.create_table(
        "journal_feedback",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("key_id", sa.String()),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("target", sa.String()),
        sa.Column("ref_id", sa.String()),
        sa.Column("value", sa.String()),
        sa.Column("by_whom", sa.String()),
        sa.PrimaryKeyConstraint("id", name="pk_journal_feedback"),
    )
    op.create_index("ix_journal_feedback_request_id", "journal_feedback", ["request_id"])
    op.create_index("ix_journal_feedback_ref_id", "journal_feedback", ["ref_id"])
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("secret_sha256", sa.String(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("groups", sa.JSON()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME),
        sa.Column("revoked_at", TIME),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_keys"),
    )
