"""Phone numbers in text, told from dates, hex dumps, ids and time zones.

A cheap pattern proposes, the number plans of phonenumbers decide. phonenumbers' own matcher costs milliseconds a
ticket, and in logs it finds numbers everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import phonenumbers

from features.linear_regex import Edit, Pattern, Span, decode

PHONE = b"<PHONE>"

_SEP = r"[ ().\x{a0}/-]"
_INTERNATIONAL = rf"\+\(?[1-9](?:{_SEP}{{0,3}}[0-9]){{6,14}}\b"
_WITH_00 = rf"\b00[1-9][0-9]{{0,2}}{_SEP}{{1,2}}(?:[0-9]{_SEP}{{0,2}}){{5,11}}[0-9]\b"
_AMERICAN = r"(?:\b1[ .-])?\(?\b[2-9][0-9]{2}(?:\) ?|[ .-])[0-9]{3}[ .-][0-9]{4}\b"
_NATIONAL = r"\(?\b0[0-9]{1,5}\)?(?:[ /-]{1,3}[0-9]{1,8}){1,6}\b"
_CUE = (
    r"\b(?:tel(?:e(?:fon|phone|fono)|éfono)?|tél(?:éphone)?|(?:mobile|cell|office|direct|home|work|my)?[ -]?phone"
    r"|mobile|mobil|móvil|handy|fax|whatsapp|hotline|durchwahl|rückruf(?:nummer)?|portable"
    r"|call(?: me| us)?(?: back)? (?:at|on)|reach (?:me|us) (?:at|on)|ring me on)"
    r"(?:nummer|[ -]?(?:no|nr|number|num))?[.:#]{0,2}(?: (?:is|ist|est|es|at|on|unter|au|al))?[ :(]{0,4}"
)
PHONE_TRIGGER = (
    rf"(?i)\+\(?[1-9]{_SEP}{{0,3}}[0-9]|\b00[1-9][0-9]{{0,2}}{_SEP}"
    r"|[2-9][0-9]{2}(?:\) ?|[ .-])[0-9]{3}[ .-][0-9]{4}\b"
    rf"|\b0[0-9]{{1,5}}\)?[ /-]{{1,3}}[0-9]{{1,8}}[ /-]?[0-9]|{_CUE}[0-9]"
)
_PHONE = Pattern(rf"{_INTERNATIONAL}|{_WITH_00}|{_AMERICAN}|{_NATIONAL}")
_CUED_PHONE = Pattern(rf"(?i){_CUE}([0-9](?:{_SEP}{{0,2}}[0-9]){{5,14}})\b")

_DATE = Pattern(
    r"\(?(?:(?:19|20)[0-9]{2}[-/. ][0-9]{1,2}[-/. ][0-9]{1,2}(?:[^0-9].*)?"
    r"|[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:19|20)?[0-9]{2}(?:[^0-9].*)?|[0-9]{6} [0-9]{6}.*)"
)
# An id, a time or an address goes on after the digits, and so does a dump (`8a 01 54 16 96 c2`).
_GOES_ON = Pattern(r"^(?:[:_=/@]|[-.,][0-9]| [0-9A-Fa-f]{2}\b)")
_HEX_BEFORE = Pattern(r"[0-9a-fA-F]{2} {1,2}[0-9a-fA-F]{2} {1,2}$")
_DIGITS = b"0123456789"
_MIN_DIGITS, _MIN_NATIONAL_DIGITS, _MAX_NATIONAL_DIGITS = 8, 9, 13
# Number plans with a leading zero that a number without a country code is tried against.
_REGIONS = ("DE", "GB", "FR", "IT", "AT", "CH", "NL", "BE")
# A number that is followed by another number (`+1 202 555 0104 14 times`) is tried without its last groups.
_MAX_SHORTENED = 3
# Digits that make a number with a plus sign and no blank one, even where its country has not given it out yet.
_MIN_BARE_DIGITS = 11
# Asking a number plan takes up to 0.3 ms. What a text has beyond this is masked unasked: rather too much than too late.
_MAX_ASKED = 1_000


class _NumberPlans:
    """The number plans, asked once for each number of a text, and only so often."""

    def __init__(self) -> None:
        self._answers: dict[bytes, bool] = {}

    def ask(self, plan: Callable[[bytes], bool], written: bytes) -> bool:
        answer = self._answers.get(written)
        if answer is None:
            if len(self._answers) >= _MAX_ASKED:
                return True
            answer = self._answers[written] = plan(written)
        return answer


def phones(data: bytes) -> list[Edit]:
    """Phone numbers: with a country code, in a national form that a number plan knows, or announced as one."""
    plans = _NumberPlans()
    found = [span for start, end in _PHONE.spans(data) if (span := _phone(data, start, end, plans))]
    for spans in _CUED_PHONE.matches(data):
        start, end = spans[1]
        if not _DATE.fits(data[start:end]) and data[end : end + 1] not in (b":", b"."):
            found.append((start, end))
    return [(start, end, PHONE) for start, end in sorted(found)]


def _phone(data: bytes, start: int, end: int, plans: _NumberPlans) -> Span | None:
    before = data[start - 1 : start]
    if before.isascii() and before not in b" \t\r\n(:,;\"'<>*|[":
        return None
    is_international = data.startswith((b"+", b"00"), start)
    for first, last in _shortened(data, start, end):
        written = data[first:last]
        if is_international:
            is_phone = _n_digits(written) >= _MIN_DIGITS and plans.ask(_is_international, written)
        else:
            is_phone = _may_be_national(data, first, last) and plans.ask(_is_national, written)
        if is_phone:
            return first, last
    return None


def _shortened(data: bytes, start: int, end: int) -> Iterator[Span]:
    """The candidate, and what is left of it when the groups at its end belong to something else."""
    next_number = data.find(b" 0", start + _MIN_NATIONAL_DIGITS, end)
    # Two digits are one more group (`+33 1 99 00 41 07`), three begin a number.
    is_number = next_number > 0 and data[next_number + 2 : next_number + 4].isdigit()
    if is_number and _n_digits(data[start:next_number]) >= _MIN_NATIONAL_DIGITS:
        end = next_number
    for _ in range(_MAX_SHORTENED + 1):
        yield start, end
        end = max(data.rfind(b" ", start, end), start)


def _is_international(written: bytes) -> bool:
    digits = decode(written).removeprefix("00").removeprefix("+")
    try:
        number = phonenumbers.parse("+" + digits, None)
    except phonenumbers.NumberParseException:
        return False
    # A few digits without a single blank may be anything that a plus sign precedes: then the number must exist.
    if digits.isdigit() and len(digits) < _MIN_BARE_DIGITS:
        return bool(phonenumbers.is_valid_number(number))
    return bool(phonenumbers.is_possible_number(number))


def _may_be_national(data: bytes, start: int, end: int) -> bool:
    written = data[start:end]
    if not _MIN_NATIONAL_DIGITS <= _n_digits(written) <= _MAX_NATIONAL_DIGITS:
        return False
    goes_on = _GOES_ON.occurs(data[end : end + 4]) or _HEX_BEFORE.occurs(data[max(0, start - 8) : start])
    return not (goes_on or data[start - 1 : start] == b":" or _DATE.fits(written))


def _is_national(written: bytes) -> bool:
    text = decode(written)
    if text.startswith(("0", "(0")):
        return any(_is_valid(text, region) for region in _REGIONS)
    # 555 is the exchange of invented American numbers.
    return "555" in text or _is_valid(text, "US")


def _n_digits(written: bytes) -> int:
    return len(written) - len(written.translate(None, _DIGITS))


def _is_valid(written: str, region: str) -> bool:
    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(written, region)))
    except phonenumbers.NumberParseException:
        return False
