"""Records of test rows in a benchmark: reporters' counts roll on after the cut, those of products stand still."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from evaluation.benchmarks.bench import Row
from evaluation.benchmarks.rolling_reporters import with_rolling_reporters
from features.feature_space import Example
from features.past_record import RECORD_NAMES, records_in_time
from features.text import ModelText
from features.ticket import Case, Outcome, Severity, Status, Ticket

START = datetime(2025, 1, 1, tzinfo=UTC)


def row(day: int, reporter: str, severity: Severity, *, open_for: int = 1) -> Row:
    created = START + timedelta(days=day)
    ticket = Ticket(id=str(day), subject="x", created_at=created, product="api", reporter=reporter)
    resolved = created + timedelta(days=open_for)
    case = Case(ticket=ticket, outcome=Outcome(status=Status.RESOLVED, resolved_at=resolved, severity=severity))
    return Row(case, case, Example(ticket, ModelText("x", ""), np.zeros(2, np.float32)))


def records(older: list[Row], tests: list[Row]) -> list[dict[str, float]]:
    found = with_rolling_reporters(older, tests)
    return [dict(zip(RECORD_NAMES, row.example.record.tolist(), strict=True)) for row in found]


OLDER = [row(day, "ann", Severity.SEV3) for day in range(40)]
TESTS = [row(day, "ann", Severity.SEV1) for day in range(41, 81)]


def test_a_reporters_count_rolls_on_and_a_products_stands_still():
    first, last = (records(OLDER, TESTS)[i] for i in (0, -1))
    assert last["reporter_sev1"] > first["reporter_sev1"] + 1
    assert last["reporter_lately_sev1"] > first["reporter_lately_sev1"] + 1
    assert abs(last["product_sev1"] - first["product_sev1"]) < 0.3, "time alone draws it to the shares of all"
    assert last["reporter_tickets"] > first["reporter_tickets"]


def test_up_to_the_cut_a_record_is_that_of_training():
    rows = [*OLDER, TESTS[0]]
    plain = records_in_time([row.stored.ticket for row in rows], [row.stored.outcome for row in rows])
    assert np.allclose(with_rolling_reporters(OLDER, TESTS[:1])[0].example.record, plain[-1])


def test_what_was_resolved_after_the_cut_counts_for_its_reporter_alone():
    late = row(40, "eve", Severity.SEV1, open_for=5)
    with_late, without = records([*OLDER, late], TESTS)[-1], records(OLDER, TESTS)[-1]
    assert with_late["product_sev1"] == without["product_sev1"]
    asked = [*TESTS, row(90, "eve", Severity.SEV4)]
    assert records([*OLDER, late], asked)[-1]["reporter_sev1"] > records(OLDER, asked)[-1]["reporter_sev1"]


def test_no_test_rows_need_no_records():
    assert with_rolling_reporters(OLDER, []) == []
