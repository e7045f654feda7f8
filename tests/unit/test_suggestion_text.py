from datetime import UTC, datetime

import pytest

from cli.suggestion_text import render_suggestion
from features.ticket import FixOutcome, Severity
from serving.schemas import (
    Action,
    Alternative,
    RelatedOpen,
    ResolutionAnswer,
    RunbookAnswer,
    SeverityAnswer,
    SimilarCase,
    Suggestion,
    TargetAnswer,
)

AT = datetime(2026, 5, 4, tzinfo=UTC)
EMPTY = Suggestion(
    request_id="q1",
    release="r1",
    index_watermark=1,
    category=TargetAnswer(value=None, confidence=0.0, action=Action.ABSTAIN, reason="not_trained"),
    severity=SeverityAnswer(
        value=None,
        most_likely=None,
        confidence=0.0,
        action=Action.ABSTAIN,
        reason="not_trained",
        sev1_flag=False,
        sev1_risk=0.0,
    ),
    targets={},
    similar_cases=[],
    related_open=[],
    resolutions=[],
    runbooks=[],
    novel=False,
    hidden_count=0,
    notes=[],
)


def case(**changes: object) -> SimilarCase:
    values: dict[str, object] = {
        "id": "T-1",
        "subject": "Exports stuck",
        "url": None,
        "relevance": 0.81,
        "tier": "strong",
        "resolved_at": AT,
        "category": "exports",
        "resolution": "Restarted the worker.",
        "outcome": FixOutcome.HELD,
        "duplicates": 2,
        "why": ["same product (reports)"],
    }
    return SimilarCase.model_validate(values | changes)


def test_a_full_suggestion_as_a_person_reads_it():
    full = EMPTY.model_copy(
        update={
            "category": TargetAnswer(
                value="exports",
                confidence=0.91,
                action=Action.SUGGEST,
                why=['word "csv"', "case T-1 (exports, cosine 0.83)"],
            ),
            "severity": SeverityAnswer(
                value=Severity.SEV2,
                most_likely=Severity.SEV3,
                confidence=0.5,
                action=Action.SUGGEST,
                sev1_flag=True,
                sev1_risk=0.2,
                why=["would be sev1 at a Sev1 risk of 0.25 (now 0.20)"],
            ),
            "targets": {"team": TargetAnswer(value="data", confidence=1.0, action=Action.AUTOMATE)},
            "similar_cases": [case()],
            "related_open": [RelatedOpen(id="T-9", subject="Same here", url=None, relevance=0.4, created_at=AT)],
            "resolutions": [ResolutionAnswer(summary="Restart it.", case_ids=["T-1"], support=1, held_rate=1.0)],
            "runbooks": [
                RunbookAnswer(id="exp", title="Exports", url=None, section="Steps", relevance=0.7, why=["linked"])
            ],
            "novel": True,
            "hidden_count": 3,
            "notes": ["The history is short."],
        }
    )
    assert render_suggestion(full).split("\n") == [
        "Category   exports  91%  (a suggestion)",
        '           word "csv"; case T-1 (exports, cosine 0.83)',
        "Severity   sev2  (a suggestion; costs least; most likely sev3, 50%)  Sev1 risk 20% — FLAGGED",
        "           would be sev1 at a Sev1 risk of 0.25 (now 0.20)",
        "Team       data  100%  (sure enough to set by itself)",
        "New        unlike anything in the history",
        "",
        "Similar cases",
        "  T-1  81% strong  Exports stuck",
        "      exports, resolved 2026-05-04, fix held, and 2 duplicates of it",
        "      same product (reports)",
        "",
        "What resolved them",
        "  Restart it.",
        "      from T-1 (1 case, held in 100%)",
        "",
        "Runbooks",
        "  Exports  70% — start with “Steps”",
        "      linked; exp",
        "",
        "Open now and alike",
        "  T-9  Same here  (like this one: 40%)",
        "",
        "3 more hidden: this key may not see them.",
        "Note: The history is short.",
        "",
        "release r1 · request q1",
    ]


def test_what_is_not_known_says_why():
    unsure = TargetAnswer(
        value=None,
        confidence=0.4,
        action=Action.ABSTAIN,
        reason="low_confidence",
        alternatives=[Alternative(value="exports", confidence=0.4), Alternative(value="login", confidence=0.3)],
    )
    text = render_suggestion(EMPTY.model_copy(update={"category": unsure}))
    assert "Category   — (low_confidence: exports 40%, login 30%)" in text
    assert "Severity   — (not_trained)" in text
    assert text.count("none that is near enough") == 3


