"""One Jira issue, in the forms in which it is met, to values by our names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from features.sources.adf import adf_text
from features.sources.case_builder import Lookup
from features.sources.jsonl import path_lookup
from features.sources.values import RowFault, to_text, to_time

# What resolved an issue is often written just after it was set to resolved.
_RESOLUTION_GRACE = timedelta(days=1)
_MAX_MESSAGES = 500
_REDUCED_DONE = frozenset({"resolved", "closed", "done"})


def issue_lookup(issue: Mapping[str, Any], *, labels: Collection[str]) -> Lookup:
    """Values of an issue: by our column names, ``project``, ``component``, else by path into its fields.

    Parameters
    ----------
    issue : mapping
        From the REST search (v2 of Data Center, v3 of Cloud), or reduced as in the public Jira data set.
    labels : collection of str
        Columns that are to be predicted. The project is known at creation and stands for the product, unless it is
        itself among them.
    """
    fields = issue.get("fields")
    if isinstance(fields, Mapping):
        values, rest = _RestIssue(issue, fields).values(), path_lookup(fields)
    else:
        values, rest = _reduced(issue), path_lookup(issue)
    values["category"] = values["project"]
    values["product"] = None if "project" in labels else values["project"]

    def at(column: str) -> Any:
        value = values[column] if column in values else rest(column)
        return value() if callable(value) else value

    return at


class _RestIssue:
    def __init__(self, issue: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        self._issue = issue
        self._fields = fields
        self._reporter = _person(fields.get("reporter"))

    def values(self) -> dict[str, Any]:
        """By column; texts are written out only when they are asked for."""
        status = self._part("status", "name")
        return {
            "id": self._issue.get("key"),
            "version": None,
            "subject": self._fields.get("summary"),
            "description": lambda: _plain("description", self._fields.get("description")),
            "created_at": self._fields.get("created"),
            "messages": self._messages,
            "reporter": self._reporter,
            "status": _status(status, is_done=self._part("status", "statusCategory", "key") == "done"),
            "resolved_at": self._fields.get("resolutiondate"),
            "severity": self._part("priority", "name"),
            "resolution": self._resolution,
            "outcome": _fix_outcome(status),
            "url": _url(self._issue.get("self"), self._issue.get("key")),
            "links": None,
            "duplicate_of": self._linked(_is_duplicate_of),
            "not_duplicate_of": None,
            "related": self._linked(_is_related),
            "runbook": None,
            "fields": None,
            "project": self._part("project", "key") or _project(self._issue.get("key")),
            "component": _only([_name(component) for component in self._list("components")]),
        } | dict.fromkeys(("customer", "customer_tier", "channel", "language", "access_group"))

    def _part(self, *path: str) -> Any:
        value: Any = self._fields
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    def _list(self, *path: str) -> list[Any]:
        value = self._part(*path)
        return value if isinstance(value, list) else []

    @cached_property
    def _comments(self) -> list[tuple[datetime, dict[str, str]]]:
        """Comments of people with their times, oldest first, as messages."""
        comments = []
        for number, comment in enumerate(self._list("comment", "comments")):
            if not isinstance(comment, Mapping) or _is_app(comment.get("author")):
                continue
            field = f"messages.{number}"
            at = to_time(f"{field}.at", comment.get("created"), UTC, ())
            if at is None:
                raise RowFault(f"{field}.at", f"The {field}.at is missing: a comment without its time.")
            is_own = self._reporter is not None and _person(comment.get("author")) == self._reporter
            text = _plain(f"{field}.text", comment.get("body"))
            by = "customer" if is_own else "agent"
            comments.append((at, {"at": at.isoformat(), "by": by, "text": text}))
        return sorted(comments, key=lambda timed: timed[0])

    def _messages(self) -> list[dict[str, str]]:
        return [message for _, message in self._comments[:_MAX_MESSAGES]]

    def _resolution(self) -> str | None:
        """The last comment of somebody else than the reporter, up to a day after the resolution."""
        resolved_at = to_time("resolved_at", self._fields.get("resolutiondate"), UTC, ())
        if resolved_at is None:
            return None
        texts = [
            message["text"]
            for at, message in self._comments
            if at <= resolved_at + _RESOLUTION_GRACE and message["by"] == "agent" and message["text"].strip()
        ]
        return texts[-1] if texts else None

    def _linked(self, is_wanted: Callable[[Mapping[str, Any]], bool]) -> list[str]:
        keys = []
        for link in self._list("issuelinks"):
            if isinstance(link, Mapping) and is_wanted(link):
                other = link.get("outwardIssue") or link.get("inwardIssue")
                keys.append(other.get("key") if isinstance(other, Mapping) else None)
        return [key for key in keys if isinstance(key, str)]


def _reduced(issue: Mapping[str, Any]) -> dict[str, Any]:
    components = issue.get("components")
    duplicates = issue.get("duplicates")
    duplicates = [duplicates] if isinstance(duplicates, str) else duplicates
    keys = [_key(one) for one in duplicates] if isinstance(duplicates, list) else []
    status = issue.get("status")
    is_done = bool(issue.get("resolved")) or str(status).casefold() in _REDUCED_DONE
    return {
        "id": issue.get("key"),
        "subject": issue.get("summary"),
        "created_at": issue.get("created"),
        "status": _status(status, is_done=is_done and str(status).casefold() != "reopened"),
        "resolved_at": issue.get("resolved"),
        "severity": issue.get("priority"),
        # "resolution" in this form is Jira's own field: Fixed, Duplicate and the like.
        "resolution": issue.get("resolution_text"),
        "outcome": _fix_outcome(status),
        "duplicate_of": [key for key in keys if isinstance(key, str)],
        "project": issue.get("project") or _project(issue.get("key")),
        "component": _only(components if isinstance(components, list) else []),
    }


def _key(duplicate: Any) -> Any:
    return duplicate.get("key") if isinstance(duplicate, Mapping) else duplicate


def _plain(field: str, value: Any) -> str:
    return adf_text(field, value) if isinstance(value, Mapping) else (to_text(field, value) or "")


def _status(name: Any, *, is_done: bool) -> str:
    """Our status: what Jira's category says, since workflows name their states as they like."""
    if not is_done:
        return "open"
    return "closed" if str(name).casefold() == "closed" else "resolved"


