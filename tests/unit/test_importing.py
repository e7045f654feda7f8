from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from features.errors import SourceUnreadable, Unavailable
from features.history import History
from features.importing import ImportResult, import_tickets
from features.intake import Intake
from features.masking import Masker
from features.sources.base import RejectedRow, Row
from features.ticket import Case, Ticket

INTAKE = Intake(Masker(), b"k" * 32)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    history = History.open(f"sqlite:///{tmp_path}/history.db")
    yield history
    history.close()


def a_row(line: int, number: int | str | None = None, **changes: object) -> Row:
    ticket = Ticket(id=f"T-{line if number is None else number}", subject=f"Subject {line}")
    return Row(line, Case(ticket=replace(ticket, **changes)))


def run(rows: Iterable[Row | RejectedRow], history: History, tmp_path: Path, **options: Any) -> ImportResult:
    path = tmp_path / "rejects" / "one.jsonl"
    return import_tickets(rows, history, INTAKE, system="desk", rejects_path=path, **options)


def counts(result: ImportResult) -> tuple[int, int, int, int, int]:
    return result.read, result.inserted, result.updated, result.unchanged, result.rejected


def notes(result: ImportResult) -> list[dict[str, Any]]:
    assert result.rejects_path is not None
    return [json.loads(line) for line in result.rejects_path.read_text().splitlines()]


def test_importing_twice_changes_nothing(history: History, tmp_path: Path) -> None:
    rows = [a_row(line) for line in range(1, 24)]
    first = run(rows, history, tmp_path, batch=10)
    assert counts(first) == (23, 23, 0, 0, 0)
    assert first.rejects_path is None
    assert first.seconds > 0
    assert counts(run(rows, history, tmp_path, batch=10)) == (23, 0, 0, 23, 0)
    assert history.last_change() == 23
    assert {stored.case.system for stored in history.iter_cases()} == {"desk"}


def test_bad_rows_are_reported_and_stop_nothing(history: History, tmp_path: Path) -> None:
    rows = [
        a_row(1),
        RejectedRow(2, "T-2", "created_at", "created_at is '31/31/2026'; the mapping expects %d/%m/%Y."),
        a_row(3, id=None),
        a_row(4, subject="private words " * 200),
        RejectedRow(5, None, None, "not JSON"),
        a_row(6, id="x\ud800\n" * 500),
        a_row(7),
    ]
    result = run(rows, history, tmp_path)
    assert counts(result) == (7, 2, 0, 0, 5)
    found = notes(result)
    assert [(note["kind"], note["line"], note["id"], note["field"]) for note in found[:4]] == [
        ("rejected", 2, "T-2", "created_at"),
        ("rejected", 3, None, "id"),
        ("rejected", 4, "T-4", "subject"),
        ("rejected", 5, None, None),
    ]
    assert found[2]["reason"] == "subject has 2,800 characters, more than the 2,000 allowed; shorten it."
    assert len(found[4]["id"]) == 255
    assert result.rejects_path is not None
    assert "private" not in result.rejects_path.read_text()


def test_rejects_are_masked(history: History, tmp_path: Path) -> None:
    """Where a mapping is wrong, an id or a severity is what somebody wrote."""
    rows: list[Row | RejectedRow] = [
        RejectedRow(1, "ann@corp.example", "targets.bob@corp.example", "The severity 'ann@corp.example' is unknown."),
        a_row(2, number="\n+49 40 23125 118"),
        a_row(3, number="a\ud800\0" + "b" * 300),
    ]
    result = run(rows, history, tmp_path)
    first, second, third = notes(result)
    assert first == {
        "kind": "rejected",
        "line": 1,
        "id": "<EMAIL>",
        "field": "<EMAIL>",
        "reason": "The severity '<EMAIL>' is unknown.",
    }
    assert second["id"] == "T-\n<PHONE>"
    assert third["id"] == "T-a" + "b" * 252


def test_the_rejects_of_an_earlier_import_do_not_stay(history: History, tmp_path: Path) -> None:
    first = run([RejectedRow(1, None, None, "not JSON")], history, tmp_path)
    assert first.rejects_path is not None
    assert run([a_row(1)], history, tmp_path).rejects_path is None
    assert not first.rejects_path.exists()


def test_progress_counts_every_row(history: History, tmp_path: Path) -> None:
    steps: list[int] = []
    rows = [a_row(line) if line % 3 else RejectedRow(line, None, None, "bad") for line in range(1, 26)]
    run(rows, history, tmp_path, batch=10, progress=steps.append)
    assert steps == [10, 10, 5]


# --- an id that comes twice ---


