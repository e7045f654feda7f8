"""What every model of a release sees of a ticket: n-grams, sentence embedding and structured fields together.

Frozen embeddings alone lose to bags of words on helpdesk text and win on short questions; both together win on both
(DESIGN, decision 5). The blocks are kept apart, sparse and dense, and scaled so that none drowns the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.ngrams import NgramVectorizer, SparseRows
from features.structured import StructuredColumns
from features.text import ModelText
from features.ticket import Ticket


@dataclass(frozen=True, slots=True)
class Example:
    """One ticket ready for the models.

    ``vector`` is the L2-normalised embedding of ``text.text``: ndarray of float32, shape (dimension,).
    """

    ticket: Ticket
    text: ModelText
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """Features of n tickets: sparse n-grams, and a dense block of shape (n, dimension + n_structured), float32."""

    sparse: SparseRows
    dense: NDArray[np.float32]

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
        vectors = np.stack([example.vector for example in examples]) * np.float32(self.dense_weight)
        structured = self.structured.transform([example.ticket for example in examples])
        return FeatureRows(
            sparse=self.vectorizer.transform(example.text.text for example in examples),
            dense=np.hstack([vectors, structured * np.float32(self.structured_weight)]).astype(np.float32),
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
