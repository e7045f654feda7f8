"""Reasons of an answer: exact shares of its score, in the ticket's own words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.feature_space import Example, FeatureSpace
from features.ngrams import NgramVectorizer
from features.structured import StructuredColumns
from features.text import ModelText
from features.ticket import SEVERITIES, Severity, Ticket
from serving.decision import Thresholds
from serving.explain import MAX_REASONS, Evidence, explained, towards
from serving.heads import LinearHead
from serving.neighbours import Neighbours, Vote
from serving.parents import Parent
from serving.severity_model import N_HEADS, N_INPUTS, SecondStage, SeverityModel
from serving.target_model import TargetModel
from serving.triage import Triage
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


# Nobody is near: what a neighbour adds belongs to no word.
ALONE = Neighbours(np.empty((1, 0), np.float32), np.empty((1, 0), np.int64), {})


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


def example(text: str, product: str | None = "edge") -> Example:
    return Example(Ticket(product=product), asked_text(text), np.zeros(DIMENSION, np.float32))


@given(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join), st.sampled_from(["edge", "hub", "other", None]))
def test_contributions_add_up_to_the_score_without_the_embedding(text: str, product: str | None):
    where = space()
    scores = head(where, 3)
    asked = example(text, product)
    outputs = np.array([0.5, 0.0, -2.0])
    shares = Evidence.of(where, asked).contributions(scores, outputs)
    expected = float(scores.scores(where.transform([asked]))[0] @ outputs)
    assert sum(shares.values()) == pytest.approx(expected, abs=1e-4)
    assert {name for name in shares if name.startswith("word")} == {f'word "{word}"' for word in text.lower().split()}


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
    share = scores @ towards(level, weights)
    assert share == pytest.approx(by_level[SEVERITIES.index(level)] - by_level.mean())
    assert np.sign(share) == np.sign(by_level[SEVERITIES.index(level)] - others.mean())
    # A softmax does not change when every level gains the same, and nor do reasons.
    assert towards(level, weights + RANDOM.standard_normal((N_INPUTS, 1))) == pytest.approx(towards(level, weights))


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
        stage=SecondStage(RANDOM.standard_normal((N_INPUTS, len(SEVERITIES))) * 0.1, np.zeros(len(SEVERITIES))),
        costs=np.array(DEFAULT_COSTS),
        thresholds=Thresholds(suggest=0.0, automate=None),
        sev1_threshold=0.5,
    )
    return Triage(where, category, severity, {"team": category}, novelty=None)


def test_the_strongest_words_and_fields_are_named():
    model = triage()
    asked = example("audience mismatch of a saml login")
    [plain] = model.predict([asked], ALONE)
    told = explained(model, asked, plain)
    assert told.category.value == "login"
    assert told.category.why == told.targets["team"].why == ['word "audience"', "product=edge"]
    assert told.severity.why is not None
    assert 0 < len(told.severity.why) <= MAX_REASONS
    assert (plain.category.why, plain.severity.why, plain.targets["team"].why) == (None, None, None)


def test_an_abstention_tells_of_the_most_likely_class():
    model = triage()
    assert model.category is not None
    unsure = replace(model, category=replace(model.category, thresholds=Thresholds(suggest=None, automate=None)))
    asked = example("audience mismatch of a saml login")
    told = explained(unsure, asked, unsure.predict([asked], ALONE)[0])
    assert told.category.value is None
    assert told.category.why == ['word "audience"', "product=edge"]


def test_what_was_not_trained_has_no_reasons():
    model = replace(triage(), category=None, severity=None, targets={})
    asked = example("audience mismatch")
    told = explained(model, asked, model.predict([asked], ALONE)[0])
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
    told = explained(model, asked, model.predict([asked], ALONE)[0])
    assert told.category.why is not None
    assert max(len(reason) for reason in told.category.why) <= 81


def test_a_parent_is_explained_by_what_speaks_for_all_of_its_labels():
    model = triage()
    assert model.category is not None
    parent = Parent("all", 1, (0, 1))
    unsure = replace(model.category, parents=(parent,), thresholds=Thresholds(suggest=0.999999, automate=None))
    model, asked = replace(model, category=unsure), example("audience mismatch")
    [plain] = model.predict([asked], ALONE)
    told = explained(model, asked, plain)
    assert told.category.value == "all"
    assert told.category.why == ['word "audience"', "product=edge"]
