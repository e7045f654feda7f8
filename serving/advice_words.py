"""Words of sentences that end a case without saying what was done ("fixed, thanks", "committed to trunk")."""

from __future__ import annotations

import re

_PROCEDURAL = frozenset(  # split, since the formatter would give each word a line of its own
    "a above again all already also and any anymore applied apply are as ask asked at attached backport "  # noqa: SIM905
    "backported be been branch branches bug by can case change changes cherry close closed closes closing "
    "comment commit commited commits committed compiled confirm confirmed contributing could customer did do "
    "does done dup duplicate duplicated either else everyone few file filed fix fixed fixes fixing for from "
    "get go going good got great has have he head heard here hi i if in integrated into is issue issues it "
    "its jenkins jira jiras just later latest let lgtm like long look looks marking master me merge merged my "
    "need needs no not nothing now of ok on one only open opened or our out part patch patches per picked "
    "please pr problem pushed related release released reopen reopened reopening replied reply reproduced "
    "resolve resolved resolving response rev review reviewed revision same see seems she should since small "
    "snapshot so solved some still subversion such sure svn test tested tests than thank thanks that the "
    "their them then there these they this those ticket to today too trunk up us version via was we went were "
    "what when which while will with work worked working works would yes yet you your".split()
)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
# Cases, revisions, hashes, branches, versions, numbers, masks.
_REFERENCE = re.compile(
    r"https?://\S+|\b(?:[A-Z][A-Z0-9]+[-_]\d+|[rR]ev\w{0,12}\W{0,3}\d+|r\d{4,}|[0-9a-f]{7,40}|branch-\S+"
    r"|v?\d+(?:\.\w+)*)\b|#\d+|<[A-Z_]+>"
)


def n_telling_words(sentence: str) -> int:
    """Number of different words beyond the procedural ones, references and numbers left out.

    Examples
    --------
    >>> n_telling_words("Committed to trunk in r12345, thanks"), n_telling_words("Renewed the certificate")
    (0, 2)
    """
    return len({word.lower() for word in _WORD.findall(_REFERENCE.sub(" ", sentence))} - _PROCEDURAL)