@pytest.mark.parametrize("batch", [1, 2, 500])
def test_the_later_row_wins_and_is_reported(history: History, tmp_path: Path, batch: int) -> None:
    rows = [a_row(1, "A"), a_row(2, "B"), a_row(3, "A"), a_row(4, "B", subject="Subject 2")]
    result = run(rows, history, tmp_path, batch=batch)
    assert counts(result) == (4, 2, 1, 1, 0)
    assert result.warnings == 1
    assert notes(result) == [
        {
            "kind": "warning",
            "line": 3,
            "id": "T-A",
            "field": "id",
            "reason": "has the id of line 1 with other content, and replaced it",
        }
    ]
    stored = history.case("T-A", system="desk")
    assert stored is not None
    assert stored.case.ticket.subject == "Subject 3"


@pytest.mark.parametrize("batch", [1, 2, 500])
@pytest.mark.parametrize("numbers", ["AA", "AAA", "ABAB", "ABBAAB"])
def test_importing_a_file_with_repeats_twice_changes_nothing(
    history: History, tmp_path: Path, numbers: str, batch: int
) -> None:
    rows = [a_row(line, number) for line, number in enumerate(numbers, 1)]
    first = run(rows, history, tmp_path, batch=batch)
    change = history.last_change()
    again = run(rows, history, tmp_path, batch=batch)
    assert counts(again) == (len(rows), 0, 0, len(rows), 0)
    assert again.warnings == first.warnings
    assert history.last_change() == change


def test_a_ticket_that_went_back_to_what_a_repeat_had_replaced_is_stored(history: History, tmp_path: Path) -> None:
    run([a_row(1, "A"), a_row(2, "A")], history, tmp_path)
    result = run([a_row(1, "A")], history, tmp_path)
    assert counts(result) == (1, 0, 1, 0, 0)
    stored = history.case("T-A", system="desk")
    assert stored is not None
    assert stored.case.ticket.subject == "Subject 1"


def test_the_higher_version_wins_wherever_it_stands(history: History, tmp_path: Path) -> None:
    rows = [a_row(1, "A", version=2), a_row(2, "A", version=1)]
    for expected in [(2, 1, 0, 1, 0), (2, 0, 0, 2, 0)]:
        result = run(rows, history, tmp_path)
        assert counts(result) == expected
        assert notes(result)[0]["reason"] == "is an older version of line 1, and was left out"
    stored = history.case("T-A", system="desk")
    assert stored is not None
    assert stored.case.ticket.version == 2


# --- what breaks off ---


def test_a_file_that_breaks_off_leaves_its_good_rows(history: History, tmp_path: Path) -> None:
    def rows() -> Iterator[Row]:
        yield from (a_row(line) for line in range(1, 8))
        raise SourceUnreadable("The file ends in the midst of a row.")

    with pytest.raises(SourceUnreadable, match="ends in the midst"):
        run(rows(), history, tmp_path, batch=5)
    assert history.count().tickets == 7


def test_an_import_that_was_stopped_is_taken_up(history: History, tmp_path: Path) -> None:
    def rows() -> Iterator[Row]:
        yield from (a_row(line) for line in range(1, 13))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(rows(), history, tmp_path, batch=5)
    assert history.count().tickets == 10
    assert counts(run([a_row(line) for line in range(1, 21)], history, tmp_path)) == (20, 10, 0, 10, 0)
    assert history.last_change() == 20


def test_a_rejects_file_that_cannot_be_written(history: History, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    rows = [a_row(1), RejectedRow(2, None, None, "bad"), a_row(3)]
    with pytest.raises(Unavailable, match=r"rejects file .* cannot be written .* run the same import again"):
        import_tickets(rows, history, INTAKE, system="desk", rejects_path=tmp_path / "file" / "x", batch=1)


# --- memory ---


def peak_bytes(n_rows: int, history: History, tmp_path: Path, text: str) -> int:
    rows = (a_row(line, description=f"{line} {text}") for line in range(n_rows))
    tracemalloc.start()
    run(rows, history, tmp_path, batch=200)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_file(history: History, tmp_path: Path) -> None:
    peak_bytes(400, history, tmp_path, "warm up")
    few = peak_bytes(1_000, history, tmp_path, "a " * 150)
    many = peak_bytes(5_000, history, tmp_path, "b " * 150)
    assert many < few * 1.2


def test_a_batch_of_long_texts_is_stored_early(history: History, tmp_path: Path) -> None:
    """Two hundred rows of 200,000 characters are 40 MB, and are never held at once."""
    assert peak_bytes(200, history, tmp_path, "a " * 100_000) < 32_000_000
