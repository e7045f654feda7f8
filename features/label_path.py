"""A label as a path from its top to its leaf: ``Access > SSO > SAML`` lies under ``Access > SSO`` and ``Access``."""

from __future__ import annotations

import unicodedata

from features.sources.vocabulary import fold

SEPARATOR = ">"
LabelPath = tuple[str, ...]
"""Parts of a label from the top, in the form in which they are compared."""


def evened(label: str) -> str:
    """A label with single blanks between its words and none at its ends."""
    return " ".join(label.split())


def label_path(label: str, separator: str = SEPARATOR) -> LabelPath:
    """Path of a label; labels with the same path are the same label.

    Blank parts do not count, and a label of separators alone is a path of itself.

    Parameters
    ----------
    separator : str
        One with blanks around it parts a label only where the blanks are there.

    Examples
    --------
    >>> label_path("Access>SSO  >  saml") == label_path("access > sso > SAML")
    True
    >>> label_path("Sign-in - Web", " - ")
    ('sign-in', 'web')
    """
    # An accent may be a letter's own or a sign after it: nobody sees which.
    label = unicodedata.normalize("NFC", evened(label))
    parts = tuple(folded for part in label.split(separator) if (folded := fold(part)))
    return parts or (fold(label),)


def ancestor(label: str, depth: int, separator: str = SEPARATOR) -> str:
    """The first ``depth`` parts of a label in the label's own spelling; a shorter label whole.

    Examples
    --------
    >>> ancestor("Access > SSO > SAML", 2)
    'Access > SSO'
    """
    parts = evened(label).split(separator)
    seen = 0
    for number, part in enumerate(parts, start=1):
        seen += bool(part.strip())
        if seen == depth:
            return separator.join(parts[:number]).strip()
    return evened(label)


def is_under(label: str, parent: str, separator: str = SEPARATOR) -> bool:
    """Whether a label is the parent, or lies below it.

    Examples
    --------
    >>> is_under("access>sso", "Access"), is_under("Accessories", "Access")
    (True, False)
    """
    above = label_path(parent, separator)
    return label_path(label, separator)[: len(above)] == above
