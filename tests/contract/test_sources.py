"""What every reader does, in each format that it reads."""

import csv
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.errors import MappingInvalid, SourceUnreadable
from features.sources import open_source
from features.sources.base import RejectedRow, Row
from features.sources.mapping import ColumnMapping, load_mapping
from features.ticket import Severity, Status

Rows = list[dict[str, Any]]
GOOD: Rows = [
    {
        "id": "T-1",
        "subject": "Export stops",
        "description": 'It says "done",\nand the file is empty; naïve 日本',
        "created_at": "2025-03-01T10:00:00+01:00",
        "resolved_at": "2025-03-02T10:00:00.000+0000",
        "status": "Resolved",
        "severity": "SEV1",
        "category": "EXP",
        "resolution": "Restarted the worker.",
    },
    {"id": "T-2", "subject": "Slow", "created_at": "2025-03-03", "severity": None, "category": "EXP"},
    {"id": "T-3", "subject": "Login", "created_at": None, "severity": " low ", "category": "EXP", "status": "open"},
]


def _jsonl(rows: Rows) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _csv(rows: Rows) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(GOOD[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _issue(row: dict[str, Any]) -> dict[str, Any]:
    comment = {"author": {"name": "agent"}, "created": row.get("resolved_at"), "body": row.get("resolution")}
    return {
        "key": row["id"],
        "fields": {
            "project": {"key": row.get("category")},
            "summary": row.get("subject"),
            "description": row.get("description"),
            "created": row.get("created_at"),
            "resolutiondate": row.get("resolved_at"),
            "status": {
                "name": row.get("status"),
                "statusCategory": {"key": "done" if row.get("status") == "Resolved" else "new"},
            },
            "priority": {"name": row["severity"]} if row.get("severity") else None,
            "comment": {"comments": [comment] if row.get("resolution") else []},
        },
    }


def _jira_pages(rows: Rows) -> str:
    pages = [{"startAt": 0, "total": len(rows), "issues": [_issue(row) for row in rows[at : at + 2]]} for at in (0, 2)]
    return "\n".join(json.dumps(page, ensure_ascii=False, indent=1) for page in pages)


def _jira_lines(rows: Rows) -> str:
    return _jsonl([_issue(row) for row in rows])


FORMATS: dict[str, tuple[str, Callable[[Rows], str]]] = {
    "jsonl": ("jsonl", _jsonl),
    "csv": ("csv", _csv),
    "jira pages": ("jira", _jira_pages),
    "jira lines": ("jira", _jira_lines),
}


class Export:
    """Writes rows in one format, and reads them back."""

    def __init__(self, folder: Path, name: str) -> None:
        self.kind, self.encode = FORMATS[name]
        self.name = name
        self.path = folder / "export.txt"

    def read(self, data: bytes | Rows, mapping: ColumnMapping | None = None) -> list[Row | RejectedRow]:
        self.path.write_bytes(data if isinstance(data, bytes) else self.encode(data).encode())
        self.source = open_source(self.kind, self.path, mapping)
        return list(self.source.rows())


@pytest.fixture(params=list(FORMATS))
def export(request: pytest.FixtureRequest, tmp_path: Path) -> Export:
    return Export(tmp_path, request.param)


def _with(number: int, **changes: object) -> Rows:
    return [{**row, **changes} if at == number else row for at, row in enumerate(GOOD)]


def _ids(rows: list[Row | RejectedRow]) -> list[str]:
    return [row.case.id for row in rows if isinstance(row, Row)]


def _rejected(rows: list[Row | RejectedRow]) -> RejectedRow:
    (rejected,) = [row for row in rows if isinstance(row, RejectedRow)]
    return rejected


def test_good_rows(export: Export) -> None:
    rows = export.read(GOOD)
    assert _ids(rows) == ["T-1", "T-2", "T-3"]
    assert [row.line for row in rows] == ([2, 4, 5] if export.kind == "csv" else [1, 2, 3])
    first, second, third = (row.case for row in rows if isinstance(row, Row))
    assert first.ticket.subject == "Export stops"
    assert first.ticket.description == 'It says "done",\nand the file is empty; naïve 日本'
    assert first.ticket.created_at == datetime(2025, 3, 1, 9, tzinfo=UTC)
    assert first.outcome.resolved_at == datetime(2025, 3, 2, 10, tzinfo=UTC)
    assert first.outcome.resolution == "Restarted the worker."
    assert [case.outcome.severity for case in (first, second, third)] == [Severity.SEV1, None, Severity.SEV4]
    assert [case.outcome.status for case in (first, second, third)] == [Status.RESOLVED, Status.OPEN, Status.OPEN]
    assert {case.outcome.category for case in (first, second, third)} == {"EXP"}
    assert (second.ticket.created_at, third.ticket.created_at) == (datetime(2025, 3, 3, tzinfo=UTC), None)
    assert export.source.notes == ()


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"id": None}, "id", "has no id"),
        ({"id": "  "}, "id", "has no id"),
        ({"subject": " ", "description": None}, "subject", "has no text"),
        ({"created_at": "yesterday"}, "created_at", "The created_at 'yesterday' is no time in ISO 8601"),
        ({"created_at": "2025-02-30"}, "created_at", "'2025-02-30' is no time"),
        ({"created_at": "0001-01-01"}, "created_at", "'0001-01-01' is not between 1970 and 2100"),
        (
            {"resolved_at": "12/31/2025"},
            "resolved_at",
            "'12/31/2025' is no time in ISO 8601 or in the mapping's date_formats",
        ),
        ({"resolved_at": "2024-01-01"}, "resolved_at", "lies before the created_at 2025-03-03T00:00:00+00:00"),
        ({"severity": "purple"}, "severity", "The severity 'purple' is unknown; translate it under [severity]"),
        ({"severity": "x" * 200}, "severity", "The severity (200 characters) is unknown"),
        ({"severity": "Ann Doe rang twice"}, "severity", "The severity (18 characters) is unknown"),
        ({"created_at": "Ann Doe rang twice"}, "created_at", "The created_at (18 characters) is no time"),
    ],
)
def test_a_faulty_row_is_told_and_the_next_is_read(
    export: Export, changes: dict[str, object], field: str, reason: str
) -> None:
    rows = export.read(_with(1, **changes))
    rejected = _rejected(rows)
    assert _ids(rows) == ["T-1", "T-3"]
    assert (rejected.line, rejected.field) == (4 if export.kind == "csv" else 2, field)
    assert rejected.id == (None if field == "id" else "T-2")
    assert reason in rejected.reason
    assert len(rejected.reason) < 300


