"""Words that name a topic: many of its tickets have them, and few others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from features.lexical import LexicalStatistics, surface_forms, term_hashes

_MOST_WORDS = 5
_COMMON = 0.3
_MIN_TEXTS = 3  # DESIGN, decision 3: what leaves the history is in at least three tickets


def common_words(texts: Sequence[str], statistics: LexicalStatistics) -> tuple[str, ...]:
    """Words of many of some model texts that few others have, the most telling first, in lower case.

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
    # Share of the texts times the log of how much larger it is than that of all: exp(-idf) is nearly the latter.
    telling = shares * (statistics.idf(term_hashes(shared)) + np.log(shares))
    order = np.argsort(-telling, kind="stable")[: int((telling > 0).sum())]
    return tuple(dict.fromkeys(forms[shared[at]].lower() for at in order.tolist()))[:_MOST_WORDS]
