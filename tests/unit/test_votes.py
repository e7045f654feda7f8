"""Votes of the nearest cases: shares that add up, whoever stands first among equals, alone as among many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.neighbours import Neighbours, Vote, vote_shares

CLASSES = ("a", "b", "c")


@st.composite
def ballots(draw, *, max_voters: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Falling cosines and the classes of the neighbours, of several tickets."""
    n, k = draw(st.integers(1, 5)), draw(st.integers(0, max_voters))
    # Of a few values, so that many are equal.
    cosines = [
        sorted(draw(st.lists(st.sampled_from([-1.0, 0.1, 0.5, 0.9, 1.0]), min_size=k, max_size=k)))[::-1]
        for _ in range(n)
    ]
    codes = [draw(st.lists(st.integers(-1, 2), min_size=k, max_size=k)) for _ in range(n)]
    return np.array(cosines, np.float32).reshape(n, k), np.array(codes, np.int64).reshape(n, k)


temperatures = st.sampled_from([0.01, 0.1, 1.0])


@given(ballots(), temperatures)
def test_shares_add_up_to_one(ballot: tuple[np.ndarray, np.ndarray], temperature: float):
    shares = vote_shares(*ballot, 3, temperature)
    assert shares.sum(axis=1) == pytest.approx(np.ones(len(shares)))
    assert np.all(shares >= 0)


@given(ballots(), temperatures, st.randoms(use_true_random=False))
def test_the_order_of_equals_does_not_matter(ballot, temperature: float, random):
    cosines, codes = ballot
    order = np.array(
        [sorted(range(cosines.shape[1]), key=lambda i: (-row[i], random.random())) for row in cosines.tolist()], int
    ).reshape(cosines.shape)
    shuffled = np.take_along_axis(cosines, order, 1), np.take_along_axis(codes, order, 1)
    assert np.array_equal(shuffled[0], cosines)
    assert vote_shares(*shuffled, 3, temperature) == pytest.approx(vote_shares(*ballot, 3, temperature), abs=1e-12)


@given(ballots(), temperatures)
def test_who_has_no_label_does_not_vote(ballot, temperature: float):
    cosines, codes = ballot
    for row, code in zip(cosines, codes, strict=True):
        voters = code >= 0
        with_all = vote_shares(row[None], code[None], 3, temperature)
        alone = vote_shares(row[None, voters], code[None, voters], 3, temperature)
        assert with_all == pytest.approx(alone, abs=1e-12)


@pytest.mark.parametrize("codes", [np.empty((2, 0), np.int64), np.full((2, 4), -1)])
def test_nobody_s_vote_is_even(codes: np.ndarray):
    cosines = np.full(codes.shape, 0.5, np.float32)
    assert vote_shares(cosines, codes, 4, 0.1).tolist() == [[0.25] * 4] * 2


@given(ballots(), temperatures)
def test_a_ticket_alone_gets_the_very_vote_it_gets_among_many(ballot, temperature: float):
    cosines, codes = ballot
    together = Vote(temperature, 0.6).scores(cosines, codes, 3)
    for i in range(len(cosines)):
        assert np.array_equal(Vote(temperature, 0.6).scores(cosines[i : i + 1], codes[i : i + 1], 3)[0], together[i])


def test_the_nearer_counts_more_and_the_colder_the_more_so():
    cosines, codes = np.array([[0.9, 0.8, 0.8]], np.float32), np.array([[0, 1, 1]])
    warm, cold = (vote_shares(cosines, codes, 2, temperature)[0, 0] for temperature in (1.0, 0.05))
    assert warm < 0.5 < cold
    assert cold == pytest.approx(1 / (1 + 2 * np.exp(-0.1 / 0.05)), rel=1e-4)


def test_far_neighbours_of_a_far_ticket_still_vote():
    shares = vote_shares(np.array([[-0.9, -0.95]], np.float32), np.array([[1, 1]]), 2, 0.01)
    assert shares.tolist() == [[0.0, 1.0]]


def test_no_share_is_so_small_that_a_class_is_impossible():
    scores = Vote(0.1, 1.0).scores(np.array([[1.0]], np.float32), np.array([[0]]), 3)
    assert np.all(np.isfinite(scores))
    assert scores[0, 0] > scores[0, 1] == scores[0, 2]


def test_labels_that_the_source_writes_otherwise_vote_for_their_class():
    neighbours = Neighbours(
        np.array([[0.9, 0.8, 0.7, 0.6]], np.float32),
        np.array([[3, 0, 1, 2]]),
        {"category": ["A ", "b", None, "gone"], "team": ["b", None, "c", "a"]},
    )
    assert neighbours.codes("category", CLASSES, {"A ": "a", "gone": "not a class"}).tolist() == [[-1, 0, 1, -1]]
    assert neighbours.codes("category", CLASSES).tolist() == [[-1, -1, 1, -1]]
    assert neighbours.codes("team", CLASSES).tolist() == [[0, 1, -1, 2]]
