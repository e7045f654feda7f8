"""What marks the parts of a mail, in English, German, Spanish and French."""

from __future__ import annotations

from enum import IntEnum

from features.linear_regex import Pattern, PatternSet, encode

# Markers are short lines; a longer one is prose.
_MAX_MARKER = 400

_FROM = r"(?i)[*_]{0,2}(?:from|von|de|expéditeur|remitente)[*_]{0,2} ?:[*_]{0,2} ?\S.*"
_HEADER = (
    r"(?i)[*_]{0,2}(?:from|sent|date|to|cc|bcc|subject|reply-to|importance|von|gesendet|datum|an|betreff|kopie|wichtigkeit"
    r"|de|enviado(?: el)?|fecha|para|asunto|envoyé(?: le)?|à|objet|expéditeur|destinataire|remitente)[*_]{0,2} ?:.*"
)
_DATED = (
    r"(?i)[*_]{0,2}(?:sent|date|subject|gesendet|datum|betreff|enviado(?: el)?|fecha|asunto|envoyé(?: le)?|objet)"
    r"[*_]{0,2} ?:.*"
)
_SUBJECT = r"(?i)[*_]{0,2}(?:subject|betreff|asunto|objet)[*_]{0,2} ?:[*_]{0,2} ?(.*)"
_FORWARD_MARK = (
    r"(?i)[-_* ]{0,20}(?:forwarded message|begin forwarded message|weitergeleitete nachricht"
    r"|anfang der weitergeleiteten (?:nachricht|e-?mail)|mensaje reenviado|inicio del mensaje reenviado"
    r"|message transféré|message réexpédié|début du message (?:transféré|réexpédié))[-_*: ]{0,20}"
)
_ORIGINAL_MARK = (
    r"(?i)[-_* ]{1,20}(?:original message|original appointment|ursprüngliche nachricht|mensaje original"
    r"|message d'origine|message original)[-_*: ]{0,20}"
)
_ATTRIBUTION = (
    r"(?i)(?:on\b.+\bwrote ?:|am\b.+\bschrieb\b.*:|el\b.+\bescribió ?:|le\b.+\ba écrit ?:"
    r"|.*<.+> ?(?:wrote|schrieb|escribió|a écrit) ?:)"
)
_SIGN_OFF = (
    r"(?i)(?:with )?(?:(?:many|kind|kindest|best|warm|warmest|my) ){0,2}(?:regards|wishes|thanks|greetings)"
    r"(?: (?:in advance|a lot|so much|again|and .{1,40}|from .{1,30}|for .{1,30}))?[,.! ]*"
    r"|(?:thank you|thx|cheers|danke|vielen dank|besten dank|(?:muchas )?gracias|merci)(?: .{1,30})?[,.! ]*"
    r"|(?:yours )?(?:sincerely|faithfully|truly)(?: yours)?[,.! ]*|br|brgds|mfg|vg|lg"
    r"|mit \S{4,20} gr(?:ü|ue)(?:ß|ss)en.{0,40}|\S{4,14} gr(?:ü|ue)(?:ß|ss)e.{0,40}|gr(?:uß|uss|üße|uesse)[,.! ]*"
    r"|(?:un |reciba un )?(?:cordial )?saludos?(?: cordial(?:es)?)?[,.! ]*|atentamente[,.! ]*"
    r"|(?:bien |très )?cordialement[,.! ]*|bien à vous[,.! ]*|(?:meilleures )?salutations.{0,40}"
)
_DEVICE = (
    r"(?i)(?:sent from (?:my|outlook|mail|yahoo)|get outlook for|von mein(?:em|er) .{1,40} gesendet|gesendet mit"
    r"|enviado desde mi|obtener outlook|envoyé (?:de|depuis) mon|télécharger outlook).{0,60}"
)
_CONFIDENTIAL = r"(?:confidential|vertraulich|confidencial|confidentiel)"
_READER = r"(?:intended|recipient|addressee|adressat|empfänger|destinatario|destinataire)"
_DISCLAIMER = (
    rf"(?i)(?:.*{_CONFIDENTIAL}.*{_READER}.*|.*{_READER}.*{_CONFIDENTIAL}.*|.*not the intended recipient.*|\[external\]"
    r"|\W*(?:caution|warning|achtung|external(?: e-?mail)?)\W.*"
    r"(?:originated|outside (?:of )?(?:the|our|your)|von extern).*)"
)
_PHONE = r"(?:(?i:<phone>)|\+[1-9][0-9 ()/-]{7,})"
_REACH = rf"(?:{_PHONE}|(?i:<email>)|\S+@\S+\.\S+)"
_LABEL = r"(?:(?i:tel|phone|mobile|mob|cell|fax|desk|direct|office|e-?mail|mail|web|[tmefd])\.?:?)"
# Plain ranges: Unicode's classes of letters would make the sets below a hundred times larger and slow to compile.
_WORD = r"[A-ZÀ-Þ][^\s|@<>0-9,]*"
_ROLE = r"[^|@<>0-9.!?\r\n]{2,40}"
_ROLES = r"(?:[^|@<>0-9!?\r\n]{2,40} \| ){1,3}"
# `Ann Lee, Head of Exports | X Ltd`, `desk +44 … | ann@x.example`, `Ann  +44 …`: who, and how to reach them.
_CONTACT = (
    rf"(?:{_ROLE}(?: \| {_ROLE}){{2,3}}|{_WORD}[ :,|/·]+{_PHONE}"
    rf"|(?:{_LABEL}|{_ROLES}|{_WORD}(?: {_WORD}){{1,3}})?[ :,|/·(-]*"
    rf"{_REACH}(?:[ ,|/·)-]+{_LABEL}?[ :]*{_REACH})?[ ,|/·)-]*)"
)
_LOG_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")


