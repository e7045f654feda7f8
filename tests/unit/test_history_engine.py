from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from features.errors import HistoryUnavailable, SettingsInvalid
from features.history import History
from features.ticket import Case, Ticket


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("history.db", "database_url is not a URL"),
        ("mysql://host/name", "cannot be kept in 'mysql'"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
    ],
)
def test_a_wrong_url_says_what_is_right(url: str, match: str) -> None:
    with pytest.raises(SettingsInvalid, match=match):
        History.open(url)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_server_that_does_not_answer(scheme: str) -> None:
    with pytest.raises(HistoryUnavailable, match="does not answer") as caught:
        History.open(f"{scheme}://user:hush-hush@127.0.0.1:1/name")
    assert "hush-hush" not in str(caught.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(b"id,subject\n" * 500)
    with pytest.raises(HistoryUnavailable, match=r"history\.db does not answer \(file is not a database\)"):
        History.open(f"sqlite:///{path}")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HistoryUnavailable, match=r"cannot be made .*check that its folder may be written"):
        History.open(f"sqlite:///{tmp_path}/file/history.db")


def test_sqlite_is_set_up_to_be_safe(tmp_path: Path) -> None:
    history = History.open(f"sqlite:///{tmp_path}/deep/er/history.db")
    with history.reading() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")
        }
    history.close()
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "busy_timeout": 10_000,
    }


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    history = History.open(f"sqlite:///{path}")
    history.upsert([Case(ticket=Ticket(id="1"))], masking_rules="1")
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    history.close()
    assert modes == dict.fromkeys(("history.db", "history.db-wal", "history.db-shm"), 0o600)


def test_erased_words_are_not_left_in_any_file(tmp_path: Path) -> None:
    marker = "marmot-in-the-invoice"
    history = History.open(f"sqlite:///{tmp_path}/history.db")
    other = History.open(f"sqlite:///{tmp_path}/history.db")  # while it is open, the log stays
    cases = [Case(ticket=Ticket(id=f"{i}", description=f"other {i} " * 400)) for i in range(50)]
    cases.append(Case(ticket=Ticket(id="gone", subject=marker, description=f"{marker} " * 2000)))
    history.upsert(cases, masking_rules="1")
    history.upsert([Case(ticket=Ticket(id="gone", subject=marker, description=f"{marker} shorter"))], masking_rules="1")
    assert any(marker.encode() in path.read_bytes() for path in tmp_path.iterdir())
    history.erase("gone")
    assert not any(marker.encode() in path.read_bytes() for path in tmp_path.iterdir())
    assert other.count().tickets == 50
    history.close()
    other.close()


def test_an_erasure_does_not_wait_for_a_reader(tmp_path: Path) -> None:
    history = History.open(f"sqlite:///{tmp_path}/history.db")
    history.upsert([Case(ticket=Ticket(id="1"))], masking_rules="1")
    with history.reading() as connection:
        connection.exec_driver_sql("SELECT * FROM tickets").all()
        history.erase("1")
    assert history.case("1") is None
    history.close()


def test_a_history_that_is_current_opens_without_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/history.db"
    History.open(url).close()
    code = (
        "import sys; from features.history import History; "
        f"History.open({url!r}).close(); "
        "sys.exit(any(name in sys.modules for name in ('alembic', 'markdown_it', 'yaml')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0


def test_a_half_made_history_is_made_whole(tmp_path: Path) -> None:
    """Tables come in one transaction: a process that dies while making them leaves an empty database."""
    path = tmp_path / "history.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    history = History.open(f"sqlite:///{path}")
    assert history.count().tickets == 0
    history.close()