# Integers of more than 64 bits are beyond the parser of pages, which calls the file damaged.
JSON_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(1 - 2**63, 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
        st.sampled_from(["2025-01-01", "9999-12-31T23:59:59-23:59", "http://[bad/rest/api/2/issue/1", "1" * 5000]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["key", "name", "type", "content", "at", "by", "text", "id"]), inner),
    ),
    max_leaves=8,
)
FIELDS_OF_ISSUES = (
    *("summary", "description", "created", "status", "priority", "comment", "issuelinks", "components", "reporter"),
    *("project", "resolutiondate"),
)
FIELDS_OF_ROWS = (*GOOD[0], "messages", "links", "fields", "duplicate_of", "url", "version")
FIELDS_AT_THE_TOP = ("key", "self", "duplicates", "summary", "created", "resolved", "status", "project", "components")


@given(
    rows=st.lists(st.dictionaries(st.sampled_from(FIELDS_OF_ROWS), JSON_VALUES), max_size=3),
    tops=st.lists(st.dictionaries(st.sampled_from(FIELDS_AT_THE_TOP), JSON_VALUES), max_size=3),
    fields=st.dictionaries(st.sampled_from(FIELDS_OF_ISSUES), JSON_VALUES),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_row_raises(export: Export, rows: Rows, tops: Rows, fields: dict[str, Any]) -> None:
    if export.kind == "csv":
        header = ",".join(FIELDS_OF_ROWS)
        good = {"id": "T-1", "subject": "Slow"}
        cells = [[str(row.get(name, "")).replace('"', "'") for name in FIELDS_OF_ROWS] for row in [*rows, good]]
        text = "\n".join([header, *(",".join(f'"{cell}"' for cell in row) for row in cells)])
        expected = len(rows) + 1
    elif export.kind == "jsonl":
        text, expected = _jsonl([*rows, GOOD[1]]), len(rows) + 1
    else:
        issues = [*tops, {"key": "T-7", "fields": fields}, *({"key": "T-8", "fields": {}} | top for top in tops)]
        issues.append(_issue(GOOD[1]))
        text = json.dumps({"issues": issues}) if export.name == "jira pages" else _jsonl(issues)
        expected = len(issues)
    read = export.read(text.encode(errors="surrogatepass"))
    assert len(read) == expected
    assert isinstance(read[-1], Row)


PIECES = st.sampled_from(
    [
        *(b'{"id": "T-1"', b'"subject": "Slow"', b'{"issues": [', b'{"key": "T-1", "fields": {', b'"created": "2025-'),
        *(
            b"id,subject\n",
            b'T-1,"Slow',
            b'"',
            b"{",
            b"}",
            b"[",
            b"]",
            b",",
            b":",
            b"\n",
            b"\r",
            b"\0",
            b"\xff\xfe",
            b"\xed",
        ),
        *(b"\\ud800", b"\\", b"nul", b"1e999", b"-", b"\xef\xbb\xbf", b"\x1f\x8b\x08"),
    ]
)


@given(
    data=st.one_of(
        st.binary(max_size=200),
        st.lists(PIECES, max_size=30).map(b"".join),
        st.lists(PIECES, max_size=30).map(lambda pieces: gzip.compress(b"".join(pieces))),
        st.tuples(st.integers(0, 2_000), st.binary(max_size=4)),
    )
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_are_read_rejected_or_unreadable(export: Export, data: bytes | tuple[int, bytes]) -> None:
    if isinstance(data, tuple):  # a good file that is damaged at one place
        good, (at, damage) = export.encode(GOOD).encode(), data
        data = good[: at % len(good)] + damage + good[at % len(good) + len(damage) :]
    read: list[Row | RejectedRow] = []
    # Anything else that is raised fails the test; a table without the column of ids is a matter of the mapping.
    with suppress(SourceUnreadable, MappingInvalid):
        read = export.read(data)
    for row in read:
        if isinstance(row, RejectedRow):
            assert row.reason
        else:
            row.case.ticket.subject.encode()
            assert row.case.id


MAPPING_LINES = (
    *("[columns]", "[severity]", "[status]", "[bad]", 'id = "key"', 'unknown = "ignore"', 'a = "sev1"', "a = 1", "= ="),
    *('time_zone = "Europe/Vienna"', 'time_zone = "Mars"', "x = [1, {y = 2}]", '"" = ""', "\0"),
)


@given(
    st.one_of(
        st.binary(max_size=100),
        st.lists(
            st.sampled_from(MAPPING_LINES),
            max_size=8,
        ).map(lambda lines: "\n".join(lines).encode()),
    )
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_mapping_is_taken_or_refused_by_name(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "mapping.toml"
    path.write_bytes(data)
    with suppress(MappingInvalid):
        assert load_mapping(path).columns.id


DEEP = "[" * 5_000 + "]" * 5_000


@pytest.mark.parametrize("name", ["status", "self", "key", "duplicates", "issuelinks", "description"])
@pytest.mark.parametrize(
    ("form", "value"),
    [("jira pages", DEEP), ("jira pages", f'{{"name": {DEEP}}}'), ("jira lines", DEEP), ("jira lines", "9" * 5_000)],
)
def test_values_of_hostile_size_stop_no_other_issue(tmp_path: Path, name: str, form: str, value: str) -> None:
    issues = [
        f'{{"key": "T-1", "{name}": {value}}}',
        f'{{"key": "T-1", "fields": {{"{name}": {value}}}}}',
        json.dumps(_issue(GOOD[1])),
    ]
    text = "\n".join(issues) if form == "jira lines" else f'{{"issues": [{", ".join(issues)}]}}'
    read = Export(tmp_path, form).read(text.encode())
    assert len(read) == 3
    assert isinstance(read[2], Row)


def test_unknown_severities_can_be_ignored(export: Export, tmp_path: Path) -> None:
    (tmp_path / "mapping.toml").write_text('[severity]\nunknown = "ignore"\nPurple = "sev2"\n')
    mapping = load_mapping(tmp_path / "mapping.toml")
    rows = export.read([{**GOOD[0], "severity": "purple"}, {**GOOD[1], "severity": "pink"}], mapping)
    assert [row.case.outcome.severity for row in rows if isinstance(row, Row)] == [Severity.SEV2, None]


def test_duplicate_ids_are_left_to_the_import(export: Export) -> None:
    assert _ids(export.read([GOOD[1], GOOD[2], GOOD[1]])) == ["T-2", "T-3", "T-2"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(export: Export, encoding: str) -> None:
    assert export.read(export.encode(GOOD).encode(encoding)) == export.read(GOOD)


def test_windows_line_ends_and_gz(export: Export) -> None:
    text = export.encode(GOOD)
    plain = export.read(GOOD)
    assert export.read(text.replace("\n", "\r\n").encode()) == plain
    assert export.read(gzip.compress(text.encode())) == plain


def test_bytes_that_are_not_utf8(export: Export) -> None:
    """The file is Latin-1: the row is kept, what could not be read is marked and counted."""
    rows = export.read(export.encode([GOOD[1], {**GOOD[2], "subject": "Zugang gestört"}]).encode("latin-1"))
    assert _ids(rows) == ["T-2", "T-3"]
    assert isinstance(rows[1], Row)
    assert rows[1].case.ticket.subject == "Zugang gest\ufffdrt"
    assert "1 bytes are not valid text" in export.source.notes[0]


def test_a_gz_that_breaks_off(export: Export) -> None:
    """Rows before the break are given; then the file is said to be broken, and no half row is taken for a whole one."""
    many = [{**GOOD[2], "id": f"T-{number}", "subject": f"{number * 7919 % 10007}"} for number in range(5000)]
    text = json.dumps({"issues": [_issue(row) for row in many]}) if export.name == "jira pages" else export.encode(many)
    data = gzip.compress(text.encode())
    export.path.write_bytes(data[: len(data) // 2])
    read: list[Row | RejectedRow] = []
    with pytest.raises(SourceUnreadable, match=r"breaks off or is damaged after"):
        read.extend(open_source(export.kind, export.path).rows())
    assert len(read) > 500
    assert _ids(read) == [row["id"] for row in many[: len(read)]]


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf", gzip.compress(b"")])
def test_an_empty_file(export: Export, data: bytes) -> None:
    with pytest.raises(SourceUnreadable, match=r"export\.txt is empty; export it again"):
        export.read(data)


def test_nothing_at_the_path(export: Export) -> None:
    with pytest.raises(SourceUnreadable, match=r"There is nothing at .*; check the path"):
        open_source(export.kind, export.path)


def test_names_in_the_mapping_that_no_row_has(export: Export, tmp_path: Path) -> None:
    if export.kind == "csv":
        pytest.skip("a CSV file without the column is refused at once")
    (tmp_path / "mapping.toml").write_text('fields = ["environment"]\n[targets]\nteam = "tem"\n')
    assert len(_ids(export.read(GOOD, load_mapping(tmp_path / "mapping.toml")))) == 3
    assert export.source.notes == (
        "No row has a value in 'environment', which the mapping names; check its spelling.",
        "No row has a value in 'tem', which the mapping names; check its spelling.",
    )


MEASURED = """
import json, resource, sys
from pathlib import Path
from features.sources import open_source
from features.sources.base import Row

source = open_source(sys.argv[1], Path(sys.argv[3]))
list(open_source(sys.argv[1], Path(sys.argv[2])).rows())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = [row.case.id if isinstance(row, Row) else [row.line, row.field, row.reason] for row in source.rows()]
print(json.dumps({"rows": rows, "mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}))
"""


@pytest.mark.parametrize("filling", ["x", 'say "no" \\ and' + " so on" * 50 + "\n"])
def test_a_field_of_50_mb(export: Export, tmp_path: Path, filling: str) -> None:
    huge = filling * (50_000_000 // len(filling))
    (tmp_path / "small.txt").write_text(export.encode(GOOD))
    export.path.write_text(export.encode([GOOD[0], {**GOOD[1], "description": huge}, GOOD[2]]))
    code = [sys.executable, "-c", MEASURED, export.kind, str(tmp_path / "small.txt"), str(export.path)]
    done = json.loads(subprocess.run(code, check=True, capture_output=True, text=True).stdout)
    first, (line, field, reason), last = done["rows"]
    assert (first, last, line, field) == ("T-1", "T-3", 4 if export.kind == "csv" else 2, None)
    assert "8,000,000 characters" in reason
    assert done["mib"] < 60
