"""Tickets that name an error code and say nothing else: what is wanted are the cases that name it too.

Relevance is of tickets that say something: a code alone is too little to make a case likely to be of its problem.
"""

from __future__ import annotations

import numpy as np

from features.case_index import CaseIndex
from features.feature_space import Example
from features.lexical import document_terms
from features.text import identifiers
from serving.decision import too_little_text
from serving.ranking import Pool


def rows_naming(example: Example, pool: Pool, index: CaseIndex) -> frozenset[int]:
    """Rows of the candidates that name every identifier of a ticket that says nothing else; none of other tickets."""
    named = [token for token in identifiers(example.ticket) if token in example.text.text]
    rest = example.text.text
    for token in named:
        rest = rest.replace(token, " ")
    if not named or not too_little_text(rest):
        return frozenset()
    wanted = document_terms(" ".join(named), "").text.hashes
    terms = index.terms([candidate.row_id for candidate in pool.candidates])
    return frozenset(row for row, held in terms.items() if np.isin(wanted, held).all())
