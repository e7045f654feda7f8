"""What names a problem in a ticket's text: error codes, exception classes, the frames where it was thrown.

Two tickets that share one of these are about the same thing far more often than two that share words.
"""

from __future__ import annotations

from collections.abc import Sequence

from features.linear_regex import Pattern, decode, encode
from features.traces import reduce_traces

MAX_IDENTIFIERS = 24
_MAX_FRAMES = 8

_CODE = (
    r"\bCVE-[0-9]{4}-[0-9]{3,7}\b"  # first, or its year is a code
    r"|\b[A-Z][A-Z0-9]{1,9}-[0-9]{2,7}\b"  # CBL-4012, ORA-00942, HDFS-1314
    r"|\b(?:[A-Z][A-Z0-9]{1,9}-){2,3}[0-9]{1,7}\b"  # ERR-LBL-7
    r"|\b0[xX][8cC][0-9A-Fa-f]{7}\b"  # HRESULT, NTSTATUS
    r"|\bE(?:CONN|NO|ACC|PIPE|TIMED|HOST|ADDR|INVAL|PERM|EXIST|AGAIN|MFILE|BUSY|RR_)[A-Z_]*\b"  # errno
    r"|\b[A-Z][A-Z0-9]{1,30}(?:_[A-Z0-9]{1,30}){1,8}\b"  # SSS_TIME_LIMIT_EXCEEDED
    r"|\b(?:E[0-9]{3,6}|[A-Z]{2,8}[0-9]{4,6})\b"  # E7741, AADSTS50011
    r"|\bSQLSTATE[ :=\[]{1,2}[0-9A-Z]{5}\b"
)
# Standards, encodings and dates are spelled like error codes.
_NO_CODE = Pattern(
    r"(?:UTF|SHA|ISO|RFC|AES|MD|TLS|SSL|RSA|IPV|BASE|HTTP|UTC|GMT|PEP|CP|KOI|JDK|JSR|COVID)-?[0-9][-_.0-9]*"
    r"|(?:SHA|RSA|AES|TLS|SSL)(?:-[A-Z]+)+-[0-9]+"  # SHA-RSA-256
    r"|[A-Z]{2}(?:-GOV)?-(?:NORTH|SOUTH|EAST|WEST|CENTRAL)[A-Z]*-[0-9]"  # US-EAST-1
    r"|(?:FY|CY|JAN|FEB|MAR|APR|MAY|JUNE?|JULY?|AUG|SEPT?|OCT|NOV|DEC)(?:19|20)[0-9]{2}"
)
_CODES = Pattern(_CODE)
_STATUS = Pattern(
    r"(?i)\b(?:https?|status|code|error|returns?|returned|got|with|an?)[ :=/(\[]{1,3}(?:[0-9]\.[0-9] )?([45][0-9]{2})\b"
)
_EXCEPTIONS = Pattern(r"\b[A-Z]\w*(?:Exception|Error|Fault|Interrupt|Timeout|Panic)\b")


def find_identifiers(lines: Sequence[str]) -> tuple[str, ...]:
    """Codes, then exception classes, then ``Class.method`` of top frames, each in the order of the text.

    Parameters
    ----------
    lines : sequence of str
        Repaired text, the subject first.

    Returns
    -------
    tuple of str
        Distinct, at most ``MAX_IDENTIFIERS``.

    Examples
    --------
    >>> find_identifiers(["CBL-4012 with HTTP 401", "java.io.IOException: x", "at a.b.Sync.run(Sync.java:7)"])
    ('CBL-4012', 'HTTP 401', 'IOException', 'Sync.run')
    """
    data = encode("\n".join(lines))
    codes = [token for token in _texts(_CODES, data) if not _NO_CODE.fits(encode(token))]
    statuses = [f"HTTP {decode(data[slice(*spans[1])])}" for spans in _STATUS.matches(data)]
    frames = [
        line.removeprefix("at ") for line in reduce_traces(lines) if line.startswith("at ") and line.count(" ") <= 2
    ]
    short = [".".join(frame.split(".")[-2:]) if " " not in frame else frame for frame in frames[:_MAX_FRAMES]]
    return tuple(dict.fromkeys([*codes, *statuses, *_texts(_EXCEPTIONS, data), *short]))[:MAX_IDENTIFIERS]


def _texts(pattern: Pattern, data: bytes) -> list[str]:
    return [decode(data[start:end]) for start, end in pattern.spans(data)]
