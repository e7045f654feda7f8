"""What is asked of runbooks: a ticket's text without template placeholders, and the vectors of text and subject."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.encoder import Encoder
from features.lexical import TermCounts, document_terms
from features.text import ModelText

# A subject says in few words what a description tells at length; chosen as docs/index.md says.
_SUBJECT_REPEATS = 3
# What alerting rules leave open: {{ $labels.namespace }}, {{ $value }}. Only the labels' names say something.
_PLACEHOLDER = re.compile(r"\{\{([^{}]{0,200})\}\}")
_LABEL = re.compile(r"\$labels\.(\w+)")


@dataclass(frozen=True, slots=True, eq=False)
class RunbookQuery:
    """A ticket, ready to be compared with runbooks.

    Attributes
    ----------
    text : ModelText
        Without placeholders.
    vectors : ndarray of float32, shape (2, dimension), rows of length 1
        The encoder's, of the whole text and of the subject; twice that of the text where there is no subject.
    """

    text: ModelText
    vectors: NDArray[np.float32]

    @classmethod
    def of(cls, text: ModelText, vector: NDArray[np.float32], encoder: Encoder) -> RunbookQuery:
        """Embed the subject, and the text too where it held placeholders.

        Parameters
        ----------
        vector : ndarray of float32, shape (dimension,)
            The encoder's, of ``text.text``.
        """
        clean = ModelText(without_placeholders(text.subject), without_placeholders(text.body))
        missing = [*([clean.subject] if clean.subject else []), *([clean.text] if clean != text else [])]
        made = encoder.encode(missing) if missing else np.empty((0, len(vector)), dtype=np.float32)
        whole = made[-1] if clean != text else vector
        return cls(clean, np.stack([whole, made[0] if clean.subject else whole]))

    def terms(self) -> TermCounts:
        """The words to look for: those of the subject count three times."""
        return document_terms("", "\n".join([*[self.text.subject] * _SUBJECT_REPEATS, self.text.body])).text


def without_placeholders(text: str) -> str:
    """Drop what a template leaves open, but for the names of labels.

    Examples
    --------
    >>> without_placeholders("Pod {{ $labels.namespace }}/{{ $labels.pod }} restarts {{ $value | humanize }} times")
    'Pod namespace/pod restarts  times'
    """
    return _PLACEHOLDER.sub(lambda found: " ".join(_LABEL.findall(found.group(1))), text)
