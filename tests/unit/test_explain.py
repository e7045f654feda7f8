"""Reasons of an answer: exact shares of its score, in the ticket's own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.case_entries import CaseEntry
from features.feature_space import Example, FeatureSpace
from features.ngrams import NgramVectorizer
from features.past_record import Counted, PastRecord, Who, empty_record
from features.structured import StructuredColumns
from features.text import ModelText
from features.ticket import SEVERITIES, FixOutcome, Severity, Ticket
from features.token_vectors import TokenVectors
from serving.decision import Thresholds
from serving.explain import MAX_REASONS, Surroundings, explained
from serving.explain_cases import MAX_CASES
from serving.explain_severity import Neutral, Told, context_shares, towards
from serving.explain_shown import telling_words
from serving.explain_words import Evidence
from serving.heads import LinearHead
from serving.near_cases import NearCases
from serving.neighbours import Vote
from serving.parents import Parent
from serving.severity_model import N_HEADS, N_INPUTS, SecondStage, SeverityModel, stage_inputs
from serving.target_model import TargetModel
from serving.triage import Prediction, Triage
from training.params import DEFAULT_COSTS

TEXTS = [
    "login fails with audience mismatch",
    "the audience of the assertion, the AUDIENCE again",
    "saml audience rejected at login",
    "export of invoices is slow",
    "export stops, invoices are missing",
    "invoices export again and again",
    "a b c a b login export",
]
WORDS = sorted({word for text in TEXTS for word in text.replace(",", "").split()} | {"unheard", "ünïcode", "x"})
RANDOM = np.random.default_rng(7)
DIMENSION = 4


NOBODY = NearCases((), np.empty(0, np.float32))
ALONE = NOBODY.neighbours(["team"])


def asked_text(text: str) -> ModelText:
    """The first two words are the subject."""
    words = text.split(" ")
    return ModelText(" ".join(words[:2]), " ".join(words[2:]))


def space() -> FeatureSpace:
    return FeatureSpace(
        NgramVectorizer.fit([asked_text(text) for text in TEXTS], min_df=1),
        StructuredColumns(("product=edge", "product=hub")),
        1.0,
        0.5,
    )


def head(where: FeatureSpace, n_outputs: int) -> LinearHead:
    sparse = RANDOM.standard_normal((where.vectorizer.n_columns, n_outputs))
    dense = RANDOM.standard_normal((DIMENSION + 2, n_outputs))
    return LinearHead(sparse.astype(np.float32), dense.astype(np.float32), np.zeros(n_outputs, np.float32))


def example(text: str, product: str | None = "edge", tokens: TokenVectors | None = None) -> Example:
    vector = np.zeros(DIMENSION, np.float32) if tokens is None else tokens.embedding
    return Example(Ticket(subject=text, product=product), asked_text(text), vector, tokens=tokens)


def tokens_of(text: str) -> TokenVectors:
    """A token for every two characters within a word, one for each blank, and one at either end."""
    spans = [match.span() for match in re.finditer(r"\w{1,2}|\s", asked_text(text).text)]
    spans = [(0, 0), *spans, (0, 0)]
    vectors = RANDOM.standard_normal((len(spans), DIMENSION)).astype(np.float32)
    mean = vectors.mean(axis=0)
    return TokenVectors.of(mean / np.linalg.norm(mean), np.array(spans), vectors)


def told_of(
    model: Triage, asked: Example, near: NearCases = NOBODY, groups: frozenset[str] | None = None
) -> Prediction:
    def predict(example: Example) -> Prediction:
        return model.predict([example], near.neighbours(model.targets))[0]

    around = Surroundings(
        near,
        groups,
        empty_record(),
        lambda ticket: predict(replace(asked, ticket=ticket, text=asked_text(ticket.subject), tokens=None)),
    )
    return explained(model, asked, predict(asked), around)


@given(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join), st.sampled_from(["edge", "hub", "other", None]))
def test_shares_add_up_to_the_score(text: str, product: str | None):
    where = space()
    scores = head(where, 3)
    asked = example(text, product, tokens_of(text))
    outputs = np.array([0.5, 0.0, -2.0])
    shares = Evidence.of(where, asked).shares(scores, outputs)
    expected = float(scores.scores(where.transform([asked]))[0] @ outputs)
    assert sum(shares.named.values()) + shares.rest == pytest.approx(expected, abs=1e-4)
    assert {name for name in shares.named if name.startswith("word")} == {f'word "{w}"' for w in text.lower().split()}


def test_a_word_has_the_shares_of_its_tokens():
    where = space()
    nothing = np.zeros((where.vectorizer.n_columns, 1), np.float32)
    asked = example("login fails login", None, tokens_of("login fails login"))
    assert asked.tokens is not None
    dense = RANDOM.standard_normal((DIMENSION + 2, 1)).astype(np.float32)
    shares = Evidence.of(where, asked).shares(LinearHead(nothing, dense, np.zeros(1, np.float32)), np.ones(1))
    by_token = (asked.tokens.vectors @ dense[:DIMENSION, 0]).tolist()
    # Ends, lo gi n, a blank, fa il s, a line end, lo gi n.
    assert shares.named['word "login"'] == pytest.approx(sum(by_token[1:4] + by_token[9:12]))
    assert shares.named['word "fails"'] == pytest.approx(sum(by_token[5:8]))
    assert shares.rest == pytest.approx(by_token[0] + by_token[4] + by_token[8] + by_token[12])


def test_without_tokens_the_embedding_is_in_no_word():
    where = space()
    scores = head(where, 2)
    tokens = tokens_of("login fails")
    known, unknown = (
        Evidence.of(where, replace(example("login fails", "edge", tokens), tokens=found)).shares(scores, np.ones(2))
        for found in (tokens, None)
    )
    assert sum(known.named.values()) + known.rest == pytest.approx(sum(unknown.named.values()) + unknown.rest)
    # Single precision: whichever way the sum is taken, seven digits agree.
    dense = float(tokens.embedding @ scores.dense_weights[:DIMENSION].sum(axis=1))
    assert unknown.rest == pytest.approx(dense, abs=1e-6)


def test_characters_count_for_the_word_that_they_lie_in():
    where = space()
    taken = where.vectorizer.take_apart(ModelText("", "audience of exports"))
    weights = np.zeros((where.vectorizer.n_columns, 1), np.float32)
    arrays = where.vectorizer.to_arrays()
    n_words, n_chars = len(arrays["word_vocabulary"]), len(arrays["char_vocabulary"])
    weights[n_words : n_words + n_chars] = 1.0
    shares = taken.contributions(weights, np.ones(1))
    # Of "exports" only the characters are known, and of a pair of words there are none.
    assert shares["exports"] > 0
    assert shares["audience"] > 0
    assert shares["audience of"] == 0


def test_a_word_of_the_subject_counts_for_itself_once_more():
    where = space()
    weights = np.ones((where.vectorizer.n_columns, 1), np.float32)
    above, below = (
        where.vectorizer.take_apart(text).contributions(weights, np.ones(1))
        for text in (ModelText("login", "audience"), ModelText("", "login audience"))
    )
    assert above["login"] > below["login"] > 0
    assert above["audience"] == pytest.approx(below["audience"])


def test_a_text_without_known_words_has_no_shares():
    taken = space().vectorizer.take_apart(ModelText("", ""))
    assert taken.phrases == ()
    assert taken.contributions(np.ones((space().vectorizer.n_columns, 1), np.float32), np.ones(1)) == {}


@pytest.mark.parametrize("level", SEVERITIES)
def test_severity_counts_what_lifts_the_level_above_the_others(level: Severity):
    scores, weights = RANDOM.standard_normal(N_HEADS), RANDOM.standard_normal((N_INPUTS, len(SEVERITIES)))
    by_level = scores @ weights[:N_HEADS]
    others = np.delete(by_level, SEVERITIES.index(level))
    share = scores @ towards(level, weights)[:N_HEADS]
    assert share == pytest.approx(by_level[SEVERITIES.index(level)] - by_level.mean())
    assert np.sign(share) == np.sign(by_level[SEVERITIES.index(level)] - others.mean())
    # A softmax does not change when every level gains the same, and nor do reasons.
    assert towards(level, weights + RANDOM.standard_normal((N_INPUTS, 1))) == pytest.approx(towards(level, weights))


def stage_of(weights: np.ndarray, intercept: np.ndarray) -> SecondStage:
    """A second stage of the inputs as they are: so wide a scale holds none of them back."""
    n = len(weights)
    return SecondStage(np.zeros(n), np.full(n, 1e-4), weights * 1e4, intercept)


def triage() -> Triage:
    where = space()
    zeros = np.zeros((where.vectorizer.n_columns, 2), np.float32)
    audience = where.vectorizer.take_apart(ModelText("", "audience"))
    zeros[audience.column[0], 1] = 5.0
    dense = np.zeros((DIMENSION + 2, 2), np.float32)
    dense[DIMENSION, 1] = 1.0
    category = TargetModel(
        name="category",
        classes=("exports", "login"),
        head=LinearHead(zeros, dense, np.zeros(2, np.float32)),
        vote=Vote(temperature=0.1, weight=0.6),
        thresholds=Thresholds(suggest=0.6, automate=0.9),
    )
    severity = SeverityModel(
        head=head(where, 3),
        stage=stage_of(RANDOM.standard_normal((N_INPUTS, len(SEVERITIES))) * 0.1, np.zeros(len(SEVERITIES))),
        costs=np.array(DEFAULT_COSTS),
        thresholds=Thresholds(suggest=0.0, automate=None),
        sev1_threshold=0.5,
    )
    return Triage(where, category, severity, {"team": category}, novelty=None)


def test_the_strongest_words_and_fields_are_named():
    model = triage()
    asked = example("audience mismatch of a saml login, export stops, invoices missing, slow, rejected")
    [plain] = model.predict([asked], ALONE)
    told = told_of(model, asked)
    assert told.category.value == "login"
    assert told.category.why == told.targets["team"].why == ['word "audience"', "product=edge"]
    assert told.severity.why is not None
    assert 0 < sum(not reason.startswith(("would", "without")) for reason in told.severity.why) <= MAX_REASONS
    assert (plain.category.why, plain.severity.why, plain.targets["team"].why) == (None, None, None)


def test_an_abstention_tells_of_the_most_likely_class():
    model = triage()
    assert model.category is not None
    unsure = replace(model, category=replace(model.category, thresholds=Thresholds(suggest=None, automate=None)))
    asked = example("audience mismatch of a saml login")
    told = told_of(unsure, asked)
    assert told.category.value is None
    assert told.category.why == ['word "audience"', "product=edge"]


def test_what_was_not_trained_has_no_reasons():
    model = replace(triage(), category=None, severity=None, targets={})
    asked = example("audience mismatch")
    told = told_of(model, asked)
    assert (told.category.why, told.severity.why, told.targets) == (None, None, {})


def test_a_long_word_is_cut():
    text = "login" + "x" * 500
    where = replace(triage().space, vectorizer=NgramVectorizer.fit([ModelText("", text)], min_df=1))
    model = triage()
    assert model.category is not None
    ones = np.tile(np.array([[0.0, 1.0]], np.float32), (where.vectorizer.n_columns, 1))
    category = replace(model.category, head=replace(model.category.head, sparse_weights=ones))
    model = replace(model, space=where, category=category, severity=None, targets={})
    asked = example(f"{text} {text}", None)
    told = told_of(model, asked)
    assert told.category.why is not None
    assert max(len(reason) for reason in told.category.why) <= 81


def test_words_that_every_ticket_has_count_and_are_not_named():
    # "time" stands for a time of day, "the" and "a" are strong by chance.
    text = ModelText("the login fails", "a time the audience")
    where = replace(triage().space, vectorizer=NgramVectorizer.fit([text], min_df=1))
    model = triage()
    assert model.category is not None
    ones = np.tile(np.array([[0.0, 1.0]], np.float32), (where.vectorizer.n_columns, 1))
    category = replace(model.category, head=replace(model.category.head, sparse_weights=ones))
    model = replace(model, space=where, category=category, targets={})
    ticket = Ticket(subject="The login fails", description="a 10:05 the audience")
    asked = Example(ticket, text, np.zeros(DIMENSION, np.float32))
    named = Evidence.of(where, asked).shares(category.head, np.array([0.0, 1.0])).named
    assert min(named['word "the"'], named['word "a"'], named['word "time"'], named['phrase "the login"']) > 0
    told = told_of(model, asked)
    assert set(told.category.why or []) == {
        'word "audience"',
        'word "login"',
        'word "fails"',
        'phrase "login fails"',
    }
    assert not [reason for reason in told.severity.why or [] if re.search(r'"(the|a|time)[ "]', reason)]


@pytest.mark.parametrize(
    ("description", "phrase", "tells"),
    [
        ("the processes die at time", "die", True),
        ("wir haben das Problem, dass die Anmeldung nicht geht", "die", False),
        ("wir haben das Problem, dass die Anmeldung nicht geht", "nicht geht", True),
        ("not working", "not working", True),
        ("at what time, <NAME>", "time", True),
        ("at what time, <NAME>", "name", False),
        ("登录 失 败", "失", True),
        ("c d", "c", False),
    ],
)
def test_which_words_are_named_is_a_matter_of_the_ticket(description: str, phrase: str, tells: bool):
    asked = Example(Ticket(description=description), ModelText("", description), np.zeros(DIMENSION, np.float32))
    assert telling_words(asked)(phrase) is tells


def test_a_parent_is_explained_by_what_speaks_for_all_of_its_labels():
    model = triage()
    assert model.category is not None
    parent = Parent("all", 1, (0, 1))
    unsure = replace(model.category, parents=(parent,), thresholds=Thresholds(suggest=0.999999, automate=None))
    model, asked = replace(model, category=unsure), example("audience mismatch")
    told = told_of(model, asked)
    assert told.category.value == "all"
    assert told.category.why == ['word "audience"', "product=edge"]


def entry(
    number: int, category: str | None, group: str | None = None, **other: Mapping[str, str] | Severity
) -> CaseEntry:
    values = {
        "row_id": number,
        "change": number,
        "id": f"TCK-{number}",
        "system": "default",
        "created_at": 0.0,
        "resolved_at": 1.0,
        "is_resolved": True,
        "product": None,
        "customer": None,
        "category": category,
        "targets": {},
        "severity": None,
        "outcome": FixOutcome.UNKNOWN,
        "access_group": group,
        "language": None,
        "duplicate_of": (),
        "subject_length": 1,
        "text_length": 1,
    }
    return CaseEntry(**{**values, **other})  # type: ignore[arg-type]


def near_cases(*entries: CaseEntry) -> NearCases:
    return NearCases(entries, np.linspace(0.9, 0.5, len(entries), dtype=np.float32))


def test_the_nearest_cases_of_the_answer_follow_the_words():
    near = near_cases(
        entry(1, "login", "secret"), entry(2, "exports"), entry(3, "login"), entry(4, "LOGIN ", "own"), entry(5, None)
    )
    model = triage()
    assert model.category is not None
    cleaned = replace(model, category=replace(model.category, sources={"LOGIN ": "login"}))
    asked = example("audience mismatch of a saml login")
    seen = told_of(cleaned, asked, near, frozenset({"own"})).category
    assert seen.value == "login"
    words = ['word "audience"', "product=edge"]
    assert seen.why == [*words, "case TCK-3 (login, cosine 0.70)", "case TCK-4 (login, cosine 0.60)"]
    everything = told_of(cleaned, asked, near).category.why
    assert everything == [*words, "case TCK-1 (login, cosine 0.90)", *seen.why[2:]]
    assert told_of(cleaned, asked, near, frozenset()).category.why == seen.why[:3]


def test_few_cases_are_named_and_those_of_a_target_by_its_own_labels():
    near = near_cases(*(entry(number, None, targets={"team": "login"}) for number in range(9)))
    model = triage()
    team = replace(model.targets["team"], name="team")
    told = told_of(replace(model, targets={"team": team}), example("audience mismatch of login"), near)
    assert told.category.why == ['word "audience"', "product=edge"]
    assert told.targets["team"].why is not None
    assert [reason.split(" ")[1] for reason in told.targets["team"].why[2:]] == ["TCK-0", "TCK-1", "TCK-2"][:MAX_CASES]


@pytest.mark.parametrize("level", SEVERITIES)
def test_shares_of_a_level_add_up_to_what_sets_it_apart_from_a_neutral_ticket(level: Severity):
    model = triage()
    assert model.severity is not None
    ann = Who("edge", None, "ann")
    past = PastRecord()
    for number in range(9):
        past.add(Counted(ann, level=1, at=float(number)))
    tokens = tokens_of("login fails everywhere")
    asked = replace(example("login fails everywhere", tokens=tokens), record=past.features(ann, at=10.0))
    near = near_cases(*(entry(number, None, severity=Severity.SEV2) for number in range(5)))
    rows = model.space.transform([asked])
    [inputs] = stage_inputs(model.severity.head.scores(rows), rows, near.neighbours([]))
    neutral = Neutral(past.features(Who(None, None, None), at=10.0))
    stage = model.severity.stage
    pull = towards(level, stage.weights) * stage.by_scale
    words = Evidence.of(model.space, asked).shares(model.severity.head, pull[:N_HEADS])
    context = context_shares(asked, level, inputs, neutral, stage, Told())
    total = sum(words.named.values()) + words.rest + sum(context.named.values()) + context.rest
    by_level = (stage.standard(inputs) - stage.standard(neutral.inputs())) @ stage.weights
    assert total == pytest.approx(by_level[SEVERITIES.index(level)] - by_level.mean(), abs=1e-4)
    is_sev2 = level is Severity.SEV2
    assert ("the reporter's past tickets were mostly sev2" in context.named) == is_sev2
    assert ("the nearest cases are mostly sev2" in context.named) == is_sev2
    # Nobody knows of a customer: what stands for one is the product's.
    assert {name for name in context.named if "past" in name} - {"the reporter's past tickets were mostly sev2"} == (
        {"the product's past tickets"} | (set() if is_sev2 else {"the reporter's past tickets"})
    )
    hidden = context_shares(asked, level, inputs, neutral, stage, Told(votes=False, records=False))
    assert not [name for name in hidden.named if "nearest" in name or "past" in name]
    assert sum(hidden.named.values()) + hidden.rest == pytest.approx(sum(context.named.values()) + context.rest)


def test_whom_some_near_case_is_hidden_from_is_told_of_no_case_and_of_no_record():
    model = triage()
    assert model.severity is not None
    # Past tickets and near cases of a level are all that speaks for it.
    weights = np.zeros((N_INPUTS, len(SEVERITIES)))
    for level in range(len(SEVERITIES)):
        weights[N_HEADS + level, level] = weights[N_HEADS + len(SEVERITIES) + 1 + level, level] = 1.0
    model = replace(model, severity=replace(model.severity, stage=stage_of(weights, np.array([0.0, 9.0, 0.0, 0.0]))))
    past = PastRecord()
    past.add(Counted(Who("edge", None, "ann"), level=1, at=0.0))
    asked = replace(example("audience mismatch"), record=past.features(Who("edge", None, "ann"), at=0.0))
    near = near_cases(entry(1, None, "secret", severity=Severity.SEV2), entry(2, None, severity=Severity.SEV2))

    def reasons(groups: frozenset[str] | None) -> list[str]:
        return told_of(model, asked, near, groups).severity.why or []

    assert reasons(None)[:2] == ["the nearest cases are mostly sev2", "the product's past tickets"]
    assert reasons(frozenset({"secret"})) == ["the nearest cases are mostly sev2"]
    assert reasons(frozenset()) == []


def test_cases_without_a_severity_are_no_reason_for_one():
    model = triage()
    assert model.severity is not None
    weights = np.zeros((N_INPUTS, len(SEVERITIES)))
    weights[N_HEADS, 0] = 1.0
    model = replace(model, severity=replace(model.severity, stage=stage_of(weights, np.array([9.0, 0.0, 0.0, 0.0]))))
    past = PastRecord()
    for number in range(20):
        past.add(Counted(Who(None, None, None), level=3, at=float(number)))
    usual = past.features(Who(None, None, None), at=20.0)
    asked = replace(example("audience mismatch"), record=usual)
    [prediction] = model.predict([asked], ALONE)
    for near in (near_cases(entry(1, "login")), NOBODY):
        told = explained(model, asked, prediction, Surroundings(near, None, usual, lambda _: prediction))
        assert [reason for reason in told.severity.why or [] if "nearest" in reason] == []
