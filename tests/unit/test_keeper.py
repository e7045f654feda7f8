import json
import logging
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from features.audit_check import verify
from features.history import History
from features.schema import journal_feedback
from features.settings import JournalSettings
from serving.keeper import Keeper
from serving.logs import JsonFormatter


def old_feedback(history: History) -> None:
    at = datetime.now(UTC) - timedelta(days=20)
    with history.writing() as connection:
        connection.execute(insert(journal_feedback).values(request_id="r", at=at, kind="wrong"))


@pytest.mark.parametrize(("days", "n_left"), [(None, 1), (30, 1), (10, 0)])
def test_what_is_older_than_the_setting_goes(tmp_path: Path, days: int | None, n_left: int):
    with closing(History.open(f"sqlite:///{tmp_path / 'history.db'}")) as history:
        old_feedback(history)
        Keeper(history, JournalSettings(retention_days=days)).keep()
        with history.reading() as connection:
            assert len(connection.execute(select(journal_feedback)).all()) == n_left


def test_the_head_is_told_to_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with closing(History.open(f"sqlite:///{tmp_path / 'history.db'}")) as history, caplog.at_level(logging.INFO):
        Keeper(history, JournalSettings()).keep()
        (record,) = caplog.records
        line = json.loads(JsonFormatter().format(record))
        report = verify(history)
        assert (line["message"], line["head"]) == ("audit head", f"{report.head_seq}:{report.head_hash}")


def test_it_stops_at_once(tmp_path: Path):
    with closing(History.open(f"sqlite:///{tmp_path / 'history.db'}")) as history:
        keeper = Keeper(history, JournalSettings())
        keeper.start()
        keeper.stop()
        assert not keeper._thread.is_alive()