@pytest.mark.parametrize(("is_certified", "promise"), [(True, ""), (False, " (no flag; not certified)")])
def test_a_missing_flag_says_where_nothing_is_promised(is_certified: bool, promise: str):
    severity = SeverityAnswer(
        value=Severity.SEV3,
        most_likely=Severity.SEV3,
        confidence=0.7,
        action=Action.SUGGEST,
        sev1_flag=False,
        sev1_risk=0.02,
        sev1_certified=is_certified,
    )
    lines = render_suggestion(EMPTY.model_copy(update={"severity": severity})).split("\n")
    assert lines[1] == f"Severity   sev3  (a suggestion; most likely sev3, 70%)  Sev1 risk 2%{promise}"


def test_labels_with_separators_can_be_told_apart():
    guesses = [Alternative(value="Login, SSO", confidence=0.45), Alternative(value="a | b", confidence=0.4)]
    reason = 'between: "Login, SSO" | "a | b"'
    torn = TargetAnswer(value=None, confidence=0.45, action=Action.ABSTAIN, reason=reason, alternatives=guesses)
    text = render_suggestion(EMPTY.model_copy(update={"category": torn}))
    assert 'Category   — (between: "Login, SSO" | "a | b"; "Login, SSO" 45%, "a | b" 40%)\n' in text


def test_a_long_reason_goes_on_below():
    guesses = [Alternative(value=f"Access > Single sign-on > {name}", confidence=0.3) for name in ("SAML", "OIDC")]
    reason = 'low_confidence: no confidence was enough for "Access > Single sign-on > SAML" in training'
    unsure = TargetAnswer(value=None, confidence=0.3, action=Action.ABSTAIN, reason=reason, alternatives=guesses)
    lines = render_suggestion(EMPTY.model_copy(update={"category": unsure})).split("\n")
    assert max(map(len, lines)) <= 100
    assert lines[1].endswith("Access > Single sign-on > OIDC 30%)")


def test_a_parent_is_shown_with_what_is_most_likely_below_it():
    guesses = [Alternative(value=f"Access > {name}", confidence=share) for name, share in (("SSO", 0.4), ("Keys", 0.3))]
    parent = TargetAnswer(value="Access", confidence=0.7, action=Action.SUGGEST, is_parent=True, alternatives=guesses)
    text = render_suggestion(EMPTY.model_copy(update={"category": parent}))
    assert "Category   Access  70%  (a suggestion; most likely Access > SSO 40%, Access > Keys 30%)" in text


def test_a_ticket_cannot_steer_the_terminal():
    hostile = case(subject="\x1b[2J\x1b]0;owned\x07\nfake line\u202egnp", why=["words in common: \x1b[31mred"])
    text = render_suggestion(EMPTY.model_copy(update={"similar_cases": [hostile]}))
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "\nfake line" not in text


def test_a_resolution_with_all_that_is_known_of_it():
    known = ResolutionAnswer(
        summary="Cleared the spool.",
        case_ids=["T-1", "T-2"],
        support=2,
        held_rate=0.5,
        median_hours_to_resolve=5.2,
        newest=AT,
        warnings=["destructive command: rm -rf /var/spool"],
        draft="The spool was cleared.",
    )
    slow = known.model_copy(update={"median_hours_to_resolve": 100.0, "warnings": [], "draft": None})
    shown = case(warnings=["destructive command: FLUSHALL"])
    text = render_suggestion(EMPTY.model_copy(update={"resolutions": [known, slow], "similar_cases": [shown]}))
    lines = text.split("\n")
    start = lines.index("What resolved them") + 1
    assert lines[start : start + 6] == [
        "  Cleared the spool.",
        "      ! destructive command: rm -rf /var/spool",
        "      Draft by a language model: The spool was cleared.",
        "      from T-1, T-2 (2 cases, held in 50%, 5 h to resolve, last on 2026-05-04)",
        "  Cleared the spool.",
        "      from T-1, T-2 (2 cases, held in 50%, 4 days to resolve, last on 2026-05-04)",
    ]
    assert "      ! destructive command: FLUSHALL" in lines


def test_lines_are_short_whatever_the_tickets_say():
    long = "word " * 400
    text = render_suggestion(
        EMPTY.model_copy(
            update={
                "similar_cases": [case(subject=long, why=[long])],
                "related_open": [RelatedOpen(id="T-9", subject=long, url=None, relevance=0.4, created_at=AT)],
                "resolutions": [ResolutionAnswer(summary=long, case_ids=["T-1"], support=1, held_rate=None)],
            }
        )
    )
    assert max(map(len, text.split("\n"))) <= 100
