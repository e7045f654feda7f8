"""The lead's report as a page: what it looks like, what it never does, and that a stored report can still be read."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from evaluation.report.contents import MisclassificationReport
from evaluation.report.page import TicketExcerpt, excerpt, render
from features.ticket import Author, Case, Message, Outcome, Ticket

HERE = Path(__file__).parent
STORED = json.loads((HERE / "misclassification.json").read_text("utf-8"))
PAGE = HERE / "misclassification.html"
RIGHT_TO_LEFT_OVERRIDE = "\u202e"
HOSTILE = (
    '<script>alert(1)</script><img src=x onerror="alert(2)">"\'></title></style><style>*{display:none}'
    f"{RIGHT_TO_LEFT_OVERRIDE}txt.exe\x00\ud800 {{{{ 7 * 7 }}}} {{% raw %}} &lt;b&gt; " + "W" * 10_000
)


@pytest.fixture
def report() -> MisclassificationReport:
    return MisclassificationReport.from_json(STORED)


def read_texts(row_ids: Sequence[int]) -> Mapping[int, TicketExcerpt]:
    """Every fifth ticket is gone, every seventh restricted, every other has an address."""
    return {
        row: TicketExcerpt("", "", None, is_restricted=True)
        if row % 7 == 0
        else TicketExcerpt(f"Subject {row}", f"Text of {row}.", f"https://tickets.example/{row}" if row % 2 else None)
        for row in row_ids
        if row % 5
    }


class Outline(HTMLParser):
    """What a page is made of: tags with their attributes, ids, and the text within."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(self.words)


def normalised(page: str) -> str:
    """A page without what a plotting library, a style or a line break may change."""
    page = re.sub(r"<svg.*?</svg>", "<svg></svg>", page, flags=re.DOTALL)
    page = re.sub(r"<style>.*?</style>", "<style></style>", page, flags=re.DOTALL)
    page = re.sub(r"sha256-[\w+/=]+", "sha256-", page)
    return re.sub(r"\s*\n\s*", "\n", page)


def test_page_is_the_golden_one(report: MisclassificationReport) -> None:
    page = normalised(render(report, read_texts))
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(page, "utf-8")
    assert page == PAGE.read_text("utf-8"), "changed on purpose? UPDATE_GOLDEN=1 pytest tests/golden, and read the diff"


def test_a_stored_report_is_read_and_written_without_loss(report: MisclassificationReport) -> None:
    assert report.to_json() == STORED


def test_page_without_texts_holds_ids_and_figures_only(report: MisclassificationReport) -> None:
    page = render(report)
    assert report.severity is not None
    assert report.severity.missed[0].ticket.ticket_id in page
    assert not [tag for tag in Outline(page).all("p") if tag.get("class") == "excerpt"]
    assert "holds figures and ids only" in page


def test_page_says_the_next_steps_and_every_missed_ticket(report: MisclassificationReport) -> None:
    text = Outline(render(report)).text
    assert report.severity is not None
    for step in report.next_steps:
        assert step.title in text
    for missed in report.severity.missed:
        assert missed.ticket.ticket_id in text


def test_texts_are_read_once_for_the_tickets_that_are_named(report: MisclassificationReport) -> None:
    asked: list[Sequence[int]] = []

    def reader(row_ids: Sequence[int]) -> Mapping[int, TicketExcerpt]:
        asked.append(row_ids)
        return {}

    page = render(report, reader)
    assert asked == [report.row_ids]
    assert "The history does not hold this ticket any more." in page


class TestAccessibility:
    def test_one_first_heading_and_no_level_skipped(self, report: MisclassificationReport) -> None:
        levels = [int(tag[1]) for tag, _ in Outline(render(report, read_texts)).tags if re.fullmatch(r"h[1-6]", tag)]
        assert levels.count(1) == 1
        assert levels[0] == 1
        assert all(later - earlier <= 1 for earlier, later in pairwise(levels))

    def test_language_landmarks_and_skip_link(self, report: MisclassificationReport) -> None:
        outline = Outline(render(report, read_texts))
        assert outline.all("html") == [{"lang": "en"}]
        assert len(outline.all("main")) == 1
        assert outline.all("nav")[0]["aria-label"]
        first_link = outline.all("a")[0]
        assert first_link == {"class": "skip", "href": "#content"}

    def test_every_link_within_the_page_leads_somewhere(self, report: MisclassificationReport) -> None:
        outline = Outline(render(report, read_texts))
        ids = Counter(attributes["id"] for _, attributes in outline.tags if "id" in attributes)
        assert max(ids.values()) == 1
        within = {str(a["href"])[1:] for a in outline.all("a") if str(a["href"]).startswith("#")}
        assert within <= set(ids)

    def test_tables_have_captions_and_every_head_its_scope(self, report: MisclassificationReport) -> None:
        outline = Outline(render(report, read_texts))
        assert len(outline.all("table")) == len(outline.all("caption")) > 0
        assert {head.get("scope") for head in outline.all("th")} == {"col", "row"}

    def test_pictures_are_named_and_described(self, report: MisclassificationReport) -> None:
        outline = Outline(render(report, read_texts))
        ids = {attributes.get("id") for _, attributes in outline.tags}
        pictures = outline.all("svg")
        assert len(pictures) == 4
        for picture in pictures:
            assert picture["role"] == "img"
            assert set(str(picture["aria-labelledby"]).split()) <= ids

    def test_what_scrolls_can_be_reached_by_keyboard_and_has_a_name(self, report: MisclassificationReport) -> None:
        scrolled = [a for a in Outline(render(report)).all("div") if a.get("class") == "scroll"]
        assert scrolled
        assert all(a["tabindex"] == "0" and a["role"] == "region" and a["aria-label"] for a in scrolled)


