"""An upgrade without downtime: the version before and the next one at work on one history, on every database."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from features.errors import HistoryUnavailable
from features.history import History
from features.schema import HEAD_REVISION, OLDEST_PROGRAM

ROOT = Path(__file__).parents[2]
NEXT_REVISION = f"{int(HEAD_REVISION) + 1:04d}"
SECONDS = 60.0

# The version to come: a table, columns and an index more.
MIGRATION = f'''
import sqlalchemy as sa
from alembic import op

revision = "{NEXT_REVISION}"
down_revision = "{HEAD_REVISION}"


def upgrade():
    op.create_table("watchers", sa.Column("row_id", sa.BigInteger(), primary_key=True), sa.Column("who", sa.String()))
    op.add_column("tickets", sa.Column("region", sa.String()))
    op.add_column("outcomes", sa.Column("n_reopened", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_tickets_region", "tickets", ["region"])
'''

# Stores a case after the other, reads each again, and tells which it was, until its input ends.
WRITER = """
import os, select, sys
from features.history import History
from features.ticket import Case, Ticket

history = History.open(sys.argv[1])
number = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    id = f"{sys.argv[2]}-{number}"
    history.upsert([Case(ticket=Ticket(id=id, subject="Login fails"))], masking_rules="1")
    assert history.case(id) is not None
    assert history.changes_since(history.last_change() - 1, 10) is not None
    print(id, flush=True)
    number += 1
history.close()
"""


class Writer:
    """A process of one version that stores cases; ``stored`` are those that it acknowledged."""

    def __init__(self, process: subprocess.Popen[str], acknowledged: Path) -> None:
        self.process = process
        self._acknowledged = acknowledged

    @property
    def stored(self) -> set[str]:
        return set(self._acknowledged.read_text().split())

    def goes_on(self, n: int = 5) -> None:
        """Wait until it has stored more."""
        before, deadline = len(self.stored), time.monotonic() + SECONDS
        while len(self.stored) < before + n:
            assert self.process.poll() is None, "it ended"
            assert time.monotonic() < deadline, "it stands still"
            time.sleep(0.01)


@contextmanager
def writer(url: str, name: str, version: Path, folder: Path) -> Iterator[Writer]:
    with (folder / name).open("w") as acknowledged:
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, url, name],
            cwd=version,
            env={**os.environ, "PYTHONPATH": str(version)},
            stdin=subprocess.PIPE,
            stdout=acknowledged,
            text=True,
        )
    try:
        yield Writer(process, folder / name)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            assert process.wait(SECONDS) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            raise


@pytest.fixture
def next_version(tmp_path: Path) -> Path:
    """A checkout of the version to come."""
    folder = tmp_path / "next"
    shutil.copytree(ROOT / "features", folder / "features", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "features" / "migrations" / "versions" / f"{NEXT_REVISION}_next.py").write_text(MIGRATION)
    _set(folder, "HEAD_REVISION", NEXT_REVISION)
    return folder


def _set(version: Path, constant: str, value: str) -> None:
    schema = version / "features" / "schema.py"
    text, n = re.subn(rf'^{constant} = "\d+"$', f'{constant} = "{value}"', schema.read_text(), flags=re.MULTILINE)
    assert n == 1
    schema.write_text(text)


def revision(url: str) -> str:
    history = History.open(url)
    with history.reading() as connection:
        found: str = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one()
    history.close()
    return found


@pytest.mark.slow
def test_old_and_new_work_side_by_side_and_the_old_may_start_again(
    url: str, next_version: Path, tmp_path: Path
) -> None:
    with writer(url, "old", ROOT, tmp_path) as old:
        old.goes_on()
        assert revision(url) == HEAD_REVISION
        with writer(url, "new", next_version, tmp_path) as new:
            new.goes_on()
            old.goes_on()
            assert revision(url) == NEXT_REVISION
            with writer(url, "old-again", ROOT, tmp_path) as again:
                for each in (again, old, new):
                    each.goes_on()
    acknowledged = old.stored | new.stored | again.stored
    history = History.open(url)
    assert {stored.case.ticket.id for stored in history.iter_cases()} == acknowledged
    assert history.last_change() == len(acknowledged), "no change number was given twice or left out"
    history.close()


def _migrate(url: str, version: Path) -> None:
    code = "import sys; from features.history import History; History.open(sys.argv[1]).close()"
    subprocess.run(
        [sys.executable, "-c", code, url], cwd=version, env={**os.environ, "PYTHONPATH": str(version)}, check=True
    )


def test_one_that_the_new_schema_has_no_room_for_is_told_so(url: str, next_version: Path) -> None:
    _set(next_version, "OLDEST_PROGRAM", NEXT_REVISION)
    _migrate(url, next_version)
    with pytest.raises(HistoryUnavailable, match=rf"has schema '{NEXT_REVISION}', which this version does not know"):
        History.open(url)


# What the migrations of this repository promise to the programs before them


def broken(before: sa.MetaData, after: sa.MetaData) -> list[str]:
    """What a program that knows the tables before would miss, or cannot leave out, in those after."""
    found = []
    for name, table in before.tables.items():
        if name not in after.tables:
            found.append(f"{name} is gone")
            continue
        columns = after.tables[name].columns
        found += [f"{name}.{column.name} is gone" for column in table.columns if column.name not in columns]
        found += [
            f"{name}.{column.name} must be given"
            for column in columns
            if column.name not in table.columns and not column.nullable and column.server_default is None
        ]
        found += [
            f"{name}.{column.name} is no longer {column.type}"
            for column in table.columns
            if column.name in columns
            and (str(columns[column.name].type), columns[column.name].nullable) != (str(column.type), column.nullable)
        ]
    return found


def reflected(engine: sa.Engine) -> sa.MetaData:
    metadata = sa.MetaData()
    metadata.reflect(engine)
    return metadata


def test_migrations_leave_older_programs_what_they_know(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/history.db")
    config = Config()
    config.set_main_option("script_location", "features:migrations")
    scripts = list(reversed(list(ScriptDirectory.from_config(config).walk_revisions())))
    known: dict[str, sa.MetaData] = {}
    for script in scripts:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, script.revision)
        known[script.revision] = reflected(engine)
    assert OLDEST_PROGRAM in known
    for number, metadata in known.items():
        if number >= OLDEST_PROGRAM:
            assert broken(metadata, known[HEAD_REVISION]) == [], f"raise OLDEST_PROGRAM above {number}"
    engine.dispose()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DROP TABLE runbook_sections", ["runbook_sections is gone"]),
        ("ALTER TABLE tickets DROP COLUMN channel", ["tickets.channel is gone"]),
        ("ALTER TABLE tickets RENAME COLUMN channel TO via", ["tickets.channel is gone"]),
        ("ALTER TABLE tickets ADD COLUMN region VARCHAR", []),
        ("ALTER TABLE tickets ADD COLUMN region VARCHAR NOT NULL DEFAULT ''", []),
        ("CREATE TABLE watchers (row_id INTEGER NOT NULL)", []),
    ],
)
def test_what_would_break_an_older_program_is_seen(tmp_path: Path, change: str, said: list[str]) -> None:
    history = History.open(f"sqlite:///{tmp_path}/history.db")
    before = reflected(history.engine)
    with history.writing() as connection:
        connection.execute(sa.text(change))
    assert broken(before, reflected(history.engine)) == said
    history.close()
