"""Owner, services, severity and dates below the title, and links made whole."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.runbook_sources.fields import read_date
from features.runbook_sources.links import whole_links
from features.runbook_sources.markdown import parse_runbook
from features.runbooks import Runbook

TABLE_DOWN = """# Lag

| Field | Value |
|---|---|
| **Owner** | Payments |
| Services | billing, ledger |
| Severity | Sev2 |
| Last reviewed | 2026-01-02 |

Read this.
"""
TABLE_ACROSS = """# Lag

| Owner | Services | Severity | Last reviewed |
|---|---|---|---|
| Payments | billing, ledger | Sev2 | January 2nd, 2026 |

Read this.
"""
LINES = """# Lag

**Owner:** Payments
Services: billing, ledger

- Severity: Sev2
- Last reviewed: 2 Jan 2026

Read this.
"""


def read(markdown: str, **options: str) -> Runbook:
    return parse_runbook(markdown, PurePath("ops/lag.md"), **options)


@pytest.mark.parametrize("markdown", [TABLE_DOWN, TABLE_ACROSS, LINES, LINES.replace("# Lag\n", "")])
def test_fields_below_the_title_are_read_and_are_no_text(markdown: str):
    runbook = read(markdown)
    assert (runbook.owner, runbook.services, runbook.severity) == ("Payments", ("billing", "ledger"), "Sev2")
    assert runbook.last_reviewed == date(2026, 1, 2)
    assert [section.text for section in runbook.sections] == ["Read this."]


def test_lines_that_are_not_understood_stay_text():
    runbook = read("# Lag\n\nStatus: live\nOwner: Payments\nLast reviewed: soon\n\nNote: mind the gap.\n\nOwner: late")
    assert runbook.owner == "Payments"
    assert runbook.last_reviewed is None
    assert runbook.sections[0].text == "Status: live\nLast reviewed: soon\nNote: mind the gap."


@pytest.mark.parametrize("gap", ["\n", "\n\n", "\n- "])
def test_a_field_left_empty_does_not_end_the_fields(gap: str):
    runbook = read(
        "# Lag\n" + gap + gap.join(["Owner:", "**Services:**", "Severity: Sev2", "Tags: dns"]) + "\n\nRead this."
    )
    assert (runbook.owner, runbook.services, runbook.severity, runbook.tags) == (None, (), "Sev2", ("dns",))
    assert runbook.sections[0].text == "Owner:\nServices:\nRead this."


def test_a_line_that_leads_into_a_list_ends_the_fields():
    runbook = read("# Lag\n\nDo this:\n\n- Severity: Sev2")
    assert runbook.severity is None
    assert runbook.sections[0].text == "Do this:\nSeverity: Sev2"


def test_values_that_are_too_long_are_text():
    for line in (f"Owner: {'x' * 300}", f"Services: a,{' ' * 500_000}b"):
        runbook = read(f"# Lag\n\n{line}\n\nRead this.")
        assert (runbook.owner, runbook.services) == (None, ())
        assert runbook.sections[0].text.startswith(line[:5])


def test_lines_further_down_are_text():
    runbook = read("# Lag\n\nLook at it.\n\nOwner: Payments\n\n## Escalation\n\nTeam: Payments")
    assert runbook.owner is None
    assert [section.text for section in runbook.sections] == ["Look at it.\nOwner: Payments", "Team: Payments"]


def test_front_matter_goes_before_lines():
    runbook = read("---\nowner: Core\n---\n# Lag\n\nOwner: Payments\nSeverity: Sev1\n\nRead this.")
    assert (runbook.owner, runbook.severity) == ("Core", "Sev1")


def test_a_change_stands_in_for_a_review():
    changed = "# Lag\n\nLast updated: 2026-05-01\n\nRead this."
    assert read(changed).last_reviewed == date(2026, 5, 1)
    reviewed = changed.replace("\n\nRead", "\nLast reviewed: 2026-01-01\n\nRead")
    assert read(reviewed).last_reviewed == date(2026, 1, 1)


@pytest.mark.parametrize("review", ["02/03/2026", "soon"])
def test_a_change_does_not_stand_in_for_a_review_that_cannot_be_read(review: str):
    page = f"# Lag\n\nLast reviewed: {review}\nLast updated: 2026-05-01\n\nRead this."
    assert read(page).last_reviewed is None
    assert read(f"---\nlast_reviewed: 2026-01-01\n---\n{page}").last_reviewed == date(2026, 1, 1)
    assert read(page.replace(review, "-")).last_reviewed == date(2026, 5, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02", date(2026, 1, 2)),
        ("2026/1/2 10:30", date(2026, 1, 2)),
        ("Jan 02, 2026", date(2026, 1, 2)),
        ("@January 2, 2026 10:00 AM", date(2026, 1, 2)),
        ("2. January 2026", date(2026, 1, 2)),
        ("Created on May 1, 2020, last modified on Jan 02, 2026", date(2026, 1, 2)),
        ("02/01/2026", None),
        ("20/02/2026", date(2026, 2, 20)),
        ("2/20/2026", date(2026, 2, 20)),
        ("20.02.2026 10:30", date(2026, 2, 20)),
        ("20/02-2026", None),
        ("31/02/2026", None),
        ("20/13/2026", None),
        ("2026-13-45", None),
        ("Foo 2, 2026", None),
        ("", None),
    ],
)
def test_dates_whose_order_is_plain(text: str, expected: date | None):
    assert read_date(text) == expected


def test_links_are_whole_by_the_base_url():
    text = "[a](../net/dns.md#check) [b](/root.md) [c](#here) [d](mailto:x@y.example) [e](https://w.example/p?q=1)"
    text += " [f](a%20b.md)"
    links = read(text, base_url="https://git.example/rb/", root_url="https://git.example/root").links
    assert links == (
        "https://git.example/rb/net/dns.md#check",
        "https://git.example/root/root.md",
        "https://w.example/p?q=1",
        "https://git.example/rb/ops/a%20b.md",
    )


def test_links_are_whole_by_the_page_s_own_address():
    assert read("---\nurl: https://wiki.example/rb/lag\n---\n[a](dns#check)").links == (
        "https://wiki.example/rb/dns#check",
    )


def test_relative_links_stay_where_nothing_makes_them_whole():
    assert read("[a](dns.md#check) [b](#here)").links == ("dns.md#check",)


def test_images_are_neither_text_nor_links():
    runbook = read(
        "Text ![graph](g.png) and [![badge](b.svg)](https://ci.example) and [![x](b.svg) docs](https://d.example)"
    )
    assert runbook.sections[0].text == "Text  and  and  docs"
    assert runbook.links == ("https://d.example",)


def test_a_path_is_quoted_in_the_address():
    runbook = parse_runbook("text", PurePath("Größe #1/a b.md"), base_url="https://w.example/rb")
    assert runbook.url == "https://w.example/rb/Gr%C3%B6%C3%9Fe%20%231/a%20b.md"


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("a: &a [x, x]\nb: &b [*a, *a]\nlast_reviewed: *b", "aliases"),
        ("a: &a {k: v}\nb: {<<: [*a, *a]}", "aliases"),
        ("id: !!int ''", "a value that cannot be read"),
        ("id: !!bool x", "a value that cannot be read"),
        ("last_reviewed: 2026-13-45", "a value that cannot be read"),
        ("id: " + "9" * 5_000, "a value that cannot be read"),
        ("x: " + "y" * 20_000, "more than 20000 characters"),
    ],
)
def test_hostile_front_matter_is_refused(head: str, reason: str):
    with pytest.raises(ValueError, match=reason):
        read(f"---\n{head}\n---\ntext")


def test_a_page_needs_an_id():
    with pytest.raises(ValueError, match="it has no id"):
        parse_runbook("text", PurePath("§§.md"))


@given(st.text(alphabet=st.sampled_from("#|-:*[]()!<> \nab12/.\\&;\"'`"), max_size=200))
def test_any_markup_is_read_or_refused(markdown: str):
    with suppress(ValueError):
        assert read(markdown, base_url="https://w.example").sections


@given(st.lists(st.text()))
def test_whole_links_are_addresses_of_the_web(targets: list[str]):
    assert all(link.startswith(("http://", "https://")) for link in whole_links(targets, "https://w.example/a"))