class Mark(IntEnum):
    """What a line of a mail may be; one line may be several."""

    FORWARD = 0
    ORIGINAL = 1
    WROTE = 2
    FROM = 3
    HEADER = 4
    DATED_HEADER = 5
    SIGN_OFF = 6
    DEVICE = 7
    DISCLAIMER = 8
    DASHES = 9


# In the order of Mark.
_MARKS = PatternSet(
    [_FORWARD_MARK, _ORIGINAL_MARK, _ATTRIBUTION, _FROM, _HEADER, _DATED, _SIGN_OFF, _DEVICE, _DISCLAIMER, r"--"],
    whole=True,
)
_ANY = Pattern(
    rf"(?m:^[> ]*{_FROM}$)"
    rf"|(?m:^[> ]*{_FORWARD_MARK}$|^[> ]*{_ORIGINAL_MARK}$)"
    r"|(?im:\b(?:wrote|schrieb|escribió|a écrit)\b.{0,120}:\s*$)"
    rf"|(?m:^[> ]*(?:{_SIGN_OFF}|--|{_DEVICE})\s*$)"
    rf"|(?i:{_READER}|\b(?:caution|warning|achtung|external)\b)"
    r"|(?m:^>)"
)
_CONTACT_TO_END = Pattern(rf"{_CONTACT}\s*")
_BLANKS = b"\t\n\f\r "  # what ``\s`` is in RE2
_CONTACT_LINE = Pattern(_CONTACT)
_SUBJECT_LINE = Pattern(_SUBJECT)
_FORWARDED = Pattern(r"(?i)^\s*(?:(?:re|aw|sv)\s?:\s*)*(?:fwd?|wg|tr|rv)\s?:")
_BELOW = Pattern(
    r"(?i)\bforward(?:ing|ed)\b|\bbelow\b|\bsee the (?:chain|thread)\b|\bpassing (?:this|it) (?:on|along)\b|\bunten\b"
    r"|leite .{0,30}weiter|\breenv[ií]o\b|\babajo\b|ci-dessous|plus bas|\btransf[eè]re\b"
)
REPLY_PREFIXES = Pattern(
    r"(?i)^\s*(?:(?:re|fwd?|aw|wg|rv|tr|sv|antw)\s?(?:\[[0-9]{1,3}\])?\s?:\s*|\[extern(?:al)?\]\s*)+"
)


def has_marks(text: str) -> bool:
    """Whether a text could hold any of it: most tickets hold none, and are spared the look at each line."""
    data = encode(text)
    return _ANY.occurs(data) or _CONTACT_TO_END.fits(data[data.rfind(b"\n", 0, len(data.rstrip(_BLANKS))) + 1 :])


def marks(line: str) -> tuple[int, ...]:
    """What a line, stripped of blanks and of quoting, may be."""
    return _MARKS.which(encode(line)) if 0 < len(line) <= _MAX_MARKER else ()


def is_contact(line: str) -> bool:
    """Whether a line gives a phone number, an address, a site or a name with its posts, and little else."""
    return _CONTACT_LINE.fits(encode(line[:_MAX_MARKER])) and not line.startswith(_LOG_LEVELS)


def is_forwarded_subject(subject: str) -> bool:
    """Whether a subject begins with ``Fwd:``, ``WG:``, ``TR:`` or ``RV:``."""
    return _FORWARDED.occurs(encode(subject))


def is_forwarded_header(line: str) -> bool:
    """Whether a header line is the subject of a forwarded mail."""
    groups = _SUBJECT_LINE.groups(encode(line[:_MAX_MARKER]))
    return groups is not None and _FORWARDED.occurs(groups[0] or b"")


def points_below(text: str) -> bool:
    """Whether a text says that what matters stands below it."""
    return _BELOW.occurs(encode(text))
