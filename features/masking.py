"""Personal data and secrets out of text, before it is stored, embedded, logged or shown (DESIGN, decision 10).

A mask keeps the kind (``<EMAIL>``), so that text stays readable and models stay useful. One pass of a small pattern set
tells which rules could find anything; most texts need none, and pay for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from features import credentials, ip_addresses, personal, phones, vendor_keys
from features.linear_regex import Edit, Pattern, PatternSet, Span, decode, encode, splice

RULES_VERSION = "1"

# A placeholder may be longer than what it hides: `<NAME>` for one letter is six times as long.
MAX_GROWTH = 6

NameRecogniser = Callable[[str], list[Span]]

_PLACEHOLDER = Pattern(r"<(?:EMAIL|PHONE|CARD|IBAN|IP|KEY|PASSWORD|URL_CREDENTIALS|NAME)>")
_NAME = b"<NAME>"
# What one pass uncovers (a recogniser may see a name only once its neighbour is masked) the next one masks. Texts
# settle in one or two; the bound is for a recogniser that never settles.
_MAX_PASSES = 8


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of thing to mask.

    Attributes
    ----------
    trigger : str
        A cheap pattern without which ``find`` has nothing to find.
    find : callable
        UTF-8 bytes to ascending edits ``(start, end, placeholder)``.
    """

    trigger: str
    find: Callable[[bytes], list[Edit]]


# In this order: what holds others comes first (a key file holds base64, a URL's credentials hold an ``@``), and what
# is told by digits alone comes last.
RULES: tuple[Rule, ...] = (
    Rule(credentials.PEM_TRIGGER, credentials.private_keys),
    Rule(credentials.URL_TRIGGER, credentials.url_credentials),
    Rule(credentials.HEADER_TRIGGER, credentials.header_secrets),
    Rule(vendor_keys.VENDOR_KEY_TRIGGER, vendor_keys.vendor_keys),
    Rule(credentials.PAIR_TRIGGER, credentials.secret_pairs),
    Rule(personal.EMAIL_TRIGGER, personal.emails),
    Rule(personal.IBAN_TRIGGER, personal.ibans),
    Rule(personal.CARD_TRIGGER, personal.cards),
    Rule(ip_addresses.IPV4_TRIGGER, ip_addresses.ipv4_addresses),
    Rule(ip_addresses.IPV6_TRIGGER, ip_addresses.ipv6_addresses),
    Rule(phones.PHONE_TRIGGER, phones.phones),
)
_TRIGGERS = PatternSet(rule.trigger for rule in RULES)


class Masker:
    """Replaces personal data and secrets by placeholders.

    Parameters
    ----------
    names : callable, optional
        A recogniser of personal names: text to character spans. Without one names stay.

    Examples
    --------
    >>> Masker().mask("Mail ann@example.com, key AKIAIOSFODNN7EXAMPLE, from 203.0.113.9")
    'Mail <EMAIL>, key <KEY>, from <IP>'
    """

    rules_version: str = RULES_VERSION

    def __init__(self, names: NameRecogniser | None = None) -> None:
        self._names = names

    def mask(self, text: str) -> str:
        """Mask one text.

        Returns
        -------
        str
            At most ``MAX_GROWTH`` times as long. Masking it again changes nothing. No string raises; what the
            recogniser raises is passed on.
        """
        for _ in range(_MAX_PASSES):
            masked = _mask_patterns(text)
            if self._names is not None:
                masked = _mask_names(masked, self._names(masked))
            if masked == text:
                break
            text = masked
        return text


def _mask_patterns(text: str) -> str:
    data = encode(text)
    active = _TRIGGERS.which(data)
    if not active:
        return text
    masked = data
    for number in active:
        masked = splice(masked, RULES[number].find(masked))
    return text if masked is data else decode(masked)


def _mask_names(text: str, spans: list[Span]) -> str:
    if not spans:
        return text
    data = encode(text)
    taken = _PLACEHOLDER.spans(data)
    edits: list[Edit] = []
    chars = done = number = 0
    for first, last in sorted(spans):
        if not 0 <= chars <= first < last <= len(text):
            continue  # overlaps the span before, or lies outside
        start = done + len(encode(text[chars:first]))
        end = start + len(encode(text[first:last]))
        chars, done = last, end
        while number < len(taken) and taken[number][1] <= start:
            number += 1
        if number == len(taken) or end <= taken[number][0]:
            edits.append((start, end, _NAME))
    return decode(splice(data, edits))
