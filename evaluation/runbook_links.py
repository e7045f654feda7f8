"""Which runbook a ticket needs, scored by the links of resolved tickets: by the text alone, no link is given away."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from evaluation.retrieval import RetrievalFigures, rank_of_best_hit, retrieval_figures
from features.encoder import Encoder
from features.feature_space import Example
from features.runbook_index import RunbookIndex
from features.runbook_query import RunbookQuery

METHODS = ("lexical", "dense", "fused")


def runbook_link_figures(
    index: RunbookIndex, encoder: Encoder, linked: Iterable[tuple[Example, frozenset[str]]]
) -> dict[str, RetrievalFigures]:
    """Score the runbook index on tickets whose runbook is known.

    Parameters
    ----------
    encoder : Encoder
        The one that the index was made with.
    linked : iterable of (Example, frozenset of str)
        Each ticket with the ids of the runbooks that its case links to.

    Returns
    -------
    dict of str to RetrievalFigures
        By method: BM25 alone, the cosines of the best section alone, and what is served.
    """
    ids = index.ids
    ranks: dict[str, list[int]] = {name: [] for name in METHODS}
    for example, wanted in linked:
        is_hit: NDArray[np.bool_] = np.array([runbook in wanted for runbook in ids], dtype=np.bool_)
        if not is_hit.any():
            continue
        scores = index.scores(RunbookQuery.of(example.text, example.vector, encoder))
        for name in METHODS:
            ranks[name].append(rank_of_best_hit(getattr(scores, name), is_hit))
    return {name: retrieval_figures(found) for name, found in ranks.items()}
