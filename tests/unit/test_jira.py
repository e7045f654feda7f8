"""Jira issues as Cloud (v3) and Data Center (v2) return them, and the reduced form of the public data set."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from features.errors import SourceUnreadable
from features.sources.base import RejectedRow, Row
from features.sources.jira import JiraSource
from features.sources.mapping import ColumnMapping
from features.ticket import Author, Case, FixOutcome, Link, LinkType, Severity, Status


def _text(text: str, **marks: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **marks}


def _paragraph(*nodes: dict[str, Any]) -> dict[str, Any]:
    return {"type": "paragraph", "content": list(nodes)}


def _doc(*nodes: dict[str, Any]) -> dict[str, Any]:
    return {"type": "doc", "version": 1, "content": list(nodes)}


CLOUD: dict[str, Any] = {
    "expand": "renderedFields,names,schema",
    "id": "10002",
    "self": "https://acme.atlassian.net/rest/api/3/issue/10002",
    "key": "SUP-42",
    "fields": {
        "summary": "Login loops",
        "description": _doc(
            _paragraph(
                _text("Since "),
                {"type": "date", "attrs": {"timestamp": "1735689600000"}},
                _text(" "),
                {"type": "mention", "attrs": {"id": "5b10", "text": "@Ana"}},
                _text(" sees"),
                {"type": "hardBreak"},
                _text("this page", marks=[{"type": "link", "attrs": {"href": "https://acme.example/login"}}]),
                _text(" "),
                {"type": "emoji", "attrs": {"shortName": ":smile:", "text": "🙂"}},
            ),
            {"type": "codeBlock", "attrs": {"language": "java"}, "content": [_text("at A.b(A.java:1)\nat C.d")]},
        ),
        "created": "2025-01-01T10:00:00.000+0000",
        "resolutiondate": "2025-01-03T12:00:00.000+0100",
        "status": {"name": "Erledigt", "statusCategory": {"id": 3, "key": "done"}},
        "priority": {"name": "Highest"},
        "components": [{"name": "SSO"}],
        "labels": ["sso", "loop"],
        "project": {"key": "SUP", "name": "Support"},
        "issuetype": {"name": "Bug"},
        "reporter": {"accountId": "557058:f58131cb", "displayName": "Ana Lang", "emailAddress": "ana@acme.example"},
        "issuelinks": [
            {"type": {"name": "Duplicate", "inward": "is duplicated by"}, "outwardIssue": {"key": "SUP-40"}},
            {"type": {"name": "Duplicate", "inward": "is duplicated by"}, "inwardIssue": {"key": "SUP-50"}},
            {"type": {"name": "Relates"}, "inwardIssue": {"key": "SUP-7"}},
            {"type": {"name": "Blocks"}, "outwardIssue": {"key": "SUP-8"}},
        ],
        "comment": {
            "comments": [
                {
                    "author": {"accountId": "agent-1"},
                    "created": "2025-01-03T11:30:00.000+0000",
                    "body": _doc(_paragraph(_text("Cleared the cookie and raised the session limit."))),
                },
                {
                    "author": {"accountId": "557058:f58131cb"},
                    "created": "2025-01-02T09:00:00.000+0000",
                    "body": _doc(_paragraph(_text("Any news?"))),
                },
                {
                    "author": {"accountId": "557058:f58131cb"},
                    "created": "2025-01-03T12:00:00.000+0000",
                    "body": _doc(_paragraph(_text("Thanks!"))),
                },
                {
                    "author": {"accountId": "bot", "accountType": "app"},
                    "created": "2025-01-03T13:00:00.000+0000",
                    "body": _doc(_paragraph(_text("This issue was closed automatically."))),
                },
                {
                    "author": {"accountId": "agent-2"},
                    "created": "2025-02-03T12:00:00.000+0000",
                    "body": _doc(_paragraph(_text("Moved to the archive."))),
                },
            ]
        },
    },
}

DATA_CENTER: dict[str, Any] = {
    "id": "13",
    "self": "http://issues.acme.example:8080/jira/rest/api/2/issue/13",
    "key": "OPS-7",
    "fields": {
        "summary": "Disk full",
        "description": "h2. What\n{code}df -h{code}",
        "created": "2024-05-01T08:00:00.000+0200",
        "resolutiondate": None,
        "status": {"name": "Reopened", "statusCategory": {"key": "indeterminate"}},
        "priority": {"name": "Critical"},
        "components": [{"name": "Storage"}, {"name": "Alerts"}],
        "reporter": {"name": "jdoe", "key": "JIRAUSER1", "emailAddress": "jdoe@acme.example"},
        "comment": {"comments": [{"author": {"name": "jdoe"}, "created": "2024-05-02T08:00:00.000+0200", "body": "?"}]},
        "environment": "prod, eu-1",
        "customfield_10050": {"value": "Gold"},
    },
}


def _cases(tmp_path: Path, *issues: dict[str, Any], mapping: ColumnMapping | None = None) -> list[Case]:
    (tmp_path / "page.json").write_text(json.dumps({"issues": issues}))
    rows = list(JiraSource(tmp_path / "page.json", mapping).rows())
    assert all(isinstance(row, Row) for row in rows), rows
    return [row.case for row in rows if isinstance(row, Row)]


def _with(issue: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**issue, "fields": {**issue["fields"], **fields}}


def test_an_issue_of_cloud(tmp_path: Path) -> None:
    (case,) = _cases(tmp_path, CLOUD)
    ticket, outcome = case.ticket, case.outcome
    assert (ticket.id, ticket.subject, ticket.reporter) == ("SUP-42", "Login loops", "557058:f58131cb")
    assert ticket.description == (
        "Since 2025-01-01 @Ana sees\nthis page https://acme.example/login 🙂\nat A.b(A.java:1)\nat C.d"
    )
    assert ticket.created_at == datetime(2025, 1, 1, 10, tzinfo=UTC)
    assert [(message.by, message.text) for message in ticket.messages] == [
        (Author.CUSTOMER, "Any news?"),
        (Author.AGENT, "Cleared the cookie and raised the session limit."),
        (Author.CUSTOMER, "Thanks!"),
        (Author.AGENT, "Moved to the archive."),
    ]
    assert (outcome.status, outcome.severity, outcome.category) == (Status.RESOLVED, Severity.SEV1, "SUP")
    assert outcome.resolved_at == datetime(2025, 1, 3, 11, tzinfo=UTC)
    assert outcome.resolution == "Cleared the cookie and raised the session limit."
    assert outcome.url == "https://acme.atlassian.net/browse/SUP-42"
    assert case.links == (Link(LinkType.DUPLICATE_OF, "SUP-40"), Link(LinkType.RELATED, "SUP-7"))


def test_an_issue_of_data_center(tmp_path: Path) -> None:
    (case,) = _cases(tmp_path, DATA_CENTER)
    assert case.ticket.description == "h2. What\n{code}df -h{code}"
    assert case.ticket.reporter == "jdoe"
    assert [message.by for message in case.ticket.messages] == [Author.CUSTOMER]
    assert (case.outcome.status, case.outcome.severity, case.outcome.outcome) == (
        Status.OPEN,
        Severity.SEV2,
        FixOutcome.REOPENED,
    )
    assert case.outcome.resolution is None
    assert case.outcome.url == "http://issues.acme.example:8080/jira/browse/OPS-7"


def test_no_personal_data_but_the_pseudonym_to_be(tmp_path: Path) -> None:
    text = repr(_cases(tmp_path, CLOUD, DATA_CENTER))
    assert "acme.example>" not in text
    assert "@acme.example" not in text
    assert "Ana Lang" not in text


def test_the_category_is_the_project_and_then_no_input(tmp_path: Path) -> None:
    (case,) = _cases(tmp_path, CLOUD)
    assert (case.outcome.category, case.ticket.product) == ("SUP", None)


def test_the_category_can_be_the_component(tmp_path: Path) -> None:
    mapping = ColumnMapping.model_validate({"columns": {"category": "component"}})
    one, two = _cases(tmp_path, CLOUD, DATA_CENTER, mapping=mapping)
    assert (one.outcome.category, one.ticket.product) == ("SSO", "SUP")
    assert (two.outcome.category, two.ticket.product) == (None, "OPS")


def test_a_project_that_is_a_target_is_no_input_either(tmp_path: Path) -> None:
    mapping = ColumnMapping.model_validate({"columns": {"category": "component"}, "targets": {"team": "project"}})
    (case,) = _cases(tmp_path, CLOUD, mapping=mapping)
    assert (case.outcome.targets, case.ticket.product) == ({"team": "SUP"}, None)


def test_fields_by_path(tmp_path: Path) -> None:
    mapping = ColumnMapping.model_validate(
        {
            "columns": {"customer_tier": "customfield_10050.value", "status": "status.name"},
            "fields": ["environment", "issuetype.name", "labels"],
            "status": {"Erledigt": "closed"},
        }
    )
    cloud, data_center = _cases(tmp_path, CLOUD, DATA_CENTER, mapping=mapping)
    assert cloud.ticket.fields == {"issuetype.name": "Bug", "labels": "sso, loop"}
    assert cloud.outcome.status is Status.CLOSED
    assert data_center.ticket.fields == {"environment": "prod, eu-1"}
    assert data_center.ticket.customer_tier == "Gold"


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("https://api.atlassian.com/ex/jira/1234/rest/api/3/issue/1", None),
        ("ftp://jira.example/rest/api/2/issue/1", None),
        ("javascript:alert(1)//rest/", None),
        ("http://[bad/rest/api/2/issue/1", None),
        (None, None),
        ("https://jira.example/rest/api/2/issue/1", "https://jira.example/browse/SUP-42"),
    ],
)
def test_the_page_of_an_issue(tmp_path: Path, address: str | None, url: str | None) -> None:
    (case,) = _cases(tmp_path, {**CLOUD, "self": address})
    assert case.outcome.url == url


def test_missing_and_odd_fields_do_not_matter(tmp_path: Path) -> None:
    bare = {"key": "A-B-1", "fields": {"summary": "Only this"}}
    odd = {"key": "A-2", "fields": {"summary": 7, "components": "x", "issuelinks": [3, {"type": 1}], "status": []}}
    first, second = _cases(tmp_path, bare, odd)
    assert (first.outcome.category, first.outcome.status, first.ticket.created_at) == ("A-B", Status.OPEN, None)
    assert (second.ticket.subject, second.links) == ("7", ())


@pytest.mark.parametrize(
    ("duplicates", "links"), [(5, ()), ("HDFS-1", ("HDFS-1",)), ([{"key": "HDFS-1"}, {"key": [1]}, 5], ("HDFS-1",))]
)
def test_odd_duplicates_of_a_reduced_issue(tmp_path: Path, duplicates: Any, links: tuple[str, ...]) -> None:
    issue = {"key": "HDFS-9", "summary": "Slow", "created": "2020-01-01", "duplicates": duplicates}
    (tmp_path / "issues.jsonl").write_text(json.dumps(issue))
    (row,) = JiraSource(tmp_path / "issues.jsonl").rows()
    assert isinstance(row, Row)
    assert row.case.links == tuple(Link(LinkType.DUPLICATE_OF, key) for key in links)


def test_only_the_first_500_comments_are_messages_but_all_are_read_for_the_resolution(tmp_path: Path) -> None:
    comments = [
        {"author": {"accountId": "agent"}, "created": f"2025-01-02T10:{n // 60:02}:{n % 60:02}Z", "body": f"note {n}"}
        for n in range(600)
    ]
    (case,) = _cases(tmp_path, _with(CLOUD, comment={"comments": comments}))
    assert len(case.ticket.messages) == 500
    assert case.outcome.resolution == "note 599"


def test_a_comment_without_a_time(tmp_path: Path) -> None:
    (tmp_path / "page.json").write_text(
        json.dumps({"issues": [_with(CLOUD, comment={"comments": [{"body": "x"}]}), DATA_CENTER]})
    )
    first, second = JiraSource(tmp_path / "page.json").rows()
    assert first == RejectedRow(
        1, "SUP-42", "messages.0.at", "The messages.0.at is missing: a comment without its time."
    )
    assert isinstance(second, Row)


def test_a_document_of_hostile_depth(tmp_path: Path) -> None:
    text = '{"type": "blockquote", "content": [' * 5000 + "{}" + "]}" * 5000
    page = json.dumps({"issues": [_with(CLOUD, description="HERE"), DATA_CENTER]}).replace('"HERE"', text)
    (tmp_path / "page.json").write_text(page)
    first, second = JiraSource(tmp_path / "page.json").rows()
    assert isinstance(first, RejectedRow)
    assert (first.id, first.field) == ("SUP-42", "description")
    assert "nested more than 60 levels deep" in first.reason
    assert isinstance(second, Row)


PAGE = {"startAt": 0, "maxResults": 2, "total": 3, "issues": [CLOUD, DATA_CENTER]}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(PAGE),
        json.dumps(PAGE, indent=2),
        json.dumps({"issues": [CLOUD]}) + "\n" + json.dumps({"issues": [DATA_CENTER], "isLast": True}),
        json.dumps({"issues": [CLOUD]}, indent=4) + json.dumps({"issues": []}) + json.dumps({"issues": [DATA_CENTER]}),
        json.dumps(CLOUD) + "\n\n" + json.dumps(DATA_CENTER),
        json.dumps([CLOUD, DATA_CENTER], indent=1),
    ],
    ids=["page", "indented page", "pages a line", "concatenated pages", "issues a line", "array"],
)
def test_forms_of_a_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "export").write_text(text)
    rows = list(JiraSource(tmp_path / "export").rows())
    assert [row.case.id for row in rows if isinstance(row, Row)] == ["SUP-42", "OPS-7"]
    assert len(rows) == 2


def test_a_folder_of_pages(tmp_path: Path) -> None:
    (tmp_path / "page-1.json").write_text(json.dumps({"issues": [CLOUD]}))
    (tmp_path / "page-2.json.gz").write_bytes(gzip.compress(json.dumps({"issues": [{}, DATA_CENTER]}).encode()))
    (tmp_path / "page-3.json").write_text(json.dumps({"issues": []}))
    (tmp_path / "README.md").write_text("no issues")
    first, second, third = JiraSource(tmp_path).rows()
    assert isinstance(first, Row)
    assert second == RejectedRow(1, None, "id", "page-2.json.gz: The row has no id (column 'id').")
    assert isinstance(third, Row)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"issues": []}', r"There are no issues in .*pages of the REST search"),
        ('{\n"tickets": [1]}', r"There are no issues in"),
        ('{"issues": [{"key": "A-1", "fields": {"summary": "x"}}, {"key": ', r"breaks off or is damaged after issue 1"),
        ('{"issues": [{"key": "A-1", "fields": {"summary": "\\uZZZZ"}}]}', r"breaks off or is damaged after issue 0"),
    ],
)
def test_files_that_are_no_export(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "export.json").write_text(text)
    with pytest.raises(SourceUnreadable, match=message):
        list(JiraSource(tmp_path / "export.json").rows())


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match=r"has no issues: no file named \*\.json, \*\.jsonl"):
        list(JiraSource(tmp_path).rows())


def test_a_broken_line_among_issues(tmp_path: Path) -> None:
    (tmp_path / "issues.jsonl").write_text('{"key": "A-1", "fie\n' + json.dumps(CLOUD) + "\n[1]\n")
    first, second, third = JiraSource(tmp_path / "issues.jsonl").rows()
    assert isinstance(first, RejectedRow)
    assert first.line == 1
    assert first.reason.startswith("The line is not valid JSON: ")
    assert isinstance(second, Row)
    assert third == RejectedRow(3, None, None, "The line is not a JSON object but list.")


REDUCED: dict[str, Any] = {
    "key": "AMQ-30",
    "project": "AMQ",
    "created": "2004-06-05T03:10:32Z",
    "resolved": "2004-06-14T14:01:03Z",
    "status": "Closed",
    "resolution": "Fixed",
    "priority": "Trivial",
    "components": ["JMS client"],
    "labels": [],
    "reporter": "4a89c243",
    "assignee": None,
    "summary": "Unable to retrieve object",
    "description": None,
    "environment": "Win2K",
    "duplicates": [{"key": "AMQ-31", "src": "link", "in_corpus": True}],
    "related": ["AMQ-12"],
    "resolution_text": "Now fixed.",
}


def _reduced(folder: Path, *issues: dict[str, Any]) -> list[Case]:
    (folder / "issues.jsonl.gz").write_bytes(gzip.compress("\n".join(json.dumps(one) for one in issues).encode()))
    return [row.case for row in JiraSource(folder).rows() if isinstance(row, Row)]


def test_the_reduced_form(tmp_path: Path) -> None:
    later = {**REDUCED, "key": "AMQ-31", "resolved": None, "status": "Patch Available", "resolution_text": None}
    first, second = _reduced(tmp_path, REDUCED, later)
    assert (first.ticket.subject, first.ticket.description) == ("Unable to retrieve object", "")
    assert (first.ticket.reporter, first.ticket.product, first.ticket.fields) == ("4a89c243", None, {})
    assert (first.outcome.category, first.outcome.severity) == ("AMQ", Severity.SEV4)
    assert (first.outcome.status, first.outcome.resolution) == (Status.CLOSED, "Now fixed.")
    assert second.outcome.status is Status.OPEN
    assert first.links == (Link(LinkType.DUPLICATE_OF, "AMQ-31"), Link(LinkType.RELATED, "AMQ-12"))


def test_pairs_beside_the_issues_are_the_duplicates(tmp_path: Path) -> None:
    (tmp_path / "duplicate_pairs.csv").write_text(
        "query_key,target_key,src\nAMQ-31,AMQ-30,link\nAMQ-31,AMQ-29,comment\n"
    )
    first, second = _reduced(tmp_path, REDUCED, {**REDUCED, "key": "AMQ-31"})
    assert first.links == (Link(LinkType.RELATED, "AMQ-12"),)
    assert second.links == (
        Link(LinkType.DUPLICATE_OF, "AMQ-30"),
        Link(LinkType.DUPLICATE_OF, "AMQ-29"),
        Link(LinkType.RELATED, "AMQ-12"),
    )


def test_pairs_without_their_columns(tmp_path: Path) -> None:
    (tmp_path / "duplicate_pairs.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SourceUnreadable, match=r"lacks the column query_key or target_key"):
        _reduced(tmp_path, REDUCED)
