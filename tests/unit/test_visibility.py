"""What a key may see never depends on what it may not, and follows the history at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from features.case_index import CaseFilter, CaseIndex
from features.encoder import HashingEncoder
from features.feature_space import Example
from features.history import History
from features.intake import Intake
from features.lexical import LexicalStatistics
from features.masking import Masker
from features.past_record import empty_record
from features.runbook_index import RunbookIndex
from features.text import model_text
from features.ticket import Case, Outcome, Status, Ticket
from serving.ranking import UNTRAINED, Ranker
from serving.suggester import Query, RankedCase, Suggester
from serving.triage import Triage
from training.params import TrainingParams
from training.triage import fit_space

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ENCODER = HashingEncoder()
ASKED = Ticket(subject="Kestrel export fails after upgrade", description="E-4711 worker stuck again", created_at=NOW)
NOBODY: frozenset[str] = frozenset()
BOUND = CaseFilter(access_groups=NOBODY)


def resolved(
    id: str,  # noqa: A002
    group: str | None,
    subject: str,
    description: str,
    *,
    days: int,
    resolution: str = "Restarted the worker.",
) -> Case:
    created = NOW - timedelta(days=days)
    ticket = Ticket(id=id, subject=subject, description=description, created_at=created, access_group=group)
    return Case(ticket=ticket, outcome=Outcome(status=Status.RESOLVED, resolved_at=created, resolution=resolution))


def case(id: str, group: str | None, *, resolution: str = "Restarted the worker.") -> Case:  # noqa: A002
    return resolved(id, group, ASKED.subject, ASKED.description, days=1, resolution=resolution)


@dataclass
class Made:
    """A history with its index, and suggesters over them."""

    history: History
    index: CaseIndex
    triage: Triage

    def put(self, *cases: Case, replay: bool = True) -> None:
        self.history.upsert(list(cases), masking_rules="1")
        if replay:
            self.index.replay(self.history)

    def suggester(self, ranker: Ranker = UNTRAINED) -> Suggester:
        return Suggester(
            release_id="r",
            triage=self.triage,
            ranker=ranker,
            encoder=ENCODER,
            intake=Intake(Masker(None), b"k" * 32),
            index=self.index,
            runbooks=RunbookIndex.build([], ENCODER),
            read_cases=self.history.cases,
        )


@pytest.fixture
def triage() -> Triage:
    """No model at all: what is asked here is what may be seen."""
    text = model_text(ASKED)
    example = Example(ASKED, text, ENCODER.encode([text.text])[0], empty_record())
    return Triage(fit_space([example] * 5, TrainingParams()), None, None, {}, None)


@pytest.fixture
def made(tmp_path: Path, triage: Triage) -> Iterator[Made]:
    history = History.open(f"sqlite:///{tmp_path / 'history.db'}")
    index = CaseIndex.create(tmp_path / "index", ENCODER, LexicalStatistics.fit([]))
    yield Made(history, index, triage)
    index.close()
    history.close()


def test_a_case_that_moved_into_a_group_is_hidden_before_the_index_knows(made: Made):
    made.put(case("A-1", None))
    asked = Query(ASKED, access_groups=NOBODY)
    assert [each.id for each in made.suggester().suggest(asked).similar_cases] == ["A-1"]

    made.put(case("A-1", "legal", resolution="Settled with the other side for two million."), replay=False)

    answer = made.suggester().suggest(asked)
    assert answer.similar_cases == []
    assert "million" not in answer.model_dump_json()


def test_hidden_cases_that_are_not_relevant_take_no_place(made: Made):
    """They fill the candidates of both methods, and none of them is shown: nothing tells that anything is hidden."""
    made.put(resolved("V-1", None, "Kestrel export fails", "worker stuck again", days=1))
    alone = best(made.suggester())
    hidden = [
        resolved(f"H-{number}", "legal", ASKED.subject, "worker stuck again now today", days=4000)
        for number in range(300)
    ]
    made.put(*hidden)
    above = (alone.relevance + best(made.suggester(), CaseFilter()).relevance) / 2
    assert best(made.suggester(), CaseFilter()).entry.access_group == "legal"
    assert alone.relevance > above, "the visible case is the more relevant one"

    answer = made.suggester(replace(UNTRAINED, possible=above, strong=1.0)).suggest(Query(ASKED, access_groups=NOBODY))

    assert [each.id for each in answer.similar_cases] == ["V-1"]
    assert answer.hidden_count == 0


def best(suggester: Suggester, where: CaseFilter = BOUND) -> RankedCase:
    return suggester.rank(suggester.example(ASKED), where, now=NOW.timestamp())[0]
