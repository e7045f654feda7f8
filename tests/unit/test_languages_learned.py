"""Which languages a release has learned."""

import numpy as np
import pytest

from features.feature_space import Example
from features.text import ModelText
from features.ticket import Ticket
from training.languages import count_languages, trained_languages
from training.params import TrainingParams

ITALIAN = "Da stamattina nessuno dei nostri utenti riesce ad accedere, e non sappiamo perché."


def example(language: str | None, text: str = "login page broken") -> Example:
    return Example(Ticket(language=language), ModelText(text, ""), np.zeros(2, dtype=np.float32))


def test_given_languages_count_first_and_unknown_ones_not_at_all():
    rows = [example("de-AT"), example("DE"), example("de", ITALIAN), example(None, ITALIAN), example(None)]
    assert count_languages(rows) == {"de": 3, "it": 1}


@pytest.mark.parametrize(
    ("counts", "trained"),
    [
        ({}, set()),
        ({"en": 5}, {"en"}),
        ({"en": 300, "de": 20, "fr": 19}, {"en", "de"}),
        ({"en": 90, "de": 10, "fr": 9}, {"en"}),
        ({"en": 80, "de": 10, "fr": 9}, {"en", "de"}),
    ],
)
def test_enough_tickets_or_a_share_of_a_small_history(counts: dict[str, int], trained: set[str]):
    assert trained_languages(counts, TrainingParams()) == trained


def test_the_bounds_are_parameters():
    params = TrainingParams(language_at_least=50, language_share=0.4)
    assert trained_languages({"en": 60, "de": 40}, params) == {"en", "de"}
    assert trained_languages({"en": 160, "de": 40}, params) == {"en"}
