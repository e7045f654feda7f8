"""The languages that a release has learned: those with enough training tickets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from features.feature_space import Example
from features.language import ticket_language
from training.params import TrainingParams


def count_languages(examples: Sequence[Example]) -> dict[str, int]:
    """Tickets of each language, as the source gives it or else as it is told; those of an unknown one are left out."""
    found = (ticket_language(example.ticket, example.text) for example in examples)
    return dict(Counter(language for language in found if language is not None))


def trained_languages(counts: Mapping[str, int], params: TrainingParams) -> frozenset[str]:
    """Languages with ``language_at_least`` tickets or, in a small history, ``language_share`` of them.

    Examples
    --------
    >>> sorted(trained_languages({"en": 400, "de": 25, "fr": 6}, TrainingParams()))
    ['de', 'en']
    >>> sorted(trained_languages({"en": 40, "de": 12, "fr": 1}, TrainingParams()))
    ['de', 'en']
    """
    enough = min(params.language_at_least, params.language_share * sum(counts.values()))
    return frozenset(language for language, n in counts.items() if n >= enough)
