"""Words that name a topic: most of its tickets have them, and few others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from features.lexical import LexicalStatistics, surface_forms, term_hashes

_MOST_WORDS = 5
_COMMON = 0.5
_MIN_TEXTS = 3  # DESIGN, decision 3: what leaves the history is in at least three tickets


def common_words(texts: Sequence[str], statistics: LexicalStatistics) -> tuple[str, ...]:
    """Words of at least half of some model texts, the rarest in the history first, in lower case.

    Examples
    --------
    >>> common_words(["SAML login fails", "saml broken", "The SAML page"], LexicalStatistics.fit([]))
    ('saml',)
    """
    counts: Counter[str] = Counter()
    forms: dict[str, str] = {}
    for text in texts:
        own = surface_forms(text)
        counts.update(own.keys())
        forms = own | forms
    least = max(_MIN_TEXTS, _COMMON * len(texts))
    # Single letters and numbers name nothing.
    shared = [term for term, n in counts.items() if n >= least and len(term) > 2 and not term.isdigit()]
    shares = np.array([counts[term] / len(texts) for term in shared])
    order = np.argsort(-statistics.idf(term_hashes(shared)) * shares, kind="stable")
    return tuple(dict.fromkeys(forms[shared[at]].lower() for at in order.tolist()))[:_MOST_WORDS]
