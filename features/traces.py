"""Stack traces reduced to what identifies them: the exception, its message, the top few frames.

Java (and Kotlin, Scala), .NET, Node, Python and Go. A frame becomes ``at package.Class.method``: line numbers, files,
arguments and module versions change from release to release while the problem stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from features.linear_regex import Pattern, PatternSet, decode, encode

# The first frames of a trace, and more of them outside the run time's own packages: that is where the problem is.
_TOP_FRAMES = 2
_TOP_OWN_FRAMES = 4
_RUNTIME = ("java.", "javax.", "jdk.", "sun.", "com.sun.", "scala.", "kotlin.", "System.", "Microsoft.", "node:")
_MAX_LINE = 400

_WORDS_FOR_AT = r"(?:at|bei|à|en)"
_JAVA = (
    rf"{_WORDS_FOR_AT} (?:[\w.-]*//?)*([\pL_$<][^\s(/]*\.[^\s(]+) ?"
    r"\((?:Native Method|Unknown Source|<[^>]*>|[^()\s]*:[0-9]+|[\w$.-]+\.(?:java|scala|kt|groovy|clj))\).*"
)
_DOTNET = rf"{_WORDS_FOR_AT} ([\pL_][^\s(]*\.[^\s(]*\.[^\s(]+)\([^()]*\)(?: (?:in|dans|en) .*)?"
_NODE = r"at (?:async |new )*([^\s()]+)(?: \[as [^\]]+\])? \((?:[^()]*/)?([^()/]+):[0-9]+:[0-9]+\)"
_NODE_BARE = r"at (?:async )?(?:\S*/)?([^\s/()]+):[0-9]+:[0-9]+"
_FRAME = Pattern(rf"(?:{_JAVA}|{_DOTNET}|{_NODE}|{_NODE_BARE})")
# What nearly all frames are, and of what _JAVA makes the same: RE2 reads it in one pass.
_PLAIN_FRAME = Pattern(r"at ([A-Za-z_$][\w$]*(?:\.[\w$<>]+)+)\([^()\s:]*:[0-9]+\).*")
_PYTHON = Pattern(r'File "(?:[^"]*?/)??([^"/]*/)?([^"/]+)", line [0-9]+(?:, in ([^\s]+))?.*')
_PYTHON_END = Pattern(
    r"(?:[\w.]+\.)?\w*(?:Error|Exception|Warning|Exit|Interrupt|Timeout|Group|Failed|Failure)\b.*|[\w.]+: .*"
)
_GO_FILE = Pattern(r"\S+\.go:[0-9]+(?: \+0x[0-9a-f]+)?")
_STARTS = ("at ", "bei ", "à ", "en ")
_NOISE_STARTS = ("... ", "--- End of ", "[signal ", "Traceback (", "goroutine ", "^", "~")
_NOISE = Pattern(
    r"goroutine [0-9]+ \[[^\]]*\]:|\[signal .*|Traceback \(most recent call last\):|[~^]+"
    r"|\.\.\. [0-9]+ (?:more|common frames omitted)|-{3} End of .{0,80}-{3}"
)
_CUES = PatternSet(
    [
        r"(?m)\b(?:at|bei|à|en) [^\s(]+ ?\(",
        r"(?m)^\s*at \S+:[0-9]+:[0-9]+",
        r'File "[^"]*", line [0-9]',
        r"goroutine [0-9]+ \[",
    ]
)
_JOINED = Pattern(r"[ \t]+at [\w$.<>/]+ ?\([^()\s]{1,120}\)")


def reduce_traces(lines: Sequence[str]) -> list[str]:
    """Lines with every stack trace cut down to its exception lines and top frames.

    Parameters
    ----------
    lines : sequence of str
        Text without line ends. A trace whose line ends were lost (joined by blanks) is recognised too.
    """
    if not _CUES.which(encode("\n".join(lines))):
        return list(lines)
    return _reduce([part for line in lines for part in _unjoined(line)])


def _unjoined(line: str) -> list[str]:
    if line.count(" at ") + line.count("\tat ") < 2:
        return [line]
    return decode(_JOINED.sub(lambda frame: b"\n" + frame.strip(), encode(line))).split("\n")


def _reduce(lines: Sequence[str]) -> list[str]:
    kept: list[str] = []
    trace = _Trace()
    stripped = [*(line.strip() for line in lines), ""]
    number = 0
    while number < len(lines):
        line, following = stripped[number], stripped[number + 1]
        if line.startswith(_STARTS) and (frame := _frame(line)):
            kept += trace.add(frame)
        elif line.startswith('File "') and (frame := _python_frame(line)):
            trace.python.append(frame)
            # The line of source that Python prints below.
            number += not (following.startswith('File "') or _PYTHON_END.fits(_data(following)))
        elif (line.endswith(")") or line.startswith("created by ")) and _is_go_file(following):
            kept += trace.add(_go_frame(line)) if line.endswith(")") else []
            number += 1
        elif line and not _is_noise(line):
            kept += trace.close()
            # A cause's first frames are where it was thrown; the rest repeats the trace above.
            trace = _Trace(n_own=_TOP_OWN_FRAMES - _TOP_FRAMES if line.startswith("Caused by") else 0)
            kept.append(lines[number])
        elif not line and not trace.is_open:
            kept.append("")
        number += 1
    return kept + trace.close()


class _Trace:
    """Frames of one trace as they come."""

    def __init__(self, n_own: int = 0) -> None:
        self.python: list[str] = []
        self._n_frames = 0
        self._n_own = n_own

    @property
    def is_open(self) -> bool:
        return bool(self._n_frames or self.python)

    def add(self, frame: str) -> list[str]:
        """The line to keep for a frame, if any."""
        self._n_frames += 1
        is_own = not frame.startswith(_RUNTIME)
        self._n_own += is_own
        is_telling = self._n_frames <= _TOP_FRAMES or (is_own and self._n_own <= _TOP_OWN_FRAMES)
        return [f"at {frame}"] if is_telling else []

    def close(self) -> list[str]:
        """Python's frames: it prints the innermost last."""
        frames, self.python = self.python, []
        return [f"at {frame}" for frame in frames[: -_TOP_OWN_FRAMES - 1 : -1]]


def _data(line: str) -> bytes:
    return encode(line[:_MAX_LINE])


def _frame(line: str) -> str:
    """``package.Class.method``, or blank where the line is prose."""
    data = _data(line)
    groups = _PLAIN_FRAME.groups(data) or _FRAME.groups(data)
    return decode(b" ".join(filter(None, groups))) if groups else ""


def _python_frame(line: str) -> str:
    """``folder/file.py function``."""
    groups = _PYTHON.groups(_data(line))
    if groups is None:
        return ""
    folder, file, function = (group or b"" for group in groups)
    return decode(folder + file + b" " + function).rstrip()


def _go_frame(line: str) -> str:
    """``package.Type.Method`` without the module's path and the arguments."""
    return line[: line.rfind("(")].rsplit("/", 1)[-1].replace("(*", "").replace(")", "")


def _is_noise(line: str) -> bool:
    return line.startswith(_NOISE_STARTS) and _NOISE.fits(_data(line))


def _is_go_file(line: str) -> bool:
    return ".go:" in line and _GO_FILE.fits(_data(line))