class TestSafety:
    def test_nothing_is_fetched_run_or_sent(self, report: MisclassificationReport) -> None:
        outline = Outline(render(report, read_texts))
        names = {tag for tag, _ in outline.tags}
        assert not names & {"script", "iframe", "form", "object", "embed", "img", "link", "base", "video", "audio"}
        assert not [key for _, attributes in outline.tags for key in attributes if key.startswith("on")]
        assert not [attributes for _, attributes in outline.tags if {"src", "style", "srcset"} & set(attributes)]

    def test_policy_allows_the_sheet_and_nothing_else(self, report: MisclassificationReport) -> None:
        policy = str(Outline(render(report)).all("meta")[1]["content"])
        assert re.fullmatch(
            r"default-src 'none'; style-src 'sha256-[\w+/]{43}='; base-uri 'none'; form-action 'none'", policy
        )

    def test_hostile_texts_and_names_stay_text(self, report: MisclassificationReport) -> None:
        def hostile(row_ids: Sequence[int]) -> Mapping[int, TicketExcerpt]:
            case = Case(
                ticket=Ticket(id="x", subject=HOSTILE, description=HOSTILE), outcome=Outcome(url="javascript:0")
            )
            return dict.fromkeys(row_ids, excerpt(case))

        page, plain = render(_with_hostile_names(report), hostile), render(report, hostile)
        assert page.encode("utf-8")
        assert "<script" not in page
        assert "<img" not in page
        assert RIGHT_TO_LEFT_OVERRIDE not in page
        assert "\x00" not in page
        assert "{{ 7 * 7 }}" in page, "an expression in a text is text"
        assert "javascript:" not in page
        for name in ("style", "h1", "table", "section"):
            assert len(Outline(page).all(name)) == len(Outline(plain).all(name))

    def test_a_page_of_hostile_names_is_still_well_formed_where_names_meet_svg(
        self, report: MisclassificationReport
    ) -> None:
        page = render(_with_hostile_names(report))
        assert "&lt;script&gt;alert(1)" in page
        assert len(Outline(page).all("svg")) == 4


class TestExcerpt:
    def test_a_long_text_is_cut_and_flattened(self) -> None:
        found = excerpt(Case(ticket=Ticket(id="1", subject="s" * 1000, description="a\n\n b " + "word " * 100_000)))
        assert found.text.startswith("a b word")
        assert len(found.text) <= 300
        assert len(found.subject) <= 200
        assert found.subject.endswith("…")

    def test_a_short_text_stays_whole(self) -> None:
        found = excerpt(Case(ticket=Ticket(id="1", subject="Login", description="fails ")))
        assert (found.subject, found.text) == ("Login", "fails")

    def test_without_a_description_the_first_message_of_the_customer_is_shown(self) -> None:
        at = MisclassificationReport.from_json(STORED).data_window.test.since
        assert at is not None
        messages = (Message(at, Author.AGENT, "Hello"), Message(at, Author.CUSTOMER, "It fails"))
        assert excerpt(Case(ticket=Ticket(id="1", messages=messages))).text == "It fails"

    def test_a_restricted_ticket_is_named_and_not_shown(self, report: MisclassificationReport) -> None:
        case = Case(ticket=Ticket(id="1", subject="secret", description="secret", access_group="legal"))
        found = excerpt(case)
        assert (found.subject, found.text, found.is_restricted) == ("", "", True)
        page = render(report, lambda rows: dict.fromkeys(rows, found))
        assert "secret" not in page
        assert "Restricted to a group: open it in the ticketing system." in page

    @pytest.mark.parametrize(
        ("url", "link"),
        [
            ("https://tickets.example/1?a=b", "https://tickets.example/1?a=b"),
            ("javascript:alert(1)", None),
            ("data:text/html,x", None),
            ('https://x"onmouseover="alert(1)', None),
            ("https://x\njavascript:0", None),
            (None, None),
        ],
    )
    def test_only_web_addresses_become_links(self, url: str | None, link: str | None) -> None:
        assert TicketExcerpt("", "", url).link == link


@pytest.mark.parametrize("absent", ["category", "severity"])
def test_a_part_that_was_not_tested_is_said_to_be_absent(report: MisclassificationReport, absent: str) -> None:
    changes: dict[str, Any] = {absent: None, "next_steps": ()}
    page = render(replace(report, **changes))
    assert "not tested: no test ticket carries one" in page
    assert "Nothing stands out" in page
    within = {str(a["href"])[1:] for a in Outline(page).all("a")}
    assert within <= {str(attributes.get("id")) for _, attributes in Outline(page).tags}


def _with_hostile_names(report: MisclassificationReport) -> MisclassificationReport:
    """The report with the first category's name, every ticket id and the release id made hostile."""
    assert report.category is not None
    first = report.category.labels[0]
    data = _renamed(report.to_json(), {first: HOSTILE.replace("\ud800", "")})
    for item in data["severity"]["missed"]:
        item["ticket"]["ticket_id"] = HOSTILE
    return MisclassificationReport.from_json(data | {"release_id": HOSTILE})


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, names) for inner in value]
    return names.get(value, value) if isinstance(value, str) else value
