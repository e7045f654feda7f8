"""Tags and text of HTML, and of the XML that Confluence stores, in time linear in the text.

The standard library's ``html.parser`` takes quadratic time on hostile input in the Pythons of this project (61 s for
200 kB of ``<!--`` with 3.11.7; CVE-2025-6069), and reads ``<![CDATA[`` in HTML differently from version to version.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_MAX_TAG_CHARS = 8_192
# Possessive quantifiers: nothing is tried twice.
_TAG_START = re.compile(r"</?[a-zA-Z]")
_TAG = re.compile(r"""</?[a-zA-Z][^\s/>]*+(?:[^>"']|"[^"]*+"|'[^']*+')*+>""")
_PARTS = re.compile(r"<(/?)([a-zA-Z][^\s/>]*+)(.*)>", re.DOTALL)
_ATTRIBUTE = re.compile(r"""([^\s=/"'>]++)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s>"']*+)))?+""")
_HUGE_REFERENCE = re.compile(r"&#\d{8,};?")
_RAW = ("script", "style")


@dataclass(frozen=True, slots=True)
class StartTag:
    """A start tag; names are lower case. ``is_empty`` when it closes itself (``<br/>``)."""

    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    is_empty: bool = False


@dataclass(frozen=True, slots=True)
class EndTag:
    """An end tag, whether or not its start was seen."""

    name: str


def html_tokens(text: str) -> Iterator[StartTag | EndTag | str]:
    """Read a text front to back. Nothing is an error: what is no tag is text, as in a browser.

    Comments, declarations, scripts and styles are left out; CDATA is text.

    Examples
    --------
    >>> list(html_tokens("<p>a &lt; b<!-- no --><![CDATA[<c>]]></p>"))[1:-1]
    ['a < b', '<c>']
    """
    place, length = 0, len(text)
    while place < length:
        opening = text.find("<", place)
        if opening < 0:
            break
        if opening > place:
            yield _unescaped(text[place:opening])
        place = opening
        if text.startswith("<!--", place):
            place = _after(text, "-->", place + 4)
        elif text.startswith("<![CDATA[", place):
            end = _after(text, "]]>", place)
            yield text[place + 9 : end].removesuffix("]]>")
            place = end
        elif text.startswith(("<!", "<?"), place):
            place = _after(text, ">", place)
        elif _TAG_START.match(text, place):
            end = _tag_end(text, place)
            if end < 0:
                break
            token = _tag(text[place:end])
            yield token
            is_raw = isinstance(token, StartTag) and token.name in _RAW and not token.is_empty
            place = _raw_end(text, token.name, end) if is_raw else end
        else:
            yield "<"
            place += 1
    if place < length:
        yield _unescaped(text[place:])


def _tag_end(text: str, place: int) -> int:
    """Where a tag ends; at its first ``>``, where quotes do not match; below 0, where no tag ends any more."""
    match = _TAG.match(text, place, place + _MAX_TAG_CHARS)
    return match.end() if match else text.find(">", place) + 1 or -1


def _tag(text: str) -> StartTag | EndTag:
    slash, name, rest = _PARTS.match(text).groups()  # type: ignore[union-attr]
    if slash:
        return EndTag(name.lower())
    attributes = {
        each.group(1).lower(): _unescaped(each.group(2) or each.group(3) or each.group(4) or "")
        for each in _ATTRIBUTE.finditer(rest)
    }
    return StartTag(name.lower(), attributes, rest.endswith("/"))


def _after(text: str, mark: str, place: int) -> int:
    """Where the text goes on after a mark; its end, where the mark is missing."""
    found = text.find(mark, place)
    return len(text) if found < 0 else found + len(mark)


def _raw_end(text: str, name: str, place: int) -> int:
    match = re.compile(rf"</{name}", re.IGNORECASE).search(text, place)
    return len(text) if match is None else match.start()


def _unescaped(text: str) -> str:
    # Python refuses to read numbers of thousands of digits.
    return html.unescape(_HUGE_REFERENCE.sub("\ufffd", text)) if "&" in text else text
