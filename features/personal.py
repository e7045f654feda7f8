"""Personal data that carries its own check: e-mail addresses, IBANs, payment cards.

Each function takes UTF-8 bytes and returns the spans to replace. :mod:`features.masking` says when each one runs.
Support text is full of digits that are none of these (versions, block ids, time stamps, revisions), so a pattern only
proposes; a check digit, or what stands beside it, decides.
"""

from __future__ import annotations

from collections.abc import Callable

from features.linear_regex import Edit, Pattern

EMAIL, IBAN, CARD = b"<EMAIL>", b"<IBAN>", b"<CARD>"

# Letters of any script; listing Unicode's classes would make the automaton a hundred times larger.
_LETTER = r"A-Za-z\x{80}-\x{10ffff}"
EMAIL_TRIGGER = rf"[0-9{_LETTER}_+-](?:@|%40)[0-9{_LETTER}]"
_EMAIL = Pattern(
    rf"[0-9{_LETTER}_](?:[0-9{_LETTER}._%+'-]*[0-9{_LETTER}_+-])?"
    # Percent-encoded in URLs.
    rf"(?:@|%40)(?:[0-9{_LETTER}](?:[0-9{_LETTER}-]*[0-9{_LETTER}])?\.)+(?:xn--[a-z0-9-]{{2,}}|[{_LETTER}]{{2,24}})"
)
# `icon@2x.png` is a file, `Object@6d06d69c.toString` is Java, `git@github.com` is nobody.
_NOT_EMAIL = Pattern(
    r"(?i)git@.*|.*\.(?:png|jpe?g|gif|svg|webp|ico|js|ts|css|java|class|jar|xml|json|html?|py|log|txt)"
    r"|.*@[0-9a-f]{5,8}\.[a-z]+"
)
_KERBEROS_REALM = Pattern(r".*@[A-Z0-9.-]+")

IBAN_TRIGGER = r"\b[A-Z]{2}[0-9]{2}[ -]?[A-Z0-9]{4}[ -]?[A-Z0-9]{4}"
_IBAN = Pattern(r"\b[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?\b")
_IBAN_LENGTHS = range(15, 35)

CARD_TRIGGER = r"[0-9]{13}|[0-9]{4}[ .-][0-9]{4}[ .-][0-9]{4}[ .-]|[0-9]{4}[ -][0-9]{6}[ -][0-9]{4}"
# Digits in a row, or grouped as on a card, perhaps with the security code after it.
_CARD = Pattern(
    r"\b(?:[0-9]{13,19}|(?:[0-9]{4}\.){3}[0-9]{4}|[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{1,4}(?:[ -][0-9]{1,4})?"
    r"|[0-9]{4}[ -][0-9]{6}[ -][0-9]{4,5})\b"
)
_DOTTED_ON = Pattern(r"\.[0-9]")
# Issuers' prefixes and lengths (ISO/IEC 7812; the ones in use): Visa, Mastercard, American Express, Diners, Discover,
# JCB, UnionPay. Visa of 13 and 19 digits only in groups: a bare 19-digit number is far more often a 64-bit id.
_ISSUED = Pattern(
    r"4[0-9]{15}|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}|3[47][0-9]{13}"
    r"|3(?:0[0-5]|[68][0-9])[0-9]{11}|6(?:011|5[0-9]{2}|4[4-9][0-9])[0-9]{12}|35(?:2[89]|[3-8][0-9])[0-9]{12}"
    r"|62[0-9]{14,17}"
)
_ISSUED_IN_GROUPS = Pattern(r"4(?:[0-9]{12}|[0-9]{18})")


def emails(data: bytes) -> list[Edit]:
    """E-mail addresses; a Kerberos principal of a host (``nn/host@REALM``) is none."""
    return [(start, end, EMAIL) for start, end in _EMAIL.spans(data) if _is_email(data, start, end)]


def _is_email(data: bytes, start: int, end: int) -> bool:
    address = data[start:end]
    is_principal = data[start - 1 : start] == b"/" and _KERBEROS_REALM.fits(address)
    # A mail archive's URL names a message, not a person: `%3C1527716475007-0.post%40n4.example%3E`.
    is_message = data[start - 1 : start + 2] == b"%3C"
    return not (is_principal or is_message or data[end : end + 1].isdigit() or _NOT_EMAIL.fits(address))


def ibans(data: bytes) -> list[Edit]:
    """IBANs with a right check number (ISO 13616, modulo 97), and mistyped ones that are announced as IBAN."""
    edits: list[Edit] = []
    for start, longest in _IBAN.spans(data):
        end = _last_group(data, start, longest, _is_iban)
        if end is None and b"IBAN" in data[max(0, start - 12) : start].upper():
            end = longest
        if end is not None:
            edits.append((start, end, IBAN))
    return edits


def _last_group(data: bytes, start: int, end: int, is_right: Callable[[bytes], bool]) -> int | None:
    """Where a number in groups ends: what follows it may look like one more group."""
    while end > start:
        if is_right(data[start:end]):
            return end
        end = max(data.rfind(b" ", start, end), data.rfind(b"-", start, end))
    return None


def _is_iban(written: bytes) -> bool:
    plain = _plain(written).decode("ascii")
    if len(plain) not in _IBAN_LENGTHS:
        return False
    return int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1


def cards(data: bytes) -> list[Edit]:
    """Payment card numbers of a known issuer with a right check digit (Luhn)."""
    edits: list[Edit] = []
    for start, longest in _CARD.spans(data):
        end = _last_group(data, start, longest, _is_card)
        goes_on = data[start - 1 : start] in (b"-", b".", b"+") or _DOTTED_ON.fits(data[longest : longest + 2])
        if end is not None and not goes_on:
            edits.append((start, end, CARD))
    return edits


def _is_card(written: bytes) -> bool:
    plain = _plain(written)
    is_grouped = len(plain) < len(written)
    return (_ISSUED.fits(plain) or (is_grouped and _ISSUED_IN_GROUPS.fits(plain))) and _passes_luhn(plain)


def _passes_luhn(digits: bytes) -> bool:
    values = [char - ord("0") for char in reversed(digits)]
    return sum(values[::2] + [sum(divmod(2 * value, 10)) for value in values[1::2]]) % 10 == 0


def _plain(written: bytes) -> bytes:
    return written.translate(None, b" -.")