def _fix_outcome(status: Any) -> str | None:
    return "reopened" if str(status).casefold() == "reopened" else None


def _is_duplicate_of(link: Mapping[str, Any]) -> bool:
    """Whether this issue duplicates the other; seen from the other end, the link stands with the other issue."""
    return _link_type(link).startswith("duplicate") and bool(link.get("outwardIssue"))


def _is_related(link: Mapping[str, Any]) -> bool:
    return _link_type(link).startswith("relate")


def _link_type(link: Mapping[str, Any]) -> str:
    return str(_name(link.get("type"))).casefold()


def _person(value: Any) -> str | None:
    """An account id (Cloud) or user name (Data Center); never the e-mail address or the display name."""
    if not isinstance(value, Mapping):
        return None
    person = value.get("accountId") or value.get("name") or value.get("key")
    return str(person) if person else None


def _is_app(author: Any) -> bool:
    return isinstance(author, Mapping) and author.get("accountType") == "app"


def _name(value: Any) -> Any:
    return value.get("name") if isinstance(value, Mapping) else None


def _only(values: list[Any]) -> str | None:
    """The component of an issue that has exactly one: of several, none is the label."""
    return values[0] if len(values) == 1 and isinstance(values[0], str) else None


def _project(key: Any) -> str | None:
    return key.rpartition("-")[0] or None if isinstance(key, str) else None


def _url(address: Any, key: Any) -> str | None:
    """The issue's page, from its REST address. Calls through Atlassian's gateway do not name the site."""
    if not isinstance(address, str) or "/rest/" not in address or not key:
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or parts.hostname in (None, "api.atlassian.com"):
        return None
    return f"{address.partition('/rest/')[0]}/browse/{key}"
