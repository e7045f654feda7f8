"""What must not pass unseen in the words of another case: commands that destroy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from heapq import merge
from itertools import islice
from operator import itemgetter

from features.linear_regex import Pattern, encode

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
