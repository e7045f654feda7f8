"""Tokens that differ in every ticket, replaced by one short word for their kind.

Two tickets about one problem share the error code and the class that threw; they do not share request ids, addresses
and times. What identifies stays: error codes (``CBL-4012``, ``0x80070005``), issue keys, product versions, ports,
small numbers.
"""

from __future__ import annotations

from features.linear_regex import Pattern, PatternSet, decode, encode

_ZONE = r"(?:Z\b| ?[+-][0-9]{2}:?[0-9]{2}\b| ?(?:UTC|GMT|CES?T|[ECMP][SD]T|[AaPp]\.?[Mm])\b)"
_TIME = rf"[0-9]{{1,2}}:[0-5][0-9](?::[0-5][0-9](?:[.,:][0-9]{{1,9}})?)?{_ZONE}?"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_DATE = (
    r"(?:[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}|[0-9]{1,2}[-/][0-9]{1,2}[-/](?:[0-9]{4}|[0-9]{2})"
    r"|[0-9]{1,2}\.[0-9]{1,2}\.(?:19|20)[0-9]{2}"
    rf"|[0-9]{{1,2}}[. /-]{{1,2}}{_MONTH}[. /-]{{1,2}}(?:19|20)[0-9]{{2}}"
    rf"|{_MONTH}[ -][0-9]{{1,2}},?[ -](?:19|20)[0-9]{{2}})"
)
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? "
_SUFFIX = r"(?:jar|war|ear|zip|tgz|tar\.gz|rpm|deb|whl|dll|so|exe|msi|apk)"
# Kinds of which a part stays.
_FILE, _AGENT, _ID = "file", "agent", "id"
_BLOB = "blob"
_BLOB_CHARACTERS = r"[A-Za-z0-9+/=_-]"

# Word, and the pattern of the tokens that it stands for. Where two match at one place the earlier one counts.
_KINDS: tuple[tuple[str, str], ...] = (
    ("email", r"<EMAIL>"),
    ("phone", r"<PHONE>"),
    ("card", r"<CARD>"),
    ("iban", r"<IBAN>"),
    ("ip", r"<IP>(?::[0-9]{1,5}\b)?"),
    ("key", r"<KEY>"),
    ("password", r"<PASSWORD>"),
    ("credentials", r"<URL_CREDENTIALS>"),
    ("name", r"<NAME>"),
    ("email", r"[0-9A-Za-z_](?:[\w.+-]*\w)?@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}\b"),
    ("uuid", r"\b[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\b"),
    ("mac", r"\b(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}\b"),
    ("time", rf"\b(?:{_DAY})?{_DATE}(?:T|_|:|,? ){_TIME}"),
    ("time", rf"\b{_DAY}{_MONTH} {{1,2}}[0-9]{{1,2}} {_TIME}(?: [A-Z]{{3,4}})? [0-9]{{4}}\b"),
    ("date", rf"\b(?:{_DAY})?{_DATE}\b"),
    ("ip", r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}:[0-9]{1,5}\b|\b[0-9]{2,3}\.(?:[0-9]{1,3}\.){2}[0-9]{1,3}\b"),
    ("time", rf"\b{_TIME}"),
    ("hex", r"\b0[xX][0-9A-Fa-f]+\b"),
    ("@hex", r"@[0-9a-f]{5,8}\b"),
    # Versions where they only vary: in a file's name, in a browser's signature.
    (_FILE, rf"\b[A-Za-z]\w*(?:-[A-Za-z]\w*)*-[0-9][\w.-]*\.{_SUFFIX}\b"),
    (_AGENT, r"\b(?:Mozilla|AppleWebKit|Gecko|Chrom(?:e|ium)|Safari|Firefox|Edge?|OPR|Version|Mobile)/[0-9][\w.]*"),
    (_ID, r"\b[A-Za-z]+(?:[_-][A-Za-z]+)*[_-][A-Za-z]*[0-9][A-Za-z0-9]*(?:[_-][A-Za-z0-9]+)*\b"),
    (_BLOB, rf"\b{_BLOB_CHARACTERS}{{80,}}"),
    ("number", r"\b[0-9]{6,}\b|\b[0-9]+\.[0-9]{6,}\b"),
    ("hex", r"\b(?:[0-9a-f]{8,}|[0-9A-F]{8,})\b"),
)
# Counting to 80 from every place at once outgrows RE2's automaton, and what it falls back to takes six times as long;
# hardly a text has so long a run, and without one the kind matches nowhere.
_LONG_RUN = Pattern(rf"{_BLOB_CHARACTERS}{{80}}")
_SOUGHT = Pattern("|".join(pattern for _, pattern in _KINDS))
KIND_WORDS = frozenset(word.lstrip("@") for word, _ in _KINDS)
_SOUGHT_WITHOUT_RUN = Pattern("|".join(pattern for word, pattern in _KINDS if word != _BLOB))
_NAMED = PatternSet((pattern for _, pattern in _KINDS), whole=True)

