import numpy as np
import pytest

from evaluation.gate import MIN_ROWS, compare

TRUTH = ["a", "b", "c"] * 40


def flipped(share: float, seed: int) -> list[str]:
    generator = np.random.default_rng(seed)
    return [str(generator.choice(list("abc"))) if generator.random() < share else truth for truth in TRUTH]


def test_the_same_answers_pass():
    result = compare("category", TRUTH, flipped(0.2, 1), flipped(0.2, 1))
    assert result.passed
    assert result.difference == 0.0
    assert result.ci95 == (0.0, 0.0)


def test_a_worse_challenger_is_refused_and_the_sentence_says_by_how_much():
    result = compare("category", TRUTH, flipped(0.9, 1), flipped(0.1, 2))
    assert not result.passed
    assert result.ci95[1] < 0
    assert "Macro-F1 of category" in result.reason
    assert f"is worse than the champion's {result.champion:.3f} on the same 120 tickets" in result.reason


def test_a_better_challenger_passes():
    assert compare("category", TRUTH, flipped(0.1, 2), flipped(0.9, 1)).passed


def test_a_difference_that_chance_could_make_passes():
    truth = TRUTH[: MIN_ROWS * 2]
    worse = ["b" if i == 0 else t for i, t in enumerate(truth)]
    result = compare("severity", truth, worse, truth)
    assert result.difference < 0
    assert result.passed
    assert "is not shown to be worse" in result.reason


def test_too_few_tickets_pass_and_the_sentence_claims_nothing():
    truth = TRUTH[: MIN_ROWS - 1]
    result = compare("category", truth, ["a"] * len(truth), truth)
    assert result.passed
    assert result.reason == "29 tickets with a category are too few to compare on; 30 would show something."


def test_no_answer_is_a_wrong_one():
    result = compare("severity", TRUTH, [None] * len(TRUTH), flipped(0.3, 1))
    assert not result.passed
    assert result.challenger == 0.0
    assert compare("severity", TRUTH, flipped(0.3, 1), [None] * len(TRUTH)).passed


def test_no_tickets_at_all():
    result = compare("category", [], [], [])
    assert result.passed
    assert np.isnan(result.difference)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_question_gets_the_same_interval(seed: int):
    first, second = (compare("category", TRUTH, flipped(0.3, seed), flipped(0.3, 9)) for _ in range(2))
    assert first == second
