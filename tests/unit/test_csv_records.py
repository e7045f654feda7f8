"""Records are cut as the csv module would cut them, and are of bounded size."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from features.sources.csv_records import Record, cut_records


def _pieces(text: str, size: int) -> list[str]:
    """Cut after each line end and after at most ``size`` characters."""
    lines = text.splitlines(keepends=True)
    return [line[at : at + size] for line in lines for at in range(0, len(line), size)]


@given(st.text(alphabet='a",;\n ', max_size=60), st.integers(1, 60))
@example('a,"b\nc",d\n"x""y"\n', 3)
@example('"a"b"c,d\n"', 2)
@example('5" disk,"7"" tape"\n', 4)
def test_same_rows_as_the_csv_module(text: str, size: int) -> None:
    records = list(cut_records(iter(_pieces(text, size)), ","))
    found = [next(csv.reader([record.text or ""])) for record in records]
    assert found == [row for row in csv.reader(io.StringIO(text, newline="")) if row]


@given(st.lists(st.lists(st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"])), min_size=2)))
def test_what_the_csv_module_writes_is_cut_into_its_rows(rows: list[list[str]]) -> None:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    text = file.getvalue()
    records = list(cut_records(iter(_pieces(text, 7)), ","))
    assert [next(csv.reader([record.text or ""])) for record in records] == rows


def test_lines_are_those_where_records_begin() -> None:
    text = 'h1,h2\n\na,"x\ny\n"\n\nb,c\n'
    assert [record.line for record in cut_records(iter(_pieces(text, 99)), ",")] == [1, 3, 7]


def test_a_long_record_is_passed_over_with_its_lines() -> None:
    text = 'a,"' + 'x""\n' * 1000 + '",z\nb,c\n'
    assert list(cut_records(iter(_pieces(text, 50)), ",", max_chars=100)) == [Record(1, None), Record(1002, "b,c\n")]


@pytest.mark.parametrize("max_chars", [5, 1000])
def test_a_quote_that_is_never_closed(max_chars: int) -> None:
    records = list(cut_records(iter(['a,"never\n', "b,c\n", "d,e"]), ",", max_chars))
    assert [(record.line, record.is_open) for record in records] == [(1, True)]


def test_no_line_end_at_the_end() -> None:
    assert list(cut_records(iter(["a,b\n", 'c,"d"']), ",")) == [Record(1, "a,b\n"), Record(2, 'c,"d"')]
