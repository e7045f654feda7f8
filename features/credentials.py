"""Secrets that their surroundings give away: private keys, URL credentials, headers and ``name = value`` pairs.

Each function takes UTF-8 bytes and returns the spans to replace. :mod:`features.masking` says when each one runs.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from features.linear_regex import Edit, Pattern, Span
from features.vendor_keys import KEY

PASSWORD = b"<PASSWORD>"
URL_CREDENTIALS = b"<URL_CREDENTIALS>"

PEM_TRIGGER = r"PRIVATE KEY(?: BLOCK)?-----"
# The header, and the lines of base64 after it (line ends may be escaped): all there is when the end was cut off.
_PEM = Pattern(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?:\\[nr]|\s)*[A-Za-z0-9+/=]{16,})*(?:(?:\\[nr]|\s)*[A-Za-z0-9+/]{0,15}={1,2})?"
)
_PEM_END = Pattern(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")

URL_TRIGGER = r"://[^\s/@]*@"
# The user's name alone counts when it is long enough to be a token (a Sentry DSN, a GitHub token in a clone URL).
_URL = Pattern(r"""://(?:[^\s/:@?#"'<>]*:[^\s/?,()"'<>]+|[^\s/:@?#"'<>]{16,})@""")
# `tcp://host:1234@61616` is a connection with its two ports (ActiveMQ's logs).
_LOCAL_PORT = Pattern(r"(?s)[0-9]{1,5}(?:[^0-9A-Za-z.].*)?")

HEADER_TRIGGER = r"(?i)authorization|bearer\s|cookie2?\s*:|\bcurl\s|\bbasic\s+[a-z0-9+/]{8}"
_CHAR = r"[A-Za-z0-9._~+/=:%-]"
_AUTHORIZATION = r"""authorization\\?["']?\s{0,4}[:=]\s{0,4}\\?["']?"""
_HEADERS = Pattern(
    rf"(?i)\b(?:{_AUTHORIZATION}(?:bearer|basic|token|apikey|api-key|key|negotiate|ntlm)\s+({_CHAR}{{4,}})"
    # Schemes with parameters: the whole line is secret.
    rf"""|{_AUTHORIZATION}(?:digest|aws4-hmac-sha256|hmac|oauth)\s+([^\r\n"'<>]+)"""
    r"""|(?:set-)?cookie2?\s{0,2}:\s{0,4}[^\s=;<>"']+=([^\s;<>"'][^\r\n<>"']*)"""
    rf"|{_AUTHORIZATION}({_CHAR}{{16,}})|bearer\s+({_CHAR}{{16,}}))"
)
# Groups of _HEADERS without a scheme: prose ("bearer authentication-failed") unless a digit is in it.
_UNNAMED = (4, 5)
_DIGIT = Pattern(r"[0-9]")
_BASIC = Pattern(r"(?i)\bbasic\s+([A-Za-z0-9+/]{7,}={0,2})")
_CURL_USER = Pattern(r"""\bcurl\s[^\r\n]*?\s(?:-u|--user)[ =]?["']?[^\s:"'<>]+:([^\s"'<>]+)""")

_LOGIN_WORDS = r"(?:passw(?:or[dt]|d)|passphrase|pwd|kennwort|contraseña|mot de passe|\bclave(?: de acceso)?)"
_KEY_WORDS = (
    r"(?:secret|(?:api|access|secret|account|private|encryption|signing|subscription|storage)[ _.-]?key"
    r"(?:[ _-]?(?:id|base))?|sharedaccesskey|client[ _-]?secret)"
)
_SESSION_WORDS = r"(?:token|x-amz-signature|[?&;]sig)"
_SHORT_WORDS = r"(?:[a-z]+_|\b(?:db|user|root|admin)?)(?:pass|pw|passcode)"
# Announced without any sign between: `token 8f3c2d…` is a secret where what follows can be no word.
_NAMED_WORDS = r"\b(?:api[ _-]?key|token|secret)"
_ASSIGN = r"""\\?["'`]?\s{0,4}(?::=|=>|[:=])\s{0,4}"""
_IS = r"\s+(?:is|was|ist|lautet|es|est)\s*:?\s+"
_VALUE = r"""(?:\\?"([^"\r\n<>]+)"|\\?'([^'\r\n<>]+)'|[`"']?([^\s"'`<>,;&]+))"""
_NEXT_IN_XML = r"""(?:</name>\s{0,80}<value>|["']\s{1,4}value=["'])([^<>"'\r\n]+)[<"']"""
_PAIR = rf"(?:{_ASSIGN}{_VALUE}|{_IS}{_VALUE}|{_NEXT_IN_XML})"

