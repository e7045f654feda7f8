"""The sentences of a note as a person wrote them: without code, quotes, traces, logs and tables.

File names, versions and addresses stay whole, since a sentence ends only before a blank; so do abbreviations. What is
read is bounded, whatever the length of the note.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

READ_CHARS = 5_000
"""A note can be a megabyte long; what was done stands in its beginning."""

MAX_SENTENCE_CHARS = 600
_WRAPPED_FROM = 55  # characters: a line that is shorter was ended by its writer, not by a mail program
# What stands between such marks is code, output or another's words. An opened one that is never closed goes to the end.
_BLOCK = re.compile(
    r"\{(code|noformat|quote)(?::[^}\n]{0,80})?\}.*?(?:\{\1\}|\Z)|```.*?(?:```|\Z)|<pre>.*?(?:</pre>|\Z)", re.DOTALL
)
_NOT_PROSE = re.compile(
    r"\s*(?:>|bq\.|\|)"  # quotes of mail and Jira, tables
    r"|\s*(?:at [\w$.]+\(|Caused by:|\.\.\. \d+ more|File \".*\", line \d|Traceback )"
    r"|\s*\[?\d{2,4}[-/]\d\d[-/]\d{2,4}[ T]\d\d:\d\d"  # logs begin with a time
    r"|\s*\[?\w+@[\w.-]+[^\]]{0,80}\]?[#$] |\s*[0-9a-f]{7,40} "  # a shell's prompt, a commit in a log
    r"|(?:[-+] ?|@@ .*@@|diff --git |Index: |={3,}|-{3,}|[*_~]{3,}|#{7,})\s*$"
    r"|@@ |diff --git |Index: |\+\+\+ |--- |\$ |\s*(?:[\w.$]+\(.*\)|[{}]+);?\s*$|.*[;{}]\s*$"
)
_ITEM = re.compile(r"\s*(?:[-*•#+]+|\(?(?:\d{1,2}|[a-zA-Z])[.)])\s+")
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"')\]*]*+(?=\s)")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\"'])(?:e\.?g|i\.?e|etc|vs|cf|approx|resp|incl|esp|mr|mrs|dr|st|nr|fig|vers"
    r"|w\.r\.t|a\.k\.a|p\.s|z\.b|d\.h|u\.a|ca|bzw|usw|inkl|ggf|p\.ej|por ej|art|[a-z])\.$",
    re.IGNORECASE,
)
_CLOSES_A_LIST = ("etc.",)


def sentences(note: str) -> Iterator[str]:
    """Sentences of a note in order, blanks made single.

    Parameters
    ----------
    note : str
        Read to ``READ_CHARS``; sentences longer than ``MAX_SENTENCE_CHARS`` are left out, as no one wrote them.

    Examples
    --------
    >>> list(sentences("Set dfs.replication to 2 in hdfs-site.xml, e.g. by hand. Fixed in 2.7.1.  Thanks"))
    ['Set dfs.replication to 2 in hdfs-site.xml, e.g. by hand.', 'Fixed in 2.7.1.', 'Thanks']
    >>> list(sentences("1. Stop it:\\n{code}kill -9{code}\\n> why?\\n2. Raise the limit"))
    ['Stop it:', 'Raise the limit']
    """
    for paragraph in _paragraphs(_BLOCK.sub("\n", beginning(note))):
        for sentence in _split(paragraph):
            if len(sentence) <= MAX_SENTENCE_CHARS:
                yield sentence


def beginning(note: str) -> str:
    """What is read of a note; it ends between words, since half a name is still one, which nothing would mask."""
    return note if len(note) <= READ_CHARS else "".join(note[:READ_CHARS].rsplit(maxsplit=1)[:1])


def _paragraphs(text: str) -> Iterator[str]:
    """Lines that belong together, joined: wrapped ones, and those that go on in lower case."""
    lines: list[str] = []
    for line in text.splitlines():
        item = _ITEM.match(line)
        content = " ".join((line[item.end() :] if item else line).split())
        if not content or _NOT_PROSE.match(line):
            content = ""
        if lines and (item or not content or not _goes_on(lines[-1], content)):
            yield " ".join(lines)
            lines = []
        if content:
            lines.append(content)
    if lines:
        yield " ".join(lines)


def _goes_on(line: str, following: str) -> bool:
    return not line.endswith(":") and (following[0].islower() or len(line) >= _WRAPPED_FROM)


def _split(paragraph: str) -> Iterator[str]:
    start = 0
    for end in _END.finditer(paragraph):
        if _ABBREVIATION.search(paragraph[max(start, end.end() - 12) : end.end()]):
            continue
        yield paragraph[start : end.end()].strip()
        start = end.end()
    if rest := paragraph[start:].strip():
        yield rest
