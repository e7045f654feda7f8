"""Learning to rank from links: what is learned, what a relevance is worth, and when not to learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluation.dataset import RankingGroup
from evaluation.retrieval import rank_of_best_hit
from serving.ranking import SIGNALS, UNTRAINED
from training.params import TrainingParams
from training.ranker import MIN_LINKED, calibrated, fit_ranker, fit_weights

PARAMS = TrainingParams()
TELLING = SIGNALS.index("rarest_shared")
MISLEADING = SIGNALS.index("recency_20")
NEAREST = SIGNALS.index("nearest_cosine")


def made_groups(n: int, *, linked: bool = True, seed: int = 0, nearer: float = 0.0) -> list[RankingGroup]:
    """Queries whose match shares rare terms most of the time and is older than the rest.

    The history comes nearer to those that have a match by ``nearer``.
    """
    generator = np.random.default_rng(seed)
    groups = []
    for number in range(n):
        matrix = generator.random((30, len(SIGNALS)))
        is_match = np.zeros(30, dtype=bool)
        if linked:
            is_match[generator.integers(30)] = True
            matrix[is_match, TELLING] += generator.choice([0.3, 1.2])
            matrix[is_match, MISLEADING] *= 0.3
        matrix[:, NEAREST] = 0.5 + 0.1 * generator.random() + nearer * linked
        groups.append(RankingGroup(float(number), np.arange(30), matrix, is_match, int(linked)))
    return groups


def mean_reciprocal_rank(weights: np.ndarray, groups: list[RankingGroup]) -> float:
    return float(np.mean([1 / rank_of_best_hit(group.matrix @ weights, group.is_match) for group in groups]))


def test_weights_find_the_telling_signal_and_never_count_against_a_case():
    weights = fit_weights(made_groups(60))
    assert weights.argmax() == TELLING
    assert weights.min() >= 0.0
    assert weights[MISLEADING] == 0.0
    assert mean_reciprocal_rank(weights, made_groups(60, seed=1)) > 0.5


def test_weights_do_not_depend_on_the_order_of_groups_or_the_unit_of_a_signal():
    groups = made_groups(40)
    weights = fit_weights(groups)
    assert fit_weights(groups[::-1]) == pytest.approx(weights, abs=1e-3)
    scaled = [
        replace(group, matrix=group.matrix * np.where(np.arange(len(SIGNALS)) == TELLING, 100, 1)) for group in groups
    ]
    assert fit_weights(scaled)[TELLING] * 100 == pytest.approx(weights[TELLING], rel=1e-2)


def test_a_signal_that_never_varies_keeps_its_prior():
    column = SIGNALS.index("same_product")
    groups = [replace(group, matrix=group.matrix * (np.arange(len(SIGNALS)) != column)) for group in made_groups(30)]
    assert fit_weights(groups)[column] == 0.0
    prior = np.full(len(SIGNALS), 0.5)
    assert fit_weights(groups, prior=prior)[column] == 0.5


def test_little_data_stays_near_the_prior():
    prior = np.array(UNTRAINED.weights)
    near = fit_weights(made_groups(25), prior=prior, regularisation=1e-6)
    assert near == pytest.approx(prior, abs=1e-2)


def test_with_few_links_the_untrained_ranker_stays():
    few = made_groups(MIN_LINKED - 1) + made_groups(300, linked=False)
    assert fit_ranker(few, PARAMS) is UNTRAINED
    missed = [replace(group, is_match=np.zeros(30, dtype=bool)) for group in made_groups(50)]
    assert fit_ranker(missed, PARAMS) is UNTRAINED, "matches that are no candidates teach nothing"
    assert fit_ranker([], PARAMS) is UNTRAINED


def test_relevance_is_a_probability_among_what_is_shown():
    groups = sorted(made_groups(200) + made_groups(200, linked=False, seed=5), key=lambda group: group.created_at)
    ranker = fit_ranker(groups, PARAMS)
    assert ranker.trained
    later = made_groups(200, seed=1) + made_groups(200, linked=False, seed=6)
    said, right = [], []
    for group in later:
        relevance = ranker.relevance(group.matrix)
        best = np.argsort(-relevance)[:5]
        said.extend(relevance[best])
        right.extend(group.is_match[best])
    assert np.mean(said) == pytest.approx(np.mean(right), abs=0.03)
    strong = [hit for value, hit in zip(said, right, strict=True) if value >= ranker.strong]
    assert np.mean(strong) >= PARAMS.strong_precision - 0.05
    assert ranker.possible <= ranker.strong


def test_the_order_of_groups_does_not_matter():
    groups = made_groups(60) + made_groups(20, linked=False, seed=3)
    forwards, backwards = fit_ranker(groups, PARAMS), fit_ranker(groups[::-1], PARAMS)
    assert forwards.weights == pytest.approx(backwards.weights, abs=1e-3)
    assert forwards.strong == pytest.approx(backwards.strong, abs=1e-3)


def test_weights_that_say_nothing_are_kept_in_their_order():
    groups = [replace(group, matrix=-group.matrix) for group in made_groups(60)]
    weights = np.zeros(len(SIGNALS))
    weights[TELLING] = 2.0
    ranker = calibrated(weights, groups, PARAMS)
    assert ranker.weights[TELLING] == 2.0, "a slope of zero would rank all alike"
    assert ranker.strong >= ranker.possible


def test_nothing_to_calibrate_on_promises_nothing():
    ranker = calibrated(np.ones(len(SIGNALS)), [], PARAMS)
    assert ranker.strong == PARAMS.strong_precision


def test_strong_is_rare_for_tickets_without_a_match():
    groups = made_groups(200) + made_groups(800, linked=False, seed=5)
    ranker = fit_ranker(groups, PARAMS)
    best = np.array([ranker.relevance(group.matrix).max() for group in made_groups(800, linked=False, seed=6)])
    assert np.mean(best >= ranker.strong) <= PARAMS.strong_for_unlinked + 0.01


def test_what_is_possible_misses_few_matches():
    groups = made_groups(400) + made_groups(400, linked=False, seed=5)
    for recall in (0.7, 0.95):
        ranker = fit_ranker(groups, TrainingParams(possible_recall=recall))
        kept = []
        for group in made_groups(400, seed=1):
            relevance = ranker.relevance(group.matrix)
            best = np.argsort(-relevance)[:10]
            kept += (relevance[best] >= ranker.possible)[group.is_match[best]].tolist()
        assert np.mean(kept) == pytest.approx(recall, abs=0.05)


def test_a_history_that_comes_near_is_weighed_where_it_tells_and_moves_no_order():
    unlinked = made_groups(300, linked=False, seed=5)
    assert fit_ranker(made_groups(300) + unlinked, PARAMS).weights[NEAREST] < 0.5
    ranker = fit_ranker(made_groups(300, nearer=0.2) + unlinked, PARAMS)
    assert ranker.weights[NEAREST] > 5.0
    far, near = (made_groups(40, seed=1, nearer=nearer) for nearer in (0.0, 0.2))
    for a, b in zip(far, near, strict=True):
        assert np.array_equal(np.argsort(ranker.score(a.matrix)), np.argsort(ranker.score(b.matrix)))
        assert ranker.relevance(a.matrix).max() < ranker.relevance(b.matrix).max()
    away = made_groups(300, nearer=-0.2) + unlinked
    assert fit_ranker(away, PARAMS).weights[NEAREST] == 0.0, "nearness never speaks against a match"


def test_a_sample_of_unlinked_tickets_counts_for_all_of_them():
    linked, sample = made_groups(200), made_groups(200, linked=False, seed=5)
    plain = fit_ranker(linked + sample, PARAMS)
    weighed = fit_ranker(linked + [replace(group, stands_for=10.0) for group in sample], PARAMS)
    matrices = [group.matrix for group in made_groups(40, linked=False, seed=7)]
    assert weighed.relevance(np.vstack(matrices)).mean() < 0.7 * plain.relevance(np.vstack(matrices)).mean()
    for matrix in matrices:
        assert np.array_equal(np.argsort(weighed.score(matrix)), np.argsort(plain.score(matrix)))


def test_length_alone_may_speak_against_a_case():
    column = SIGNALS.index("log_length")
    groups = made_groups(60)
    for group in groups:
        group.matrix[group.is_match, column] -= 1.0
    weights = fit_weights(groups)
    assert weights[column] < 0.0
    assert np.delete(weights, column).min() >= 0.0


def test_candidates_that_are_all_matches_tell_nothing_of_nearness():
    groups = [
        replace(group, row_ids=np.arange(2), matrix=group.matrix[:2], is_match=np.ones(2, dtype=bool), n_matches=2)
        for group in made_groups(40)
    ]
    assert fit_ranker(groups, PARAMS).weights[NEAREST] == 0.0


@pytest.mark.parametrize("cosine", [0.1, 0.3, 0.7, 0.83])
def test_a_history_that_is_as_near_to_every_ticket_weighs_nothing(cosine: float):
    groups = made_groups(60) + made_groups(60, linked=False, seed=5)
    for group in groups:
        group.matrix[:, NEAREST] = cosine
    assert fit_ranker(groups, PARAMS).weights[NEAREST] == 0.0