PAIR_TRIGGER = (
    rf"(?i)(?:{_LOGIN_WORDS}|{_KEY_WORDS}|{_SESSION_WORDS})"
    rf"(?:{_ASSIGN}[^\s<]|{_IS}|</name>|>[^<]|[\"']\s{{1,4}}value=)"
    rf"|{_SHORT_WORDS}{_ASSIGN}[^\s<]|{_NAMED_WORDS}(?:\s+is)?\s+[a-z0-9_-]{{20}}"
)
_LOGIN_PAIR = Pattern(rf"(?i){_LOGIN_WORDS}{_PAIR}|<[\w.:-]*{_LOGIN_WORDS}>([^<>\r\n]+)</")
_KEY_PAIR = Pattern(rf"(?i){_KEY_WORDS}{_PAIR}|<[\w.:-]*{_KEY_WORDS}>([^<>\r\n]+)</")
_SESSION_PAIR = Pattern(rf"(?i){_SESSION_WORDS}{_ASSIGN}[`\"'\\]{{0,2}}({_CHAR}{{8,}})")
_SHORT_PAIR = Pattern(rf"(?i){_SHORT_WORDS}{_ASSIGN}{_VALUE}")
_NAMED_KEY = Pattern(rf"(?i){_NAMED_WORDS}(?:\s+is)?\s+[`\"']?([a-z0-9_-]{{20,}})")

# Groups of _LOGIN_PAIR and _KEY_PAIR: quoted values after "=" or in XML, bare ones after "="; the others follow "is".
_QUOTED, _BARE = (1, 2, 7, 8), (3,)
# What stands after "password:" without being one: a template, code, a type, a word that says there is none.
_NOT_A_SECRET = Pattern(
    r"(?i)[$%#@]?[{(\[].*|[*x.•_-]+|[\pL_][\pL\pN_.:]*[(\[].*|=.*|[a-z]+://.*"
    r"|(?:null|nil|none|true|false|undefined|empty|blank|required|optional|string|str|bool|boolean|int|text|varchar.*"
    r"|password|secret|yes|no|n/a|not|the|is|are|was|wrong|invalid|incorrect|expired|\?+)(?:[).:,;!?\]}{].*)?"
)
_HAS_SYMBOL = Pattern(r"[^\pL][^.,:;!?)\]}]|[\pL][0-9!$%&*+=^~|§@#_-]")
_CODE_NAME = Pattern(r"[\pL_][\pL_.]*")
# `pass` and `pw` are also counts and verdicts (`pass: 12`, `pass=3.2ms`): a secret has letters and more.
_LETTER_AND_MORE = Pattern(r".*[\pL].*[^\pL.,:;)\]].*|.*[^\pL.,:;(\[].*[\pL].*")
_MEASURE = Pattern(r"[0-9.,:/]+[a-zA-Z%/]{0,5}|v?[0-9]+(?:[.-][0-9A-Za-z]+)+")
_PASSCODE = Pattern(r"[0-9]{4,8}")
_MIN_SHORT_PAIR = 6
_HEX_KEY = Pattern(r"[0-9a-f]{24,}|[0-9A-F]{24,}")
_MIN_KEY_DIGITS = 4
_MIXED = Pattern(r"[0-9].*[A-Za-z]|[A-Za-z].*[0-9]")
_PATH_OR_NAME = Pattern(r"/.*|[A-Za-z_]+(?:[.:/][A-Za-z_]+)+[0-9]?")


def private_keys(data: bytes) -> list[Edit]:
    """PEM private keys, whole or cut off."""
    begins = _PEM.spans(data)
    ends = iter(_PEM_END.spans(data))
    closing = next(ends, None)
    edits: list[Edit] = []
    for (start, end), (following, _) in zip(begins, [*begins[1:], (len(data), 0)], strict=False):
        while closing is not None and closing[0] < start:
            closing = next(ends, None)
        if closing is not None and closing[1] <= following:
            end = closing[1]
        edits.append((start, end, KEY))
    return edits


def url_credentials(data: bytes) -> list[Edit]:
    """``user:password`` of a URL, and a long user name alone."""
    return [
        (start + len("://"), end - len("@"), URL_CREDENTIALS)
        for start, end in _URL.spans(data)
        if not _LOCAL_PORT.fits(data[end : end + 7])
    ]


