from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from features.errors import HistoryUnavailable, SettingsInvalid
from features.history import History
from features.history_engine import IMPATIENT
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


# --- a history that goes away ---


@pytest.mark.parametrize("how", ["moved", "removed", "replaced"])
def test_nothing_is_stored_into_a_file_that_is_not_there_any_more(tmp_path: Path, how: str) -> None:
    """SQLite itself goes on with the file that it opened, and says that it stored what nobody will find."""
    path, away = tmp_path / "history.db", tmp_path / "away.db"
    with closing(History.open(f"sqlite:///{path}")) as history:
        history.upsert([Case(ticket=Ticket(id="1"))], masking_rules="1")
        path.rename(away)
        if how == "removed":
            away.unlink()
        elif how == "replaced":
            History.open(f"sqlite:///{path}").close()
        for ask in (history.last_change, lambda: history.upsert([Case(ticket=Ticket(id="2"))], masking_rules="1")):
            with pytest.raises(HistoryUnavailable, match=r"history\.db was moved, removed or replaced .*: put it back"):
                ask()
        assert path.exists() is (how == "replaced"), "no empty history is made in its place"
        if how == "moved":
            away.rename(path)
            assert history.upsert([Case(ticket=Ticket(id="2"))], masking_rules="1").inserted == 1
            assert history.count().tickets == 2


def test_a_write_during_which_the_file_goes_is_not_said_to_be_stored(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with closing(History.open(f"sqlite:///{path}")) as history:

        def write() -> None:
            with history.writing() as connection:
                connection.exec_driver_sql("UPDATE change_counter SET value = value")
                path.rename(tmp_path / "away.db")

        with pytest.raises(HistoryUnavailable, match="was moved"):
            write()
        (tmp_path / "away.db").rename(path)
        assert history.last_change() == 0


@contextmanager
def locked_by_another_process(path: Path) -> Iterator[None]:
    """Not even readers get in."""
    code = (
        f"import sqlite3; c = sqlite3.connect({str(path)!r}, isolation_level=None, timeout=10); "
        "c.execute('PRAGMA locking_mode = EXCLUSIVE'); c.execute('BEGIN EXCLUSIVE'); print('locked', flush=True); "
        "input()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        try:
            yield
        finally:
            process.kill()


def test_the_impatient_ask_a_locked_history_once_and_then_go_without(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    History.open(f"sqlite:///{path}").close()  # the last one to close removes the log, and with it every lock
    with closing(History.open(f"sqlite:///{path}", IMPATIENT)) as history:
        history.engine.dispose()
        asked = []
        event.listen(history.engine, "do_connect", lambda *_: asked.append(True))
        with locked_by_another_process(path):
            with pytest.raises(HistoryUnavailable, match="locked"):
                history.last_change()
            assert not history.is_answering
            n_asked = len(asked)
            with pytest.raises(HistoryUnavailable, match="locked"):
                history.last_change()
            assert len(asked) == n_asked
        time.sleep(IMPATIENT.rest_seconds)
        assert history.last_change() == 0
        assert history.is_answering
