"""Benchmark results as a table that a person reads: one figure a line, nested by indentation, intervals beside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_INTERVALS = "ci95"
_METHODS = ("lexical", "dense", "untrained", "fused")


def render(result: Mapping[str, object]) -> str:
    """Render one result, or results by task and folder.

    Examples
    --------
    >>> print(render({"n": 2, "accuracy": 0.5, "ci95": {"accuracy": [0.25, 0.75]}}))
    n         2
    accuracy  0.500  (0.250 to 0.750)
    """
    return "\n".join(_lines(result, ""))


def _lines(result: Mapping[str, object], indent: str) -> Iterator[str]:
    intervals = result.get(_INTERVALS)
    known = intervals if isinstance(intervals, Mapping) else {}
    names = [name for name, value in result.items() if name != _INTERVALS and not isinstance(value, Mapping)]
    width = max((len(name) for name in names), default=0)
    for name in names:
        interval = known.get(name)
        beside = f"  ({_value(interval)})" if interval is not None else ""
        yield f"{indent}{name.ljust(width)}  {_value(result[name])}{beside}"
    if any(isinstance(result.get(method), Mapping) for method in _METHODS):
        yield from _method_table(result, indent)
    for name, value in result.items():
        if isinstance(value, Mapping) and name != _INTERVALS and name not in _METHODS:
            yield f"{indent}{name}"
            yield from _lines(value, indent + "  ")


def _method_table(result: Mapping[str, object], indent: str) -> Iterator[str]:
    """Figures of retrieval methods, a method a line."""
    methods = {name: value for name in _METHODS if isinstance(value := result.get(name), Mapping)}
    columns = [name for name in next(iter(methods.values())) if name != _INTERVALS]
    width = max(len(name) for name in methods)
    yield f"{indent}{''.ljust(width)}  " + "  ".join(column.rjust(9) for column in columns)
    for name, figures in methods.items():
        cells = "  ".join(_value(figures[column]).rjust(9) for column in columns)
        yield f"{indent}{name.ljust(width)}  {cells}"


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return " to ".join(_value(item) for item in value)
    return "-" if value is None else _number(value)


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
