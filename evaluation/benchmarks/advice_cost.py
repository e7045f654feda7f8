"""What linking runbooks and drawing out resolutions cost beside the encoder: milliseconds a suggestion; prints JSON.

Run it as ``python -m evaluation.benchmarks.advice_cost WORKSPACE``, with a workspace whose promoted release answers and
whose runbooks are imported. The newest tickets of the history are asked about; what is timed is all that an answer's
``runbooks`` and ``resolutions`` take once its cases are read and its texts embedded.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from evaluation.benchmarks.timing import Times
from features.history import History, StoredCase
from features.runbook_query import RunbookQuery
from features.settings import Settings, load_settings
from features.ticket import Case
from serving.assemble import assemble
from serving.customer_names import Audience, CustomerNames
from serving.resolutions import resolutions
from serving.runbook_answers import runbook_answers
from serving.schemas import Suggestion
from serving.suggester import Query, Suggester

N_TICKETS = 300
_N_WARM = 20
_N_CASES = 10
_N_SHOWN = 5


def cost(suggester: Suggester, history: History, settings: Settings, newest: Sequence[StoredCase]) -> dict[str, object]:
    """Time runbooks and resolutions of some tickets.

    Returns
    -------
    dict
        Milliseconds by the clock and of the processor, and what the tickets found.
    """
    times, n_runbooks, n_resolutions = Times(), 0, 0
    names = CustomerNames(suggester.index.customers())
    for number, stored in enumerate(newest):
        ticket = stored.case.ticket
        example = suggester.example(ticket)
        answer = suggester.answer(example, Query(ticket, top_k=_N_CASES))
        cases = _cases(answer, suggester, history, settings)
        query = RunbookQuery.of(example.text, example.vector, suggester.encoder)
        measured = times if number >= _N_WARM else Times()
        with measured.measured():
            found = resolutions(cases[:_N_SHOWN], Audience(ticket.customer, names))
            linked = runbook_answers(
                suggester.runbooks,
                suggester.runbook_map,
                query,
                category=answer.category,
                product=ticket.product,
                cases=cases,
            )
        n_resolutions += bool(found)
        n_runbooks += bool(linked)
    return {
        "tickets": len(newest),
        "runbooks": len(suggester.runbooks),
        "with_runbook": n_runbooks,
        "with_resolution": n_resolutions,
        **times.figures(),
    }


def _cases(answer: Suggestion, suggester: Suggester, history: History, settings: Settings) -> list[tuple[float, Case]]:
    rows = {case.id: suggester.index.row_of(case.id, system=settings.system) for case in answer.similar_cases}
    stored = history.cases([row for row in rows.values() if row is not None])
    return [
        (case.relevance, stored[row].case)
        for case in answer.similar_cases
        if (row := rows[case.id]) is not None and row in stored
    ]


def main(arguments: list[str]) -> None:
    """Measure the served release of a workspace."""
    settings = load_settings(Path(arguments[0]), {})
    with closing(assemble(settings)) as opened:
        history = opened.history
        changes = history.changes_since(max(0, history.last_change() - N_TICKETS), N_TICKETS)
        newest = [change.case for change in changes if change.case is not None]
        figures = cost(opened.suggester, history, settings, newest)
    sys.stdout.write(f"{json.dumps(figures, indent=2)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
