"""Tables of the history (SQLAlchemy Core), the same on SQLite and PostgreSQL.

What a ticket said when it was created (``tickets``) is apart from what came later (``outcomes``); DESIGN, decision 7.
The tables are made and changed by :mod:`features.migrations` only; a test holds both against each other. The journal's
and the keys' tables are here because they share the database; their code is in ``serving``.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

HEAD_REVISION = "0004"
"""The newest migration; known here so that opening a history that is current needs no Alembic."""

OLDEST_PROGRAM = "0001"
"""Programs of this revision and later work on a history of ``HEAD_REVISION``: what was added since, they may ignore.

Each migration keeps it so, or raises it: then no older program may be at work beside it (docs/operation.md).
"""

CHANGES = "changes"
ROWS = "rows"
RUNBOOKS = "runbooks"
"""Names of the counters in ``change_counter``."""
SCHEMA_FLOOR = "schema_floor"
"""Not a counter: the number of ``OLDEST_PROGRAM``, for programs that do not know the newest migration."""
MAIN_LIBRARY = "main"
"""Of runbooks that were imported without naming a library."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, stored in UTC and read back in UTC on every database.

    Raises
    ------
    ValueError
        If a datetime without a time zone is to be stored.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Turn to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A datetime without a time zone cannot be stored; give it one (datetime.astimezone).")
        return value if value.tzinfo is UTC else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give back the zone that SQLite does not keep."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# SQLite makes a primary key its row number only when the type is exactly INTEGER.
Number = BigInteger().with_variant(Integer(), "sqlite")
NullableJson = JSON(none_as_null=True)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _row_of(table: str, *, name: str = "row_id") -> Column[int]:
    return Column(name, Number, ForeignKey(f"{table}.row_id", ondelete="CASCADE"), primary_key=True)


def _audited() -> tuple[Column[int], Column[str], Index]:
    """Entry of the audit chain that vouches for a row, and the salt of the row's hash there; none in rows of before."""
    return Column("audit_seq", Number), Column("salt", String), Index(None, "audit_seq", unique=True)


change_counter = Table(
    "change_counter",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Number, nullable=False),
)

tickets = Table(
    "tickets",
    metadata,
    # Row numbers come from the counter "rows", so an erased one is never given out again.
    Column("row_id", Number, primary_key=True, autoincrement=False),
    Column("change", Number, nullable=False),
    Column("system", String, nullable=False),
    Column("id", String, nullable=False),
    Column("version", Number),
    Column("content_hash", LargeBinary(16), nullable=False),
    Column("masking_rules", String, nullable=False),
    Column("subject", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("created_at", UtcDateTime),
    Column("product", String),
    Column("customer", String),
    Column("customer_tier", String),
    Column("channel", String),
    Column("language", String),
    Column("access_group", String),
    Column("reporter", String),
    Column("fields", JSON, nullable=False),
    UniqueConstraint("system", "id"),
    Index(None, "change", unique=True),
    Index(None, "created_at"),
)

outcomes = Table(
    "outcomes",
    metadata,
    _row_of("tickets"),
    Column("status", String, nullable=False),
    Column("resolved_at", UtcDateTime),
    Column("category", String),
    Column("severity", String),
    Column("targets", JSON, nullable=False),
    Column("resolution", Text),
    Column("outcome", String, nullable=False),
    Column("url", String),
    Index(None, "status"),
)

messages = Table(
    "messages",
    metadata,
    _row_of("tickets"),
    Column("position", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("author", String, nullable=False),
    Column("text", Text, nullable=False),
)

links = Table(
    "links",
    metadata,
    _row_of("tickets", name="from_row"),
    Column("type", String, primary_key=True),
    # The id that the source uses: the other case may come later, or never.
    Column("to_id", String, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("created_change", Number, nullable=False),
    Index(None, "to_id"),
)

superseded = Table(
    "superseded",
    metadata,
    _row_of("tickets"),
    # Hash of what a later row of the same import file replaced (features/importing.py).
    Column("content_hash", LargeBinary(16), primary_key=True),
)

tombstones = Table(
    "tombstones",
    metadata,
    Column("row_id", Number, primary_key=True, autoincrement=False),
    Column("change", Number, nullable=False),
    Column("erased_at", UtcDateTime, nullable=False),
    Index(None, "change", unique=True),
)

vectors = Table(
    "vectors",
    metadata,
    Column("key", String, primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

vector_uses = Table(
    "vector_uses",
    metadata,
    _row_of("tickets"),
    Column("key", String, primary_key=True),
    Index(None, "key"),
)

runbooks = Table(
    "runbooks",
    metadata,
    Column("id", String, primary_key=True),
    Column("library", String, nullable=False, server_default=MAIN_LIBRARY),
    Column("content_hash", LargeBinary(16), nullable=False),
    Column("title", Text, nullable=False),
    Column("url", String),
    Column("services", JSON, nullable=False),
    Column("owner", String),
    Column("severity", String),
    Column("last_reviewed", Date),
    Column("tags", JSON, nullable=False),
    Column("links", JSON, nullable=False),
)

runbook_sections = Table(
    "runbook_sections",
    metadata,
    Column("runbook_id", String, ForeignKey("runbooks.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("heading", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("anchor", String, nullable=False),
)

journal_suggestions = Table(
    "journal_suggestions",
    metadata,
    Column("request_id", String, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("key_id", String),
    Column("release", String),
    Column("ticket_id", String),
    Column("ticket_system", String, nullable=False),
    Column("change_watermark", Number),
    Column("model_text_sha", String),
    Column("ticket", JSON, nullable=False),
    Column("answer", JSON, nullable=False),
    *_audited(),
    Index(None, "at"),
    Index(None, "ticket_system", "ticket_id"),
    Index(None, "model_text_sha"),
)

journal_feedback = Table(
    "journal_feedback",
    metadata,
    Column("id", Number, primary_key=True),
    Column("request_id", String, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("key_id", String),
    Column("kind", String, nullable=False),
    Column("target", String),
    Column("ref_id", String),
    Column("value", String),
    Column("by_whom", String),
    *_audited(),
    Index(None, "request_id"),
    Index(None, "ref_id"),
)
SAID_IN_ORDER = (journal_feedback.c.at, journal_feedback.c.id)
"""Feedback in the order in which it was said, which may not be the one in which it came."""

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", String, primary_key=True),
    Column("secret_sha256", String, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("label", String, nullable=False),
    Column("groups", NullableJson),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    # Hashes, of which features/idempotency.py says what they are of.
    Column("name", String, primary_key=True),
    Column("fingerprint", String, nullable=False),
    Column("change", Number),
    Column("at", UtcDateTime, nullable=False),
    Index(None, "at"),
)

audit_chain = Table(
    "audit_chain",
    metadata,
    # Numbers without a gap, given out under the lock on the head.
    Column("seq", Number, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String, nullable=False),
    Column("actor", String),
    # Text, because its very bytes are hashed.
    Column("payload", Text, nullable=False),
    Column("previous", String, nullable=False),
    Column("hash", String, nullable=False),
)

# One row: the newest entry, and the last one that retention removed.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Number, nullable=False),
    Column("hash", String, nullable=False),
    Column("base_seq", Number, nullable=False),
    Column("base_hash", String, nullable=False),
)
