"""What must not pass unseen in the words of another case: commands that destroy, and the name of another customer.

Personal data and credentials are masked before a text is stored (:mod:`features.masking`); this comes on top, when a
text is shown, since whose name may be read depends on who asks.
"""

from __future__ import annotations

import re
from functools import lru_cache

from features.linear_regex import Pattern, encode

CUSTOMER = "<CUSTOMER>"
MAX_WARNINGS = 5
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
# Of a name's parts those that are no name by themselves.
_NOT_A_NAME = frozenset(
    "bank city cloud company consulting corp corporation council data department digital energy foods global gmbh "  # noqa: SIM905
    "group health holding holdings hospital insurance international labs limited logistics media ministry national "
    "network networks online partners retail school schools services software solutions state studio support systems "
    "technologies technology trading union university".split()
)
_MIN_PART_CHARS = 4
_PART = re.compile(r"[^\W_]+")


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
    found = [(start, data[start:end]) for start, end in _DESTRUCTIVE.spans(data)]
    known = {start for start, _ in found}
    found += [
        (start, data[start:end])
        for whole, (start, end) in _DELETE.matches(data)
        if not _WHERE.occurs(data[whole[0] : whole[1]]) and start not in known
    ]
    commands = dict.fromkeys(" ".join(_quoted(command).split()) for _, command in sorted(found))
    return [f"destructive command: {command}" for command in commands][:MAX_WARNINGS]


def _quoted(data: bytes) -> str:
    """A command as a warning quotes it: bounded, without the prose and the marks around it."""
    command = _PROSE.split(data.decode("utf-8", "replace"), maxsplit=1)[0]
    return command[:_MAX_COMMAND_CHARS].rstrip(" .,:)`'\"}")


def without_customer(text: str, customer: str | None, asking: str | None) -> str:
    """A text of one customer's case as another customer's ticket may show it: the name, whole or in part, masked.

    Parts count from four letters on where they are written as names are, with a capital or exactly as in the name;
    words that many names share ("Bank", "Logistics") do not.

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
    names = [part for part in parts if _is_name(part)] or parts[:1]
    return Pattern("|".join(map(re.escape, names)), ignore_case=True)


def _is_name(part: str) -> bool:
    return len(part) >= _MIN_PART_CHARS and part.lower() not in _NOT_A_NAME and not part.isdigit()


@lru_cache(maxsize=4096)
def _name_pattern(parts: tuple[str, ...]) -> re.Pattern[str]:
    whole = r"[\W_]{0,3}".join(map(re.escape, parts))
    forms = [f"(?i:{whole})" if len("".join(parts)) >= _MIN_PART_CHARS else whole]
    for part in parts:
        if _is_name(part):
            capital = re.escape(part[0].upper()) + f"(?i:{re.escape(part[1:])})"
            forms += [capital, re.escape(part)]
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(forms)})(?![^\W_])")
