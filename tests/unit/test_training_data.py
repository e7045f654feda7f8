from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from features.encoder import HashingEncoder
from features.errors import NotEnoughData
from features.history import History
from features.ticket import Case, Link, LinkType, Outcome, Severity, Ticket
from training.data import TrainingData, load_training_data

ENCODER = HashingEncoder()
AT = datetime(2026, 3, 1, tzinfo=UTC)


def case(number: int, **outcome: object) -> Case:
    ticket = Ticket(id=f"T-{number}", subject=f"export {number} fails", created_at=AT.replace(day=number + 1))
    return Case(ticket=ticket, outcome=Outcome(**outcome))


def loaded(path: Path, *cases: Case, **options: object) -> TrainingData:
    with closing(History.open(f"sqlite:///{path}")) as history:
        for one in cases:
            history.upsert([one], masking_rules="1")
        return load_training_data(history, ENCODER, **options)


def test_rows_and_labels_stand_side_by_side(tmp_path: Path):
    data = loaded(
        tmp_path / "h.db",
        case(0, category="exports", severity=Severity.SEV2, targets={"team": "data"}),
        case(1),
        case(2, targets={"area": "eu"}),
    )
    assert data.rows.categories == ("exports", None, None)
    assert data.rows.severities == (Severity.SEV2, None, None)
    assert data.rows.targets == {"area": (None, None, "eu"), "team": ("data", None, None)}
    assert [stored.case.id for stored in data.cases] == ["T-0", "T-1", "T-2"]
    assert [example.ticket.id for example in data.rows.examples] == ["T-0", "T-1", "T-2"]
    assert data.rows.labelled() == [0, 2]
    assert data.window == (AT, AT.replace(day=3))
    for example in data.rows.examples:
        assert np.array_equal(example.vector, ENCODER.encode([example.text.text])[0])


def test_an_empty_history_says_what_to_do(tmp_path: Path):
    with pytest.raises(NotEnoughData, match="holds no tickets: import some with 'precedent import tickets'"):
        loaded(tmp_path / "h.db")


def test_the_hash_tells_what_is_learned_from_and_not_how_it_came(tmp_path: Path):
    first = loaded(tmp_path / "1.db", case(0, category="a"), case(1, category="b"))
    # The same tickets, after a detour that leaves other change numbers.
    again = loaded(tmp_path / "2.db", case(0, category="x"), case(1, category="b"), case(0, category="a"))
    assert first.content_hash == again.content_hash
    assert first.last_change != again.last_change


@pytest.mark.parametrize(
    "changed",
    [
        case(0, category="b"),
        case(0, category="a", severity=Severity.SEV1),
        case(0, category="a", targets={"team": "data"}),
        replace(case(0, category="a"), links=(Link(LinkType.RELATED, "T-1"),)),
        replace(case(0, category="a"), ticket=replace(case(0).ticket, subject="import fails")),
        replace(case(0, category="a"), ticket=replace(case(0).ticket, product="api")),
        replace(case(0, category="a"), ticket=replace(case(0).ticket, created_at=AT.replace(hour=3))),
    ],
)
def test_the_hash_changes_with_whatever_is_learned_from(tmp_path: Path, changed: Case):
    before = loaded(tmp_path / "h.db", case(0, category="a"), case(1, category="b"))
    assert loaded(tmp_path / "h.db", changed).content_hash != before.content_hash


def test_progress_tells_done_and_total(tmp_path: Path):
    told: list[tuple[int, int]] = []
    loaded(tmp_path / "h.db", case(0), case(1), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (2, 2)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