def header_secrets(data: bytes) -> list[Edit]:
    """Values of Authorization and Cookie headers, bearer tokens, the password of ``curl -u``."""
    edits = [(*spans[1], PASSWORD) for spans in _CURL_USER.matches(data)]
    for spans in _HEADERS.matches(data):
        group, (start, end) = _matched(spans)
        if group not in _UNNAMED or _DIGIT.occurs(data[start:end]):
            edits.append((start, end, KEY))
    for spans in _BASIC.matches(data):
        start, end = spans[1]
        if _is_login(data[start:end]):
            edits.append((start, end, KEY))
    return sorted(set(edits))


def _is_login(encoded: bytes) -> bool:
    """Whether base64 hides ``user:password``; words (`basic functions`) do not."""
    try:
        login = base64.b64decode(encoded.rstrip(b"=") + b"=" * (-len(encoded.rstrip(b"=")) % 4), validate=True)
    except binascii.Error:
        return False
    return b":" in login and login.isascii() and login.decode("ascii").isprintable()


def _matched(spans: Sequence[Span]) -> tuple[int, Span]:
    """The first group that took part in a match."""
    return next((group, span) for group, span in enumerate(spans) if group and span[0] >= 0)


def secret_pairs(data: bytes) -> list[Edit]:
    """Values of ``password = …``, ``secret: …``, ``token=…`` in prose, code, JSON, YAML, XML and URLs."""
    edits = _named_values(_LOGIN_PAIR, PASSWORD, data) + _named_values(_KEY_PAIR, KEY, data)
    for spans in _SESSION_PAIR.matches(data):
        start, end = spans[1]
        value = data[start:end].rstrip(b".:")
        if _MIXED.occurs(value) and not _PATH_OR_NAME.fits(value):
            edits.append((start, start + len(value), KEY))
    edits += [(*spans[1], KEY) for spans in _NAMED_KEY.matches(data) if _is_key(data[slice(*spans[1])])]
    # Of two that begin together, the longer one counts.
    return sorted({*edits, *_short_pairs(data)}, key=lambda edit: (edit[0], -edit[1]))


def _is_key(value: bytes) -> bool:
    is_long_mix = len(_DIGIT.spans(value)) >= _MIN_KEY_DIGITS and not value.islower()
    return _HEX_KEY.fits(value) or (is_long_mix and not value.isupper() and _MIXED.occurs(value))


def _short_pairs(data: bytes) -> list[Edit]:
    edits: list[Edit] = []
    for spans in _SHORT_PAIR.matches(data):
        _, (start, end) = _matched(spans)
        value = data[start:end].rstrip(b"\\)]}.")
        name = data[spans[0][0] : start].lower()
        is_code = name.startswith(b"passcode") and _PASSCODE.fits(value)
        is_word = len(value) < _MIN_SHORT_PAIR or not _LETTER_AND_MORE.fits(value) or _MEASURE.fits(value)
        if is_code or not (is_word or _NOT_A_SECRET.fits(value) or _PATH_OR_NAME.fits(value)):
            edits.append((start, start + len(value), PASSWORD))
    return edits


def _named_values(pattern: Pattern, placeholder: bytes, data: bytes) -> list[Edit]:
    edits: list[Edit] = []
    for spans in pattern.matches(data):
        group, (start, end) = _matched(spans)
        value = data[start:end].rstrip(b"\\")
        if group not in _QUOTED:
            value = value.rstrip(b")]}.")
        if value and _is_secret(value, group, data[spans[0][0] : start], data[end : end + 1]):
            edits.append((start, start + len(value), placeholder))
    return edits


def _is_secret(value: bytes, group: int, before: bytes, after: bytes) -> bool:
    # `PWD=/home/ann` is the shell's working directory.
    is_folder = value[:1] in b"/~" and before[:3].lower() == b"pwd"
    if is_folder or _NOT_A_SECRET.fits(value):
        return False
    if group in _QUOTED:
        return True
    if group in _BARE and b"=" in before:
        # `password = conf.password;` is code: a name, spaced out and ended by a semicolon or a bracket.
        return not (b"= " in before and after in b";)" and _CODE_NAME.fits(value))
    # After a colon or an "is" prose may go on ("password: it does not work"), so a word must look like no word, or end
    # its line.
    return _HAS_SYMBOL.occurs(value) or (group in _BARE and after in b"\r\n")
