"""An embedding taken apart into what each token of the text gives to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """The embedding of one text, which is the sum of its tokens' vectors.

    Attributes
    ----------
    embedding : ndarray of float32, shape (dimension,)
        Of length 1.
    spans : ndarray of int64, shape (n_tokens, 2)
        Where each token starts and ends in the text, in characters; equal for tokens that the encoder adds.
    vectors : ndarray of float64, shape (n_tokens, dimension)
    """

    embedding: Vectors
    spans: NDArray[np.int64]
    vectors: NDArray[np.float64]

    @classmethod
    def of(cls, embedding: Vectors, spans: NDArray[np.int64], tokens: Vectors) -> TokenVectors:
        """Scale what was pooled by its mean, so that it sums to the embedding.

        The mean divides by the number of tokens and the norm by its length: both are factors of every token alike.

        Examples
        --------
        >>> spans = np.array([[0, 5], [6, 11]])
        >>> found = TokenVectors.of(np.array([0.6, 0.8], np.float32), spans, np.array([[3, 0], [0, 4]], np.float32))
        >>> found.vectors.tolist()
        [[0.6, 0.0], [0.0, 0.8]]
        """
        exact = tokens.astype(np.float64)
        length = float(np.linalg.norm(exact.sum(axis=0)))
        return cls(embedding, spans, exact / length if length > 0 else exact)
