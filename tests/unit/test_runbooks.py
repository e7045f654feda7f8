"""Markdown to runbooks."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import SourceUnreadable
from features.runbook_sources import read_runbooks
from features.runbook_sources.base import MAX_FILE_BYTES
from features.runbook_sources.markdown import parse_runbook, runbook_id
from features.runbooks import RunbookSection

FULL = """---
id: rb-sync
title: Data sync stalls
url: https://wiki.example/sync
services: [sync, queue]
owner: Data platform
severity: sev2
last_reviewed: 2026-03-01
tags: kafka, lag
---
# DataSyncStalls

Read this first.

## Diagnosis

1. Look at `lag` and **not** at [the graph](https://grafana.example/d/1).

```shell
queuectl lag --all
```

## Mitigation

Restart it.

## Diagnosis

Again.
"""


def test_front_matter_title_sections_and_links_are_kept():
    runbook = parse_runbook(FULL, PurePath("sync.md"), base_url="https://else.example")

    assert (runbook.id, runbook.title, runbook.url) == ("rb-sync", "Data sync stalls", "https://wiki.example/sync")
    assert runbook.services == ("sync", "queue")
    assert (runbook.owner, runbook.severity, runbook.last_reviewed) == ("Data platform", "sev2", date(2026, 3, 1))
    assert runbook.tags == ("kafka", "lag")
    assert runbook.links == ("https://grafana.example/d/1",)
    assert runbook.sections == (
        RunbookSection("", "Read this first.", "datasyncstalls"),
        RunbookSection("Diagnosis", "Look at lag and not at the graph.\nqueuectl lag --all", "diagnosis"),
        RunbookSection("Mitigation", "Restart it.", "mitigation"),
        RunbookSection("Diagnosis", "Again.", "diagnosis-1"),
    )


def test_without_front_matter_the_file_says_it_all():
    runbook = parse_runbook("## Check\nA\n## Mend\nB", PurePath("sso/saml_loop.md"), base_url="https://w.example/rb/")

    assert (runbook.id, runbook.title) == ("sso-saml-loop", "saml loop")
    assert runbook.url == "https://w.example/rb/sso/saml_loop.md"
    assert [section.heading for section in runbook.sections] == ["Check", "Mend"]


@pytest.mark.parametrize(
    ("markdown", "title"),
    [
        ("# Title\ntext\n# Another\ntext", "Title"),
        ("## Title\ntext\n### Part\ntext", "Title"),
        ("## Part\ntext\n## Part two\ntext", "x"),
        ("### Part\ntext\n## Above\ntext", "x"),
        ("no heading at all", "x"),
        ("\ufeff# Title\r\n\r\ntext\r\n", "Title"),
    ],
)
def test_title(markdown: str, title: str):
    assert parse_runbook(markdown, PurePath("x.md")).title == title


@pytest.mark.parametrize(
    ("markdown", "reason"),
    [
        ("---\ntitle: [a\n---\ntext", "its front matter is not YAML"),
        ("---\n- a\n- b\n---\ntext", "its front matter is not a mapping"),
        ("---\ntitle: {a: b}\n---\ntext", "its front matter has title as a dict; one value is needed"),
        ("---\ntags: [[a]]\n---\ntext", "its front matter has tags nested"),
        ("---\nlast_reviewed: soon\n---\ntext", "'soon'; a date as 2026-01-31 is needed"),
        ("---\nx: " + "[" * 5_000 + "\n---\ntext", "its front matter is nested too deep"),
        ("---\nurl: javascript:alert(1)\n---\ntext", "its url is not an address of the web"),
        ("---\nurl: wiki/page\n---\ntext", "its url is not an address of the web"),
        ("# Only a title", "no text below its headings"),
        ("", "no text below its headings"),
    ],
)
def test_a_wrong_file_says_why(markdown: str, reason: str):
    with pytest.raises(ValueError, match=reason):
        parse_runbook(markdown, PurePath("x.md"))


def test_what_no_database_stores_is_dropped():
    markdown = '---\ntitle: "a\\ud800b"\ntags: ["\\0", "c\\0d"]\nurl: https://me:pw@wiki.example/x\n---\ntext'
    runbook = parse_runbook(markdown, PurePath("caf\udce9/x.md"))
    assert (runbook.id, runbook.title, runbook.tags) == ("caf-x", "ab", ("cd",))
    assert runbook.url == "https://wiki.example/x"


def test_a_folder_gives_good_files_and_reports_the_others(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "a" / "good.md").write_text("# Good\ntext", encoding="utf-8")
    (tmp_path / "a-good.md").write_text("# Same id\ntext", encoding="utf-8")
    (tmp_path / "b.md").write_bytes(b"caf\xe9")
    (tmp_path / "c.md").write_text("x" * (MAX_FILE_BYTES + 1), encoding="utf-8")
    (tmp_path / ".git" / "hidden.md").write_text("text", encoding="utf-8")

    result = read_runbooks(tmp_path)

    assert [runbook.title for runbook in result.runbooks] == ["Good"]
    assert dict(result.rejected) == {
        "a-good.md": "its id 'a-good' is that of a/good.md; give it an id in front matter",
        "b.md": "it is not UTF-8 (byte 3)",
        "c.md": "it has more than 1000000 bytes",
    }


def test_a_folder_that_is_not_there(tmp_path: Path):
    with pytest.raises(SourceUnreadable, match=r"There is nothing at .*; give the folder or the zip archive"):
        read_runbooks(tmp_path / "nowhere")


@given(st.text())
def test_any_text_is_read_or_refused_with_a_reason(markdown: str):
    with suppress(ValueError):
        runbook = parse_runbook(markdown, PurePath("any.md"))
        assert any(section.text for section in runbook.sections)
        assert runbook.title
        assert runbook.id == "any"


def test_runbook_id_keeps_letters_of_any_language():
    assert runbook_id(PurePath("größe/Überlauf.md")) == "größe-überlauf"
