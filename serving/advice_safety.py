"""What must not pass unseen in the words of another case: commands that destroy, and the name of another customer.

Personal data and credentials are masked before a text is stored (:mod:`features.masking`); this comes on top, when a
text is shown, since whose name may be read depends on who asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from heapq import merge
from itertools import islice
from operator import itemgetter

from features.linear_regex import Pattern, encode

CUSTOMER = "<CUSTOMER>"
MAX_WARNINGS = 5
# A text that says the same command thousands of times is not read to its end for another.
_MAX_FOUND = 200
_MAX_COMMAND_CHARS = 80
_ARGUMENTS = r"(?:[ \t]+[^\s;|&`'\"<>(){}]*[^\s;|&`'\"<>(){}.,:]){0,3}"
_DESTRUCTIVE = Pattern(
    "|".join(
        (
            rf"\brm[ \t]+(?:-[\w-]+[ \t]+)*(?:-[a-z]*[rf][a-z]*|--recursive|--force)\b{_ARGUMENTS}",
            rf"\b(?:hdfs[ \t]+dfs|hadoop[ \t]+d?fs)[ \t]+-(?:rmr|rm[ \t]+(?:-\w+[ \t]+)*-(?:r|f"
            rf"|skiptrash))\b{_ARGUMENTS}",
            r"\bnamenode[ \t]+-format\b|\bformat(?:ting|ted)?[ \t]+(?:the[ \t]+)?namenode\b|-formatzk\b",
            rf"\b(?:rmr|deleteall)[ \t]+/\S*|\bkafka-topics\S*[^\n;|]{{0,200}}--delete\b{_ARGUMENTS}",
            r"\bdrop[ \t]+(?:table|database|schema|keyspace|tablespace"
            r"|collection)[ \t]+(?:if[ \t]+exists[ \t]+)?[^\s;,]+",
            r"\btruncate[ \t]+table[ \t]+[^\s;,]+|\bdropdb[ \t]+\S+|\bdb\.(?:dropdatabase|\w+\.drop)\(",
            r"\bflush(?:all|db)\b",
            rf"\b(?:kubectl|oc)[ \t]+(?:-\S+[ \t]+(?:[^\s-]\S*[ \t]+)?)?delete\b{_ARGUMENTS}",
            rf"\bhelm[ \t]+(?:uninstall|delete)\b{_ARGUMENTS}|\bterraform[ \t]+(?:destroy\b|apply[^\n;"
            rf"|]{{0,80}}-destroy\b)",
            rf"\bdocker[ \t]+(?:system[ \t]+prune|volume[ \t]+(?:rm|prune))\b{_ARGUMENTS}",
            rf"\b(?:mkfs(?:\.\w+)?|wipefs)\b{_ARGUMENTS}|\bdd[ \t]+[^\n;|]{{0,120}}\bof=\S+",
            r"\bgit[ \t]+push\b[^\n;|&]{0,120}[ \t](?:--force(?:-with-lease)?|-f)\b|\bgit[ \t]+reset[ \t]+--hard\b\S*",
            r"\bgit[ \t]+clean[ \t]+-\w*f\w*",
            rf"\b(?:shutdown[ \t]+(?:-[a-z]\b|/[a-z]\b|now\b|\+\d)|shutdown[ \t]+(?:abort|immediate)\b"
            rf"|init[ \t]+0\b){_ARGUMENTS}",
            rf"\bchmod[ \t]+(?:-\w+[ \t]+)*(?:0?777|a\+rwx)\b{_ARGUMENTS}",
            rf"\baws[ \t]+s3[ \t]+(?:rb\b|rm\b[^\n;|]{{0,120}}--recursive){_ARGUMENTS}"
            rf"|\bgsutil[ \t]+(?:-m[ \t]+)?rm[ \t]+-r\b{_ARGUMENTS}",
            rf"\bremove-item\b[^\n;|]{{0,120}}-recurse\b|\b(?:rd|rmdir)[ \t]+/s\b{_ARGUMENTS}"
            rf"|\bdel[ \t]+/[fsq]\b{_ARGUMENTS}",
            r"\bcurl\b[^\n;|]{0,120}-x[ \t]*['\"]?delete\b[^\n;|]{0,80}",
            r"\bfind[ \t]+[^\n;|]{0,160}[ \t]-delete\b"
            r"|\b(?:curl|wget)\b[^\n;|]{0,160}\|[ \t]*(?:sudo[ \t]+)?(?:ba|z)?sh\b",
        )
    ),
    ignore_case=True,
)
# In capitals, or ended, as statements are written: "delete from the list" is prose. What follows may hold a WHERE.
_DELETE = Pattern(
    r"\b(DELETE[ \t\n]+FROM[ \t\n]+[\w.\"`\[\]]+|delete[ \t]+from[ \t]+[\w.\"`]+[ \t]*;|TRUNCATE[ \t]+[\w.]+)"
    r"[^;]{0,200}"
)
_PROSE = re.compile(r"\s(?:and|then|but|so|which|before|after)\s")
_WHERE = Pattern(r"\bwhere\b", ignore_case=True)
# Of a name's parts those that are no name by themselves; of two and three letters, only where they are in capitals.
_NOT_A_NAME = frozenset(
    "bank city cloud company consulting corp corporation council data department digital energy foods global gmbh "  # noqa: SIM905
    "group health holding holdings hospital insurance international labs limited logistics media ministry national "
    "network networks online partners retail school schools services software solutions state studio support systems "
    "technologies technology trading union university ab ag and asa aps as bv co de eu for inc it kg la llc llp ltd nv "
    "of oy oyj plc pty sa sas se spa srl the uk us usa".split()
)
_MIN_PART_CHARS = 4
_MIN_CAPITALS = 2
_PART = re.compile(r"[^\W_]+")
_LETTER = r"[^\W\d_]"
# What joins words in addresses, paths and identifiers; a full stop or colon before a blank only ends a sentence.
_JOINED_BEFORE = r"(?<=[._@/\\:=#\d-])"
_JOINED_AFTER = r"(?=[_@/\\=\d-]|[.:]\w)"


def destructive_commands(text: str) -> list[str]:
    """Warnings about commands in a text that delete, overwrite, stop or open up; at most five, each once.

    Examples
    --------
    >>> destructive_commands("Stopped it, then ran `rm -rf /var/spool/edge` and restarted. DELETE FROM jobs;")
    ['destructive command: rm -rf /var/spool/edge', 'destructive command: DELETE FROM jobs']
    >>> destructive_commands("DELETE FROM jobs WHERE id = 7; removed the rm alias")
    []
    """
    data = encode(text)
    commands: dict[str, None] = {}
    before = -1
    found = merge(_destructive(data), _unbounded_deletes(data), key=itemgetter(0))
    for start, command in islice(found, _MAX_FOUND):
        if start != before:
            commands[" ".join(_quoted(command).split())] = None
        before = start
        if len(commands) == MAX_WARNINGS:
            break
    return [f"destructive command: {command}" for command in commands]


def _destructive(data: bytes) -> Iterator[tuple[int, bytes]]:
    return ((start, data[start:end]) for (start, end), *_ in _DESTRUCTIVE.matches(data))


def _unbounded_deletes(data: bytes) -> Iterator[tuple[int, bytes]]:
    for whole, (start, end) in _DELETE.matches(data):
        if not _WHERE.occurs(data[whole[0] : whole[1]]):
            yield start, data[start:end]


def _quoted(data: bytes) -> str:
    """A command as a warning quotes it: bounded, without the prose and the marks around it."""
    command = _PROSE.split(data.decode("utf-8", "replace"), maxsplit=1)[0]
    return command[:_MAX_COMMAND_CHARS].rstrip(" .,:)`'\"}")


def without_customer(text: str, customer: str | None, asking: str | None) -> str:
    """A text of one customer's case as another customer's ticket may show it: the name, whole or in part, masked.

    Parts count from four letters on where they are written as names are, with a capital or exactly as in the name, and
    in lower case where they are joined to something, as in addresses and identifiers; shorter ones count in capitals
    only. Words that many names share ("Bank", "Logistics") do not count.

    Parameters
    ----------
    customer, asking : str or None
        Whose case it is, and whose ticket asks; an unknown asker is another.

    Examples
    --------
    >>> without_customer("SALTMARSH replayed the queue; Energy use is normal.", "Saltmarsh Energy", "Dunmore Rail")
    '<CUSTOMER> replayed the queue; Energy use is normal.'
    >>> without_customer("Saltmarsh replayed the queue.", "Saltmarsh Energy", "Saltmarsh Energy")
    'Saltmarsh replayed the queue.'
    >>> without_customer("db01.saltmarsh.example, tenant SaltmarshProd", "Saltmarsh Energy", None)
    'db01.<CUSTOMER>.example, tenant <CUSTOMER>Prod'
    """
    if customer is None or (asking is not None and customer.casefold() == asking.casefold()):
        return text
    parts = tuple(_PART.findall(customer))
    # Nearly always none of them is there, which is quickly seen.
    if not parts or not _any_part(parts).occurs(encode(text)):
        return text
    return _name_pattern(parts).sub(CUSTOMER, text)


@lru_cache(maxsize=4096)
def _any_part(parts: tuple[str, ...]) -> Pattern:
    in_any_case = [part for part in parts if _is_name(part)] or [max(parts, key=len)]
    in_capitals = [part for part in parts if _is_acronym(part)]
    return Pattern("|".join([*(f"(?i:{re.escape(part)})" for part in in_any_case), *map(re.escape, in_capitals)]))


def _is_name(part: str) -> bool:
    return len(part) >= _MIN_PART_CHARS and part.lower() not in _NOT_A_NAME and not part.isdigit()


def _is_acronym(part: str) -> bool:
    return _MIN_CAPITALS <= len(part) < _MIN_PART_CHARS and part.isupper() and part.lower() not in _NOT_A_NAME


@lru_cache(maxsize=4096)
def _name_pattern(parts: tuple[str, ...]) -> re.Pattern[str]:
    whole = r"[\W_]{0,3}".join(map(re.escape, parts))
    forms = [_apart(f"(?i:{whole})" if len("".join(parts)) >= _MIN_PART_CHARS else whole, parts[0], parts[-1])]
    for part in dict.fromkeys(parts):
        if _is_name(part):
            forms += _spellings(part)
        elif _is_acronym(part):
            forms.append(_apart(re.escape(part), part, part))
    return re.compile("|".join(forms))


def _spellings(part: str) -> list[str]:
    """Patterns of a part as a name, in CamelCase, and in any case where it is joined; with an ``s`` or without."""
    exact, any_case = re.escape(part), f"(?i:{re.escape(part)})"
    capital = re.escape(part[0].upper()) + f"(?i:{re.escape(part[1:])})"
    camel = "|".join(re.escape(form) for form in {part.lower(), part[0].upper() + part[1:].lower()})
    mixed = "" if part.isupper() else f"|{exact}"
    return [
        _apart(f"(?:{capital}|{exact})s?", part, part),
        f"(?<!{_LETTER})(?:{camel}{mixed})(?=[A-Z])",
        f"{_JOINED_BEFORE}{any_case}s?(?!{_LETTER})",
        f"(?<!{_LETTER}){any_case}s?{_JOINED_AFTER}",
    ]


def _apart(pattern: str, first: str, last: str) -> str:
    """A pattern where no letter goes on before or behind; nor a digit, where the name itself has one there."""
    before = r"[^\W_]" if first[0].isdigit() else _LETTER
    after = r"[^\W_]" if last[-1].isdigit() else _LETTER
    return f"(?<!{before}){pattern}(?!{after})"
