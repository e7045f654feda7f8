"""Reasons of the demo's own model, with the real encoder: shares that add up, and changes that come true."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from features.sources.base import Row
from features.ticket import SEVERITIES, Ticket
from serving.explain_words import Evidence
from serving.schemas import SeverityAnswer, Suggestion
from serving.suggester import Query, Suggester


@pytest.fixture(scope="module")
def tickets(samples: tuple[Row, ...]) -> list[Ticket]:
    return [row.case.ticket for row in samples][::9]


@pytest.fixture(scope="module")
def told(demo: Suggester, tickets: list[Ticket]) -> list[Suggestion]:
    return [demo.suggest(Query(ticket, explain=True)) for ticket in tickets]


def lines(answer: SeverityAnswer, start: str) -> list[str]:
    return [reason for reason in answer.why or () if reason.startswith(start)]


def test_reasons_change_nothing_and_are_told_on_request(demo: Suggester, tickets: list[Ticket], told: list[Suggestion]):
    for ticket, with_reasons in zip(tickets[:10], told, strict=False):
        plain = demo.suggest(Query(ticket))
        assert plain.category.why is plain.severity.why is None
        assert with_reasons.category.why
        assert with_reasons.severity.why
        for name in ("category", "severity"):
            assert getattr(with_reasons, name).model_copy(update={"why": None}) == getattr(plain, name)


def test_words_and_fields_add_up_to_the_score(demo: Suggester, tickets: list[Ticket]):
    space, model = demo.triage.space, demo.triage.category
    assert model is not None
    for ticket in tickets[:12]:
        example = demo.example(ticket, by_token=True)
        evidence = Evidence.of(space, example)
        scores = model.head.scores(space.transform([example]))[0] - model.head.intercept
        for number, output in enumerate(np.eye(len(model.classes))[:3]):
            shares = evidence.shares(model.head, output)
            assert sum(shares.named.values()) + shares.rest == pytest.approx(float(scores[number]), abs=1e-3)
            dense = float(example.vector @ model.head.dense_weights[: demo.encoder.dimension, number])
            # Little is left for the marks between words and the tokens that the encoder adds.
            assert shares.rest != pytest.approx(dense * space.dense_weight, abs=1e-6)


def test_cases_have_the_answered_label(demo: Suggester, told: list[Suggestion]):
    model = demo.triage.category
    assert model is not None
    n_told = 0
    for suggestion in told:
        answer = suggestion.category
        for reason in answer.why or ():
            if found := re.fullmatch(r"case (\S+) \((.+), cosine (\d\.\d\d)\)", reason):
                n_told += 1
                row = demo.index.row_of(found[1])
                assert row is not None
                entry = demo.index.entry(row)
                assert entry is not None
                assert entry.category is not None
                assert model.sources.get(entry.category, entry.category) == found[2]
                if not answer.is_parent:
                    assert answer.first_guess is not None
                    assert found[2] == answer.first_guess.value
    assert n_told > len(told)


def test_a_key_bound_to_groups_is_told_of_what_it_may_see(demo: Suggester, tickets: list[Ticket]):
    groups: frozenset[str] = frozenset()
    everything, bound = (
        [demo.suggest(Query(ticket, explain=True, access_groups=allowed)) for ticket in tickets]
        for allowed in (None, groups)
    )

    def hidden(suggestions: list[Suggestion]) -> list[str]:
        """Cases that are told of and that a key without groups may not see."""
        told = [reason.split()[1] for s in suggestions for reason in s.category.why or () if reason.startswith("case ")]
        rows = [demo.index.row_of(case) for case in told]
        entries = [demo.index.entry(row) for row in rows if row is not None]
        assert len(entries) == len(told) > 0
        return [entry.id for entry in entries if entry is not None and entry.access_group is not None]

    assert hidden(everything)
    assert not hidden(bound)
    assert not [reason for s in bound for reason in s.severity.why or () if "past tickets" in reason]


def test_a_level_changes_without_the_word_that_is_said_to_hold_it(
    demo: Suggester, tickets: list[Ticket], told: list[Suggestion]
):
    for ticket, suggestion in zip(tickets, told, strict=True):
        for reason in lines(suggestion.severity, "without"):
            found = re.fullmatch(r'without "(\w+)" it would be (sev\d)', reason)
            assert found
            assert found[2] != suggestion.severity.value
            pattern = re.compile(rf"\b{found[1]}\b", re.IGNORECASE)
            changed = replace(
                ticket,
                subject=pattern.sub("", ticket.subject),
                description=pattern.sub("", ticket.description),
                messages=tuple(replace(each, text=pattern.sub("", each.text)) for each in ticket.messages),
            )
            assert demo.predict(demo.example(changed)).severity.value == found[2]
    assert any(lines(suggestion.severity, "without") for suggestion in told)


def test_a_level_changes_at_the_risk_that_is_told(demo: Suggester, told: list[Suggestion]):
    model = demo.triage.severity
    assert model is not None

    def level_at(answer: SeverityAnswer, risk: float) -> str:
        others = {found.value: found.confidence for found in answer.alternatives if found.value != "sev1"}
        rest = np.array([others[str(level)] for level in SEVERITIES[1:]])
        moved = np.concatenate([[risk], (1 - risk) * rest / rest.sum()])
        return str(SEVERITIES[int(model.cheapest(moved[None])[0])])

    n_told = 0
    for suggestion in told:
        answer = suggestion.severity
        for reason in lines(answer, "would"):
            n_told += 1
            found = re.fullmatch(r"would be (sev\d) at a Sev1 risk of (0\.\d+) \(now (\d\.?\d*)\)", reason)
            assert found
            at, now = float(found[2]), float(found[3])
            assert now == pytest.approx(answer.sev1_risk, abs=6e-4)
            # Alternatives are rounded to four digits: one step further the answer is another, one step nearer the same.
            step = 0.001 if at > now else -0.001
            assert level_at(answer, at + step) == found[1] != answer.value
            assert level_at(answer, at - 2 * step) == answer.value
            assert (answer.value == "sev1") == (at < now)
    assert n_told
