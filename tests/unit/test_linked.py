"""Learning from links: what is known before the cut, scored on what came after."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from features.case_index import CaseIndex
from features.encoder import HashingEncoder
from features.history import History
from features.lexical import LexicalStatistics
from features.runbooks import Runbook, RunbookSection
from features.ticket import Case, Link, LinkType, Ticket
from serving.ranking import UNTRAINED
from training.data import TrainingData, load_training_data
from training.linked import Verdicts, fit_on_links, unlinked_groups
from training.params import TrainingParams

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
ENCODER = HashingEncoder()
NOUNS = ["export", "invoice", "webhook", "login", "report", "mobile", "backup", "search", "quota", "theme"]
VERBS = ["stuck", "late", "empty", "doubled", "slow", "denied", "lost", "broken"]


def problem(number: int) -> str:
    return f"{NOUNS[number % 10]} {VERBS[number // 10 % 8]}"


def case(day: int, text: str, *links: Link) -> Case:
    return Case(
        ticket=Ticket(id=f"T-{day}", subject=text, created_at=FIRST + timedelta(days=day)),
        links=links,
    )


class Made:
    def __init__(self, folder: Path, cases: list[Case]) -> None:
        self.history = History.open(f"sqlite:///{folder / 'history.db'}")
        self.history.upsert(cases, masking_rules="1")
        self.data: TrainingData = load_training_data(self.history, ENCODER)
        texts = [example.text for example in self.data.rows.examples]
        self.index = CaseIndex.create(folder / "index", ENCODER, LexicalStatistics.fit_texts(texts))
        self.index.replay(self.history)

    def fit(self, cut_day: int | None, **params: float):
        cut = None if cut_day is None else FIRST + timedelta(days=cut_day)
        return fit_on_links(self.data, self.history, self.index, ENCODER, cut, TrainingParams(**params))

    def close(self) -> None:
        self.index.close()
        self.history.close()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Every problem of days 0 to 69 comes back 70 days later, as a duplicate."""
    cases = [case(day, problem(day)) for day in range(70)]
    cases += [
        case(day, f"again {problem(day - 70)}", Link(LinkType.DUPLICATE_OF, f"T-{day - 70}")) for day in range(70, 140)
    ]
    made = Made(tmp_path, cases)
    yield made
    made.close()


def test_links_before_the_cut_teach_and_those_after_score(made: Made):
    ranker, _, figures = made.fit(cut_day=120)
    assert ranker.trained
    assert set(figures.similar) == {"lexical", "dense", "untrained", "fused"}
    assert {found.n for found in figures.similar.values()} == {20}
    assert figures.similar["fused"].recall_at_10 == 1.0
    assert figures.metrics()["similar_fused_recall_at_10"] == 1.0
    assert figures.metrics()["runbook_n"] == 0.0
    [line] = figures.headlines()
    assert line.startswith("Similar cases: recall@10 / MRR of lexical ")
    assert line.endswith("n = 20")


def test_too_few_links_before_the_cut_leave_the_untrained_ranking(made: Made):
    ranker, _, figures = made.fit(cut_day=75)
    assert ranker == UNTRAINED
    assert figures.similar["fused"].n == 65


def test_unlinked_tickets_before_the_cut_count_for_all_of_them_and_judged_ones_are_never_left_out(tmp_path: Path):
    made = Made(tmp_path, [case(day, f"{problem(day)} {day}") for day in range(30)])
    rows = [stored.row_id for stored in made.data.cases]
    verdicts = Verdicts([(rows[1], rows[0]), (rows[29], rows[2])], [(rows[3], rows[4])])
    try:
        groups = unlinked_groups(made.data, made.index, verdicts, until=FIRST + timedelta(days=25), seed=0, at_most=10)
    finally:
        made.close()
    assert len(groups) == 12, "the two judged ones and a sample of ten"
    assert [group.stands_for for group in groups] == [1.0, 1.0] + [2.1] * 10
    assert not any(group.n_matches for group in groups)


def test_without_a_cut_nothing_is_learned_or_scored(made: Made):
    ranker, _, figures = made.fit(cut_day=None)
    assert ranker == UNTRAINED
    assert figures.similar["fused"].n == 0
    assert figures.headlines() == []


def test_the_same_seed_gives_the_same_ranker(made: Made):
    assert made.fit(120, seed=1)[0] == made.fit(120, seed=1)[0]


def test_runbooks_are_scored_by_the_links_of_tickets(tmp_path: Path):
    links = [case(day, problem(day), Link(LinkType.RUNBOOK, f"fix-{day}")) for day in range(3)]
    made = Made(tmp_path, [*links, case(9, problem(9), Link(LinkType.RUNBOOK, "not-imported"))])
    try:
        sections = [RunbookSection("Steps", f"What to do when the {problem(day)} is.", "steps") for day in range(5)]
        made.history.replace_runbooks([runbook(day, section) for day, section in enumerate(sections)])
        figures = made.fit(cut_day=2).figures
        assert {found.n for found in figures.runbooks.by_text.values()} == {3}
        assert figures.runbooks.by_text["fused"].recall_at_1 == 1.0
        assert [line.rpartition(", ")[2] for line in figures.headlines()] == ["n = 3", "n = 1"]
    finally:
        made.close()


def runbook(number: int, section: RunbookSection) -> Runbook:
    return Runbook(
        id=f"fix-{number}",
        title=problem(number),
        url=None,
        services=(),
        owner=None,
        severity=None,
        last_reviewed=None,
        tags=(),
        links=(),
        sections=(section,),
    )


def test_a_denied_duplicate_and_a_link_to_nowhere_count_for_nothing(tmp_path: Path):
    cases = [case(day, problem(day)) for day in range(4)]
    cases += [
        case(10, problem(0), Link(LinkType.DUPLICATE_OF, "T-0"), Link(LinkType.NOT_DUPLICATE_OF, "T-0")),
        case(11, problem(1), Link(LinkType.DUPLICATE_OF, "nowhere")),
        case(12, problem(2), Link(LinkType.DUPLICATE_OF, "T-12")),
        case(13, problem(3), Link(LinkType.RELATED, "T-3")),
        case(14, problem(3), Link(LinkType.RUNBOOK, "T-3")),
    ]
    made = Made(tmp_path, cases)
    try:
        assert made.fit(cut_day=5).figures.similar["fused"].n == 1, "only the related ticket has a match"
    finally:
        made.close()
