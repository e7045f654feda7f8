"""What each word and field of a ticket adds to a linear score: exact shares, which sum to it.

A word has what its n-grams add and what its tokens add to the embedding, since a linear score over a mean of token
vectors splits into its tokens. Of a ticket whose tokens are not known, what the embedding adds belongs to no word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.feature_space import Example, FeatureSpace
from features.ngrams import words_at
from features.sparse_rows import TermWeights
from serving.explain_shown import telling_words
from serving.heads import LinearHead

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shares:
    """What adds up to a score: ``named`` by word, phrase and field, and a ``rest`` that is in no word."""

    named: dict[str, float]
    rest: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a ticket gives the heads, by word and by field.

    Attributes
    ----------
    words : tuple of str or None, length n_tokens
        The word of each token; None between words, and of tokens that the encoder adds.
    tokens : ndarray of float64, shape (n_tokens, dimension)
        Sums to the embedding as the heads read it. One that is in no word, where tokens are not known.
    names : tuple of str, length n_structured
    structured : ndarray of float64, shape (n_structured,)
        The value of each structured column.
    tells : callable
        Whether a reason may name a phrase.
    """

    terms: TermWeights
    words: tuple[str | None, ...]
    tokens: Floats
    names: tuple[str, ...]
    structured: Floats
    tells: Callable[[str], bool]

    @classmethod
    def of(cls, space: FeatureSpace, example: Example) -> Evidence:
        """Take an example apart."""
        found = example.tokens
        words: list[str | None] = [None]
        tokens = example.vector[None].astype(np.float64)
        if found is not None:
            # A token may begin with the blank before its word: the word is told by where it ends.
            starts, ends = found.spans.T
            words = words_at(example.text.text, np.where(ends > starts, ends - 1, -1))
            tokens = found.vectors
        return cls(
            terms=space.vectorizer.take_apart(example.text),
            words=tuple(words),
            tokens=tokens * space.dense_weight,
            names=space.structured.names,
            structured=space.structured.transform([example.ticket])[0].astype(np.float64) * space.structured_weight,
            tells=telling_words(example),
        )

    def shares(self, head: LinearHead, outputs: Floats) -> Shares:
        """What each word, phrase and field adds to ``head.scores @ outputs``, without the intercept.

        Parameters
        ----------
        outputs : ndarray of float64, shape (n_outputs,)
            Factor of each of the head's scores; a single 1 picks a score.
        """
        phrases = self.terms.contributions(head.sparse_weights, outputs)
        dense = head.dense_weights @ outputs
        dimension = self.tokens.shape[1]
        rest = 0.0
        for word, share in zip(self.words, (self.tokens @ dense[:dimension]).tolist(), strict=True):
            if word is None:
                rest += share
            else:
                phrases[word] += share
        named = {_label(phrase): share for phrase, share in phrases.items()}
        for column in np.flatnonzero(self.structured).tolist():
            named[self.names[column]] = float(self.structured[column] * dense[dimension + column])
        return Shares(named, rest)

    def worth_telling(self, named: Mapping[str, float]) -> dict[str, float]:
        """Those of the named shares that a reason may list: without words that every ticket has."""
        silent = {_label(phrase) for phrase in self.terms.phrases if not self.tells(phrase)}
        return {name: share for name, share in named.items() if name not in silent}


def word_label(word: str) -> str:
    """A word as a reason names it."""
    return f'word "{word}"'


def _label(phrase: str) -> str:
    return f'phrase "{phrase}"' if " " in phrase else word_label(phrase)
