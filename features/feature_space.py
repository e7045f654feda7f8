"""What every model of a release sees of a ticket: n-grams, sentence embedding, structured fields, and its context.

Frozen embeddings alone lose to bags of words on helpdesk text and win on short questions; both together win on both
(DESIGN, decision 5). The blocks are kept apart, sparse and dense, and scaled so that none drowns the others. The
context (what the reporter's tickets have been, and the ticket's form) is read by severity alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.form import FORM_NAMES, form_features
from features.ngrams import NgramVectorizer
from features.past_record import RECORD_NAMES, empty_record
from features.sparse_rows import SparseRows
from features.structured import StructuredColumns
from features.text import ModelText
from features.ticket import Ticket
from features.token_vectors import TokenVectors

CONTEXT_NAMES: tuple[str, ...] = (*RECORD_NAMES, *FORM_NAMES)


@dataclass(frozen=True, slots=True)
class Example:
    """One ticket ready for the models.

    Attributes
    ----------
    vector : ndarray of float32, shape (dimension,)
        The L2-normalised embedding of ``text.text``.
    record : ndarray of float64, shape (len(RECORD_NAMES),)
        The past record of its reporter, customer and product when it was created (:mod:`features.past_record`).
    tokens : TokenVectors, optional
        ``vector`` by token, where somebody asked for reasons and the encoder can tell.
    """

    ticket: Ticket
    text: ModelText
    vector: NDArray[np.float32]
    record: NDArray[np.float64] = field(default_factory=empty_record)
    tokens: TokenVectors | None = None


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """Features of n tickets.

    Attributes
    ----------
    sparse : SparseRows
        N-grams.
    dense : ndarray of float32, shape (n, dimension + n_structured)
        Embedding and structured fields, weighted.
    vectors : ndarray of float32, shape (n, dimension)
        The embeddings as they are.
    context : ndarray of float64, shape (n, len(CONTEXT_NAMES))
    """

    sparse: SparseRows
    dense: NDArray[np.float32]
    vectors: NDArray[np.float32]
    context: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.sparse)


@dataclass(frozen=True, slots=True)
class FeatureSpace:
    """The learned feature space of a release.

    Attributes
    ----------
    dense_weight, structured_weight : float
        Factor of the embedding and of the structured columns beside the n-gram blocks, whose rows have length 1.
    """

    vectorizer: NgramVectorizer
    structured: StructuredColumns
    dense_weight: float
    structured_weight: float

    def transform(self, examples: Sequence[Example]) -> FeatureRows:
        """Compute the features of each example on its own: no row depends on another."""
        vectors = np.stack([example.vector for example in examples])
        structured = self.structured.transform([example.ticket for example in examples])
        return FeatureRows(
            sparse=self.vectorizer.transform(example.text for example in examples),
            dense=np.hstack(
                [vectors * np.float32(self.dense_weight), structured * np.float32(self.structured_weight)]
            ).astype(np.float32),
            vectors=vectors,
            context=np.stack(
                [np.concatenate([example.record, form_features(example.ticket, example.text)]) for example in examples]
            ),
        )

    def to_parts(self) -> tuple[dict[str, NDArray[np.generic]], dict[str, object]]:
        """Arrays and JSON that :meth:`from_parts` makes the same space of."""
        return self.vectorizer.to_arrays(), {
            "structured": list(self.structured.names),
            "dense_weight": self.dense_weight,
            "structured_weight": self.structured_weight,
        }

    @classmethod
    def from_parts(cls, arrays: Mapping[str, NDArray[np.generic]], config: Mapping[str, Any]) -> FeatureSpace:
        """Restore a space from :meth:`to_parts`."""
        return cls(
            vectorizer=NgramVectorizer.from_arrays(arrays),
            structured=StructuredColumns(tuple(config["structured"])),
            dense_weight=float(config["dense_weight"]),
            structured_weight=float(config["structured_weight"]),
        )
