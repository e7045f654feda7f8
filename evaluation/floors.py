"""Simple models to be better than, fitted on the same rows: majority, TF-IDF machines, frozen embeddings.

Fixed once; they do not change when the product does.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC


def majority(labels: Sequence[str]) -> str:
    """The most frequent label; of equals the first by name.

    Examples
    --------
    >>> majority(["b", "a", "b"])
    'b'
    """
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


def tfidf_svm(train: Sequence[str], labels: Sequence[str], test: Sequence[str], *, balanced: bool = False) -> list[str]:
    """Answers of a linear SVM (C=1) over word 1- and 2-grams; a single class answers itself.

    Parameters
    ----------
    balanced : bool
        Weigh classes by the inverse of their frequency.
    """
    if len(set(labels)) < 2:
        return [majority(labels)] * len(test)
    vectorizer = _vectorizer(len(train))
    if not _has_terms(vectorizer, train):
        return [majority(labels)] * len(test)
    model = LinearSVC(C=1.0, class_weight="balanced" if balanced else None, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(vectorizer.fit_transform(train), list(labels))
    return [str(label) for label in model.predict(vectorizer.transform(test))]


def tfidf_lr_probabilities(
    train: Sequence[str], levels: NDArray[np.int64], test: Sequence[str], n_levels: int
) -> NDArray[np.float64]:
    """Probabilities of levels by a logistic regression (C=3) over word 1- and 2-grams; shape (n_test, n_levels)."""
    out = np.zeros((len(test), n_levels))
    if len(np.unique(levels)) < 2:
        out[:, levels[0]] = 1.0
        return out
    vectorizer = _vectorizer(len(train))
    if not _has_terms(vectorizer, train):
        out[:] = np.bincount(levels, minlength=n_levels) / len(levels)
        return out
    model = LogisticRegression(C=3.0, max_iter=300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(vectorizer.fit_transform(train), levels)
    out[:, model.classes_] = model.predict_proba(vectorizer.transform(test))
    return out


def frozen_embeddings(train: NDArray[np.float32], labels: Sequence[str], test: NDArray[np.float32]) -> list[str]:
    """Answers of a logistic regression (C=10) over embeddings of shape (n, dimension)."""
    if len(set(labels)) < 2:
        return [majority(labels)] * len(test)
    model = LogisticRegression(C=10.0, max_iter=300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(train, list(labels))
    return [str(label) for label in model.predict(test)]


def _has_terms(vectorizer: TfidfVectorizer, texts: Sequence[str]) -> bool:
    """Whether the texts share any term that the vectorizer keeps; it raises where they do not."""
    try:
        vectorizer.fit(texts)
    except ValueError:
        return False
    return True


def _vectorizer(n_texts: int) -> TfidfVectorizer:
    # A few texts may share no term at all; min_df 2 would leave nothing to learn from.
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2 if n_texts >= 50 else 1, dtype=np.float32)
