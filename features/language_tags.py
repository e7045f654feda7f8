"""Language tags as ticketing systems write them: ``de``, ``DE-at``, ``de_AT.UTF-8``, ``ger``."""

from __future__ import annotations

import re

_TAG = re.compile(r"[A-Za-z]{2,3}(?=$|[-_.@])")
_CODES = """
aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo
es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg
ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn
no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta
te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
_ISO_639_1 = frozenset(_CODES.split())
# Other ways to write a tag: withdrawn codes, the two written forms of Norwegian, codes of three letters.
_SAME_AS = {"iw": "he", "in": "id", "ji": "yi", "nb": "no", "nn": "no"} | {
    "ara": "ar", "ces": "cs", "cze": "cs", "chi": "zh", "zho": "zh", "dan": "da", "deu": "de", "ger": "de", "dut": "nl",
    "nld": "nl", "ell": "el", "gre": "el", "eng": "en", "fin": "fi", "fra": "fr", "fre": "fr", "heb": "he", "hin": "hi",
    "hun": "hu", "ita": "it", "jpn": "ja", "kor": "ko", "nor": "no", "nob": "no", "pol": "pl", "por": "pt", "ron": "ro",
    "rum": "ro", "rus": "ru", "spa": "es", "swe": "sv", "tha": "th", "tur": "tr", "ukr": "uk",
}  # fmt: skip


def primary_tag(value: str) -> str | None:
    """The ISO 639-1 code that a language tag begins with; None for what is no tag, and for ``und`` or ``mul``.

    Examples
    --------
    >>> [primary_tag(value) for value in ("EN", "pt-BR", "de_AT.UTF-8", "nb", "ger", "und", "English")]
    ['en', 'pt', 'de', 'no', 'de', None, None]
    """
    tag = _TAG.match(value.strip())
    if tag is None:
        return None
    code = tag.group().lower()
    code = _SAME_AS.get(code, code)
    return code if code in _ISO_639_1 else None
