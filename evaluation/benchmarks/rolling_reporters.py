"""Past records of test rows by the rules of the benchmarks: after the cut, counts of reporters alone roll forward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from evaluation.benchmarks.bench import Row
from features.past_record import Counted, Key, PastRecord, Who


@dataclass(frozen=True, slots=True)
class _ReporterAlone(Who):
    """Whose ticket counts for its reporter and for nothing else."""

    def groups(self) -> Iterator[Key]:
        """The groups of the reporter."""
        return (key for key in Who.groups(self) if key and key[0].startswith("reporter"))


def with_rolling_reporters(older: Sequence[Row], tests: Sequence[Row]) -> list[Row]:
    """Give test rows the records that the rules allow.

    Parameters
    ----------
    older, tests : sequence of Row
        Dated, in order of time. What was known when the first test row was created counts in full; what became known
        later counts for its reporter.
    """
    cut = tests[0].created if tests else 0.0
    counted = [
        found for row in (*older, *tests) if (found := Counted.of(row.stored.ticket, row.stored.outcome)) is not None
    ]
    record, done, rows = PastRecord(), 0, []
    counted.sort(key=lambda ticket: ticket.at)
    for row in tests:
        # What is known at that very moment was not known before.
        while done < len(counted) and counted[done].at < row.created:
            record.add(counted[done] if counted[done].at < cut else _for_reporter(counted[done]))
            done += 1
        past = record.features(Who.of(row.stored.ticket), at=row.created)
        rows.append(replace(row, example=replace(row.example, record=past)))
    return rows


def _for_reporter(ticket: Counted) -> Counted:
    who = ticket.who
    return replace(ticket, who=_ReporterAlone(who.product, who.customer, who.reporter))
