"""What is peculiar to JSON Lines and to CSV, and the translation of columns through a mapping."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from features.errors import MappingInvalid, SourceUnreadable
from features.sources import open_source
from features.sources.base import RejectedRow, Row
from features.sources.mapping import ColumnMapping
from features.ticket import Author, Case, FixOutcome, Link, LinkType, Message, Severity, Status


def _read(tmp_path: Path, kind: str, text: str, **mapping: Any) -> list[Row | RejectedRow]:
    (tmp_path / "export").write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    return list(open_source(kind, tmp_path / "export", ColumnMapping.model_validate(mapping)).rows())


def _case(tmp_path: Path, value: dict[str, Any], **mapping: Any) -> Case:
    (row,) = _read(tmp_path, "jsonl", json.dumps(value), **mapping)
    assert isinstance(row, Row), row
    return row.case


def _reason(tmp_path: Path, kind: str, text: str, **mapping: Any) -> str:
    (rejected,) = [row for row in _read(tmp_path, kind, text, **mapping) if isinstance(row, RejectedRow)]
    return rejected.reason


def test_our_own_form(tmp_path: Path) -> None:
    case = _case(
        tmp_path,
        {
            "id": 7,
            "version": 3,
            "subject": "s",
            "description": "d",
            "created_at": "2025-01-01T00:00:00Z",
            "messages": [
                {"at": "2025-01-01T01:00:00Z", "by": "agent", "text": "Which version?"},
                {"at": "2025-01-01T02:00:00Z", "by": "customer", "text": " "},
            ],
            "product": "desk",
            "customer_tier": "",
            "reporter": "r-1",
            "fields": {"build": 12, "beta": True, "tags": ["a", "b"], "none": None},
            "status": "closed",
            "outcome": "reopened",
            "url": "https://desk.example/7",
            "links": [{"type": "runbook", "id": "rb-1"}, {"type": "related", "id": 5}],
            "duplicate_of": "1, 2,",
            "related": ["5"],
        },
    )
    ticket = case.ticket
    assert (ticket.id, ticket.version, ticket.product, ticket.customer_tier, ticket.reporter) == (
        "7",
        3,
        "desk",
        None,
        "r-1",
    )
    assert ticket.messages == (Message(datetime(2025, 1, 1, 1, tzinfo=UTC), Author.AGENT, "Which version?"),)
    assert ticket.fields == {"build": 12, "beta": True, "tags": "a, b"}
    assert (case.outcome.status, case.outcome.outcome) == (Status.CLOSED, FixOutcome.REOPENED)
    assert set(case.links) == {
        Link(LinkType.DUPLICATE_OF, "1"),
        Link(LinkType.DUPLICATE_OF, "2"),
        Link(LinkType.RELATED, "5"),
        Link(LinkType.RUNBOOK, "rb-1"),
    }
    assert len(case.links) == 4


def test_a_mapping(tmp_path: Path) -> None:
    case = _case(
        tmp_path,
        {
            "number": "INC1",
            "short_description": "s",
            "opened": "31.12.2024 23:30",
            "closed": "1735700000",
            "caller": {"company": {"name": "Acme"}, "vip.level": 2},
            "priority": "1 - Critical",
            "category": "ignored",
            "group": "DB",
            "dups": "INC0|INC9",
        },
        columns={
            "id": "number",
            "subject": "short_description",
            "created_at": "opened",
            "resolved_at": "closed",
            "customer": "caller.company.name",
            "severity": "priority",
            "category": "",
            "duplicate_of": "dups",
        },
        time_zone="Europe/Berlin",
        date_formats=["%d.%m.%Y %H:%M", "unix"],
        list_separator="|",
        targets={"team": "group"},
        constants={"channel": "web", "subject": "not used"},
    )
    assert (case.ticket.id, case.ticket.subject, case.ticket.customer) == ("INC1", "s", "Acme")
    assert case.ticket.created_at == datetime(2024, 12, 31, 22, 30, tzinfo=UTC)
    assert case.outcome.resolved_at == datetime(2025, 1, 1, 2, 53, 20, tzinfo=UTC)
    assert (case.outcome.severity, case.outcome.category, case.outcome.targets) == (Severity.SEV1, None, {"team": "DB"})
    assert case.ticket.channel == "web"
    assert [link.id for link in case.links] == ["INC0", "INC9"]


@pytest.mark.parametrize(
    ("row", "is_resolved"),
    [
        ({}, False),
        ({"resolved_at": "2025-01-02"}, True),
        ({"resolution": "Restarted."}, True),
        ({"resolution": " "}, False),
        ({"status": "open", "resolved_at": "2025-01-02"}, False),
    ],
)
def test_a_row_without_a_status_is_resolved_when_it_says_how_or_when(
    tmp_path: Path, row: dict[str, Any], is_resolved: bool
) -> None:
    assert _case(tmp_path, {"id": "1", "subject": "s", **row}).outcome.is_resolved is is_resolved


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"description": ["a"]}, "description", "is a list where a text belongs; map one of its parts"),
        ({"customer": {"name": "x"}}, "customer", "is an object where a text belongs"),
        ({"version": "two"}, "version", "The version 'two' is no whole number"),
        ({"status": "parked"}, "status", "The status 'parked' is unknown; translate it under [status]"),
        ({"outcome": "maybe"}, "outcome", "The outcome 'maybe' is unknown"),
        ({"fields": [1]}, "fields", "are not an object"),
        ({"fields": {"a": {"b": 1}}}, "fields.a", "The fields.a is an object"),
        ({"messages": "hello"}, "messages", "are not a list of objects with at, by and text"),
        ({"messages": [{"by": "agent", "text": "x"}]}, "messages.0.at", "is missing"),
        ({"messages": [{"at": "soon", "by": "agent", "text": "x"}]}, "messages.0.at", "'soon' is no time"),
        ({"messages": [{"at": "2025-01-01", "by": "bot", "text": "x"}]}, "messages.0.by", "'bot' is neither"),
        ({"messages": [{"at": "2025-01-01", "by": "agent", "text": {}}]}, "messages.0.text", "is an object"),
        ({"links": "T-1"}, "links", "are not a list of objects with type and id"),
        ({"links": [{"type": "blocks", "id": "1"}]}, "links.0.type", "'blocks' is unknown; there are duplicate_of"),
        ({"links": [{"type": "related"}]}, "links.0.id", "is missing"),
    ],
)
def test_values_of_the_wrong_kind(tmp_path: Path, changes: dict[str, Any], field: str, reason: str) -> None:
    (row,) = _read(tmp_path, "jsonl", json.dumps({"id": "T-1", "subject": "s", **changes}))
    assert isinstance(row, RejectedRow)
    assert (row.id, row.field) == ("T-1", field)
    assert reason in row.reason


def test_reasons_never_quote_a_text(tmp_path: Path) -> None:
    secret = "the customer's words"
    rows = {"id": "1", "subject": secret, "description": [secret]}, {"id": "2", "messages": [secret], "subject": secret}
    text = "\n".join(json.dumps(row) for row in rows) + f'\n{{"subject": "{secret}", \n'
    for row in _read(tmp_path, "jsonl", text):
        assert isinstance(row, RejectedRow)
        assert secret not in row.reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"id": "1", "subject": "s"', "The line is not valid JSON: "),
        ("id,subject", "The line is not valid JSON: "),
        ("7", "The line is not a JSON object but int."),
        ('{"id": "1", "subject": "s", "version": NaN}', "not valid JSON: NaN is no JSON value."),
        ('{"id": ' + "[" * 100_000, "The line is not valid JSON: "),
        ('{"id": ' + "9" * 10_000 + "}", "The line is not valid JSON: "),
    ],
)
def test_lines_that_are_no_objects(tmp_path: Path, line: str, reason: str) -> None:
    rows = _read(tmp_path, "jsonl", f'{line}\n\n{{"id": "2", "subject": "s"}}\n')
    assert isinstance(rows[0], RejectedRow)
    assert rows[0].line == 1
    assert reason in rows[0].reason
    assert isinstance(rows[1], Row)
    assert rows[1].line == 3


def test_half_an_emoji_does_not_cost_the_row(tmp_path: Path) -> None:
    (row,) = _read(tmp_path, "jsonl", '{"id": "1", "subject": "cut \\ud83d"}')
    assert isinstance(row, Row)
    assert row.case.ticket.subject == "cut \ud83d"


def test_an_array_is_not_json_lines(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match=r"is one JSON array, not JSON Lines; .*jq -c"):
        _read(tmp_path, "jsonl", '[\n{"id": "1", "subject": "s"}\n]')


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters(tmp_path: Path, delimiter: str) -> None:
    text = (
        f'id{delimiter} subject {delimiter}"description"\n1{delimiter}"a{delimiter}b"{delimiter}"say ""hi""\nthere"\n'
    )
    (row,) = _read(tmp_path, "csv", text)
    assert isinstance(row, Row)
    assert (row.case.ticket.subject, row.case.ticket.description) == (f"a{delimiter}b", 'say "hi"\nthere')


def test_a_cell_above_the_limit_of_the_csv_module(tmp_path: Path) -> None:
    (row,) = _read(tmp_path, "csv", f"id,subject,description\n1,s,{'x' * 300_000}\n")
    assert isinstance(row, Row)
    assert len(row.case.ticket.description) == 300_000


def test_a_header_alone(tmp_path: Path) -> None:
    assert _read(tmp_path, "csv", "id,subject\n") == []


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("1,a,b,c", "The record has 4 cells and the header 3; quote cells that hold ','."),
        ("1,a", "The record has 2 cells and the header 3"),
        ('1,"a\nb",never",x', "The record has 4 cells"),
    ],
)
def test_records_of_another_width(tmp_path: Path, record: str, reason: str) -> None:
    text = f"id,subject,description\n{record}\n2,a,b\n"
    assert reason in _reason(tmp_path, "csv", text)
    assert isinstance(_read(tmp_path, "csv", text)[-1], Row)


def test_a_quote_that_is_never_closed(tmp_path: Path) -> None:
    rows = _read(tmp_path, "csv", 'id,subject\n1,a\n2,"b\n3,c\n')
    assert isinstance(rows[0], Row)
    assert rows[1] == RejectedRow(
        3, None, None, "A quote that opens in this record is never closed; rows after it could not be told apart."
    )


def test_a_column_that_the_mapping_names_and_the_header_lacks(tmp_path: Path) -> None:
    with pytest.raises(MappingInvalid, match=r"has no column 'number'; it has id, subject: name the right ones"):
        _read(tmp_path, "csv", "id,subject\n1,a\n", columns={"id": "number"})
    with pytest.raises(MappingInvalid, match=r"has no column 'team'"):
        _read(tmp_path, "csv", "id,subject\n1,a\n", targets={"team": "team"})
    with pytest.raises(MappingInvalid, match=r"has no column 'id'"):
        _read(tmp_path, "csv", "number,subject\n1,a\n")


def test_a_column_that_stands_twice(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match=r"has the column 'subject' twice; give each column its own name"):
        _read(tmp_path, "csv", "id,subject,subject\n1,a,b\n")


def test_a_csv_without_line_ends(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match=r"has no header; its first line must name the columns"):
        _read(tmp_path, "csv", "x" * 8_000_001)


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_folder(tmp_path: Path, kind: str) -> None:
    with pytest.raises(SourceUnreadable, match=rf"is a folder, and {kind} is read from a file; name the file"):
        open_source(kind, tmp_path)


def test_an_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match=r"There is no source 'xml'; choose one of jira, jsonl, csv"):
        open_source("xml", tmp_path)


@pytest.mark.parametrize(
    ("value", "formats", "expected"),
    [
        ("2025-03-30T02:30:00+02:00", [], datetime(2025, 3, 30, 0, 30, tzinfo=UTC)),
        ("2025-07-01 12:00", [], datetime(2025, 7, 1, 10, tzinfo=UTC)),
        ("2025-01-01", [], datetime(2024, 12, 31, 23, tzinfo=UTC)),
        (1735689600, ["unix"], datetime(2025, 1, 1, tzinfo=UTC)),
        ("1735689600500", ["unix_ms"], datetime(2025, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("07/04/2025 3PM", ["%d/%m/%Y", "%m/%d/%Y %I%p"], datetime(2025, 7, 4, 13, tzinfo=UTC)),
        ("Tue, 01 Jul 2025 12:00:00 +0000", ["%a, %d %b %Y %H:%M:%S %z"], datetime(2025, 7, 1, 12, tzinfo=UTC)),
    ],
)
def test_times(tmp_path: Path, value: object, formats: list[str], expected: datetime) -> None:
    row = {"id": "1", "subject": "s", "created_at": value}
    case = _case(tmp_path, row, time_zone="Europe/Berlin", date_formats=formats)
    assert case.ticket.created_at == expected


@pytest.mark.parametrize("value", ["nan", "1e400", "-1e18", "inf", "99999999999999"])
def test_unix_times_out_of_range(tmp_path: Path, value: str) -> None:
    row = json.dumps({"id": "1", "subject": "s", "created_at": value})
    assert f"'{value}'" in _reason(tmp_path, "jsonl", row, date_formats=["unix"])
