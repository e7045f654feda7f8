"""Log excerpts reduced to what identifies them: no time stamps, and of many lines those that say what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from features.linear_regex import Pattern, decode, encode

_FEW = 6
_MAX_TELLING = 12

_TIME = r"[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:[.,:][0-9]{1,9})?(?: ?(?:Z|[+-][0-9]{2}:?[0-9]{2}|UTC|GMT))?"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? "
_STAMP = (
    r"[\[(<]?(?:"
    rf"[0-9]{{4}}[-/.][0-9]{{2}}[-/.][0-9]{{2}}[T ,_]{{1,2}}{_TIME}"
    rf"|[0-9]{{2}}[-/.][0-9]{{2}}[-/.](?:[0-9]{{4}}|[0-9]{{2}})[T ,]{{1,2}}{_TIME}"
    r"|[0-9]{6} [0-9]{6}"
    rf"|(?:{_DAY})?{_MONTH} {{1,2}}[0-9]{{1,2}},?(?: [0-9]{{4}})? {_TIME}(?: [AP]M)?"
    rf"|(?:{_DAY})?[0-9]{{1,2}}[- /]{_MONTH}[- /][0-9]{{4}}[: ]{_TIME}"
    r"|[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?"
    r"|[IWEF][0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{1,9}"
    r")(?: [A-Z]{3,4} [0-9]{4})?[\])>]?[ \t:|,;-]{0,6}"
)
_AT_LINE_START = Pattern(rf"(?m)^[ \t]{{0,8}}{_STAMP}")
TELLING = Pattern(
    r"(?i)\b(?:err|fatal|severe|critical|crit|warn(?:ing)?|panic|alert|emerg)\b|exception|error|fail|refus|denied"
    r"|time[d -]{0,2}out|unable|cannot|could ?n.t|not found|invalid|corrupt|reject|unreachable|aborted|killed|crash"
    r"|deadlock"
)
# Stands for a removed time stamp while the lines are looked at; repaired text holds no control character.
_MARK = "\x1e"


def reduce_logs(lines: Sequence[str]) -> list[str]:
    """Lines without leading time stamps; of a longer log the telling lines, its first and its last.

    Parameters
    ----------
    lines : sequence of str
        Repaired text without line ends.
    """
    data = encode("\n".join(lines))
    found = _AT_LINE_START.sub(lambda _: _MARK.encode(), data)
    if found is data:
        return list(lines)
    marked = decode(found).split("\n")
    logged = [number for number, line in enumerate(marked) if line.startswith(_MARK)]
    if len(logged) <= _FEW:
        return [line.removeprefix(_MARK) for line in marked]
    telling = [number for number in logged if TELLING.occurs(encode(marked[number]))][:_MAX_TELLING]
    # Frames that a collector stamped one by one; features.traces chooses among them.
    frames = [number for number in logged if marked[number].startswith(f"{_MARK}at ")]
    # What precedes lines without a stamp begins a message of several lines, a trace for instance.
    opening = [number for number, following in pairwise(logged) if following > number + 1]
    kept = {logged[0], logged[-1], *telling, *frames, *opening[:_MAX_TELLING]}
    return [
        line.removeprefix(_MARK) for number, line in enumerate(marked) if number in kept or not line.startswith(_MARK)
    ]
