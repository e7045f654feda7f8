"""What the tables promise to whoever trains on them."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import DateTime, Table

from features.schema import HEAD_REVISION, UtcDateTime, messages, metadata, outcomes, tickets, tombstones
from features.ticket import Message, Outcome, Ticket

TABLES = list(metadata.tables.values())


def names(of: type) -> set[str]:
    return {field.name for field in dataclasses.fields(of)}


def test_the_ticket_and_what_came_later_are_apart() -> None:
    assert names(Ticket) - {"messages"} <= set(tickets.columns.keys())
    assert names(Outcome) <= set(outcomes.columns.keys())
    assert not names(Outcome) & set(tickets.columns.keys())
    assert not names(Ticket) & set(outcomes.columns.keys())


def test_messages_keep_who_wrote_and_when() -> None:
    assert len(names(Message)) + len({"row_id", "position"}) == len(messages.columns)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_time_is_in_utc(table: Table) -> None:
    times = [column for column in table.columns if isinstance(column.type, DateTime)]
    assert times == []
    utc = [column for column in table.columns if column.name == "at" or column.name.endswith("_at")]
    assert all(isinstance(column.type, UtcDateTime) for column in utc)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_what_belongs_to_a_ticket_goes_with_it(table: Table) -> None:
    for key in table.foreign_keys:
        assert key.ondelete == "CASCADE"
        assert key.parent.primary_key


def test_a_tombstone_has_no_words() -> None:
    assert {column.name for column in tombstones.columns} == {"row_id", "change", "erased_at"}


def test_the_newest_migration_is_the_one_that_opening_looks_for() -> None:
    config = Config()
    config.set_main_option("script_location", "features:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD_REVISION]


def test_a_time_goes_in_and_out_in_utc() -> None:
    kind = UtcDateTime()
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert kind.process_result_value(now.replace(tzinfo=None), None) == now  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="without a time zone cannot be stored"):
        kind.process_bind_param(now.replace(tzinfo=None), None)  # type: ignore[arg-type]