# Looks volatile, and is the name of the problem: Windows' error codes (`0x80070005`), error codes and issue keys
# (`CBL-4012`, `ORA-00942`, `HDFS-11841`), a word that happens to be spelled in hexadecimal digits.
_TELLING = Pattern(r"0[xX][8cC][0-9A-Fa-f]{7}|[A-Z][A-Z0-9]{0,9}[-_][0-9]{1,7}|CVE-[0-9]{4}-[0-9]+|[A-Fa-f]+")
_KNOWN_ID = Pattern(
    r"(?i)(?:req|request|trace|span|session|sess|txn|msg|evt|event|run|corr|sub|cus|acct|usr|inv|ord|exp|job|batch)[_-].*"
)
_RANDOM = Pattern(r"[_-][A-Za-z0-9]*(?:[0-9][A-Za-z]+[0-9]+[A-Za-z]|[A-Za-z][0-9]+[A-Za-z]+[0-9])")
_DIGIT = Pattern(r"[0-9]")
# Base64 is full of digits; a long path is not.
_BLOB_DIGITS = 8
_MANY_DIGITS = Pattern(r"[0-9].*[0-9].*[0-9].*[0-9].*[0-9]")
_VERSION = Pattern(r"-[0-9][0-9A-Za-z_.-]*(\.[a-z]+)$")
_REPEATED = Pattern(
    r"\b(?:" + "|".join(rf"{word}(?:[ ,;:|/-]+{word}\b)+" for word in sorted({word for word, _ in _KINDS})) + ")"
)


def without_volatile(text: str) -> str:
    """Replace ids, hex, addresses, times and long numbers by a word for their kind.

    Examples
    --------
    >>> without_volatile("CBL-4012 for req_8f2c91ab at 2026-01-05T08:14:22Z from 203.0.113.9:443")
    'CBL-4012 for req_id at time from ip'
    """
    data = encode(text)
    if _LONG_RUN.occurs(data):
        # No kind goes beyond the end of a line, so that lines can be looked at one by one.
        done = b"\n".join(_replaced(line, _LONG_RUN.occurs(line)) for line in data.split(b"\n"))
    else:
        done = _replaced(data, False)
    done = _REPEATED.sub(lambda run: run.split(None, 1)[0].rstrip(b",;:|/-"), done)
    return text if done is data else decode(done)


def _replaced(data: bytes, has_long_run: bool) -> bytes:
    return (_SOUGHT if has_long_run else _SOUGHT_WITHOUT_RUN).sub(_word, data)


def _word(token: bytes) -> bytes:
    if _TELLING.fits(token):
        return token
    kinds = _NAMED.which(token)
    word = _KINDS[kinds[0]][0] if kinds else "number"
    if word == _BLOB and len(_DIGIT.spans(token)) < _BLOB_DIGITS:
        return token
    if word == _ID:
        is_id = _MANY_DIGITS.occurs(token) or _KNOWN_ID.fits(token) or _RANDOM.occurs(token)
        return token.replace(b"-", b"_").split(b"_", 1)[0] + b"_id" if is_id else token
    if word == _AGENT:
        return token.split(b"/", 1)[0]
    if word == _FILE:
        start, suffix = next((spans[0][0], spans[1]) for spans in _VERSION.matches(token))
        return token[:start] + token[slice(*suffix)]
    return word.encode()
