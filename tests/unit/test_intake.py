from __future__ import annotations

import stat
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path, PurePath

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from features.errors import InvalidTicket, SettingsInvalid
from features.history_rows import content_hash
from features.intake import Intake, load_secret, open_intake
from features.intake_checks import (
    CLOCKS_APART,
    MAX_FIELDS,
    MAX_LABEL_CHARS,
    MAX_LINKS,
    MAX_MESSAGES,
    MAX_SUBJECT_CHARS,
    MAX_TEXT_CHARS,
    cleaned,
)
from features.masking import MAX_GROWTH, Masker
from features.runbook_sources.markdown import parse_runbook
from features.runbooks import RunbookSection
from features.settings import Settings
from features.ticket import Author, Case, Link, LinkType, Message, Outcome, Ticket

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PRIVATE = "write to ann.lee@example.com"
INTAKE = Intake(Masker(), b"k" * 32)


def a_case(**changes: object) -> Case:
    return Case(ticket=replace(Ticket(id="T-1", subject="No login"), **changes))


def of_outcome(**changes: object) -> Case:
    return Case(ticket=Ticket(id="T-1"), outcome=replace(Outcome(), **changes))


def refused(case: Case, match: str) -> InvalidTicket:
    with pytest.raises(InvalidTicket, match=match) as caught:
        INTAKE.prepare(case)
    return caught.value


def test_every_text_is_masked() -> None:
    case = Case(
        ticket=Ticket(
            id="T-1",
            subject=PRIVATE,
            description=PRIVATE,
            messages=(Message(at=NOON, by=Author.AGENT, text=PRIVATE),),
            customer=PRIVATE,
            reporter="ann.lee@example.com",
            fields={"note": PRIVATE},
        ),
        outcome=Outcome(resolution=PRIVATE, url="https://ann.lee:example.com@desk.example/1?x=2"),
    )
    prepared = INTAKE.prepare(case)
    assert "ann.lee" not in str(prepared)
    assert str(prepared).count("write to <EMAIL>") == 5
    assert prepared.outcome.url == "https://desk.example/1?x=2"


@pytest.mark.parametrize(
    ("url", "stored"),
    [
        ("https://d.example/1?page=2&x=%20#top", "https://d.example/1?page=2&x=%20#top"),
        ("https://me:pw@d.example/1?by=ann%40corp.example&a=1", "https://d.example/1?by=%3CEMAIL%3E&a=1"),
        ("https://d.example/?by=ann@corp.example", "https://d.example/?by=%3CEMAIL%3E"),
        ("https://d.example/?token=abc123def456#bob@corp.example", "https://d.example/?token=%3CKEY%3E#%3CEMAIL%3E"),
        ("https://d.example/?sig=abc%2Fdef123&v=1", "https://d.example/?sig=%3CKEY%3E&v=1"),
        ("https://10.2.3.4:80/1", "https://10.2.3.4:80/1"),
    ],
)
def test_the_query_of_an_address_is_masked(url: str, stored: str) -> None:
    prepared = INTAKE.prepare(of_outcome(url=url))
    assert prepared.outcome.url == stored
    assert INTAKE.prepare(prepared) == prepared


def test_names_of_fields_are_masked() -> None:
    prepared = INTAKE.prepare(a_case(fields={"area": "sso", "ann@corp.example": "wrote"}))
    assert prepared.ticket.fields == {"area": "sso", "<EMAIL>": "wrote"}


def test_runbooks_are_masked() -> None:
    markdown = f"# {PRIVATE}\n\n## Check\n{PRIVATE}\n## {PRIVATE}\npassword=hunter2"
    prepared = INTAKE.prepare_runbook(parse_runbook(markdown, PurePath("x.md")))
    assert prepared.title == "write to <EMAIL>"
    assert prepared.sections == (
        RunbookSection("Check", "write to <EMAIL>", "check"),
        RunbookSection("write to <EMAIL>", "password=<PASSWORD>", ""),
    )


def test_pseudonyms_are_the_same_for_the_same_name_and_key_only() -> None:
    def pseudonym(secret: bytes, name: str) -> str | None:
        return Intake(Masker(), secret).prepare(a_case(reporter=name)).ticket.reporter

    assert pseudonym(b"k" * 32, "ann") == pseudonym(b"k" * 32, " ann ")
    assert pseudonym(b"k" * 32, "ann") != pseudonym(b"k" * 32, "bob")
    assert pseudonym(b"k" * 32, "ann") != pseudonym(b"j" * 32, "ann")
    assert len(pseudonym(b"k" * 32, "ann") or "") == 16


def test_a_customer_is_a_name_unless_it_is_private() -> None:
    assert INTAKE.prepare(a_case(customer="Acme Inc.")).ticket.customer == "Acme Inc."
    assert len(INTAKE.prepare(a_case(customer="ann@example.com")).ticket.customer or "") == 16


def test_what_no_database_stores_is_dropped() -> None:
    prepared = INTAKE.prepare(a_case(subject="a\0b\ud800c", product="x\udfff\0", fields={"k\0": "v\ud800"}))
    assert (prepared.ticket.subject, prepared.ticket.product, prepared.ticket.fields) == ("abc", "x", {"k": "v"})


def test_blank_labels_are_none_and_others_are_evened_out() -> None:
    prepared = INTAKE.prepare(a_case(product=" \n", channel="\u00a0web  form\n"))
    assert (prepared.ticket.product, prepared.ticket.channel) == (None, "web form")
    assert INTAKE.prepare(of_outcome(targets={"team": " ", "area": "x"})).outcome.targets == {"area": "x"}


def test_times_are_turned_to_utc() -> None:
    local = datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    prepared = INTAKE.prepare(a_case(created_at=local))
    assert prepared.ticket.created_at == NOON
    assert prepared.ticket.created_at is not None
    assert prepared.ticket.created_at.tzinfo is UTC


def test_links_are_freed_of_repeats_and_of_links_to_itself() -> None:
    again = Link(LinkType.RELATED, "T-2")
    runbook = Link(LinkType.RUNBOOK, "T-1")
    case = replace(a_case(), links=(again, Link(LinkType.DUPLICATE_OF, "T-1"), again, runbook))
    assert INTAKE.prepare(case).links == (again, runbook)


@pytest.mark.parametrize(
    ("case", "field", "match"),
    [
        (a_case(id=None), "id", "id is missing"),
        (a_case(id="  "), "id", "id is missing"),
        (a_case(id="a\nb"), "id", "control characters"),
        (a_case(id="\ud800"), "id", "control characters"),
        (a_case(id="x" * (MAX_LABEL_CHARS + 1)), "id", "256 characters, more than the 255"),
        (a_case(version=-1), "version", "version is -1"),
        (a_case(subject="x" * (MAX_SUBJECT_CHARS + 1)), "subject", "2,001 characters, more than the 2,000 allowed"),
        (a_case(description="x" * (MAX_TEXT_CHARS + 1)), "description", "1,000,001 characters"),
        (a_case(created_at=NOON.replace(tzinfo=None)), "created_at", "no time zone"),
        (a_case(created_at=datetime(1, 1, 1, tzinfo=UTC)), "created_at", "year 1; give one from 1970 on"),
        (a_case(created_at=datetime.max.replace(tzinfo=UTC)), "created_at", "is 9999-.*yet to come"),
        (of_outcome(resolved_at=datetime.now(UTC) + 2 * CLOCKS_APART), "resolved_at", "yet to come"),
        (a_case(product="x" * 256), "product", "256 characters"),
        (a_case(fields={f"f{i}": 1 for i in range(MAX_FIELDS + 1)}), "fields", "65 entries, more than the 64"),
        (a_case(fields={" ": 1}), "fields", "entry without a name"),
        (a_case(fields={"n": float("nan")}), "fields.n", "n is nan"),
        (a_case(fields={"n": 2**63}), "fields.n", "more than 64 bits"),
        (a_case(fields={"n": [1]}), "fields.n", "n is a list; give text"),
        (a_case(fields={"n": "x" * 10_001}), "fields.n", "10,001 characters"),
        (of_outcome(url="javascript:alert(1)"), "url", "not an address of the web"),
        (of_outcome(url="https://[::1"), "url", "not an address of the web"),
        (of_outcome(url="//host/x"), "url", "not an address of the web"),
        (of_outcome(resolved_at=NOON.replace(tzinfo=None)), "resolved_at", "no time zone"),
        (of_outcome(resolution="x" * (MAX_TEXT_CHARS + 1)), "resolution", "1,000,001 characters"),
        (of_outcome(category="x" * 256), "category", "256 characters"),
        (of_outcome(targets={"team": "x" * 256}), "targets.team", "256 characters"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_bound_names_the_field(case: Case, field: str, match: str) -> None:
    assert refused(case, match).field == field


def test_bounds_of_what_comes_many_times() -> None:
    message = Message(at=NOON, by=Author.CUSTOMER, text="x")
    assert refused(a_case(messages=(message,) * (MAX_MESSAGES + 1)), "501 entries").field == "messages"
    naive = replace(message, at=NOON.replace(tzinfo=None))
    assert refused(a_case(messages=(message, naive)), "no time zone").field == "messages.1.at"
    long = replace(message, text="x" * (MAX_TEXT_CHARS + 1))
    assert refused(a_case(messages=(long,)), "characters").field == "messages.0.text"
    links = tuple(Link(LinkType.RELATED, f"T-{i}") for i in range(MAX_LINKS + 1))
    assert refused(replace(a_case(), links=links), "1,001 entries").field == "links"
    assert refused(replace(a_case(), links=(Link(LinkType.RELATED, ""),)), "missing").field == "links.0.id"


def test_a_refusal_quotes_no_text() -> None:
    error = refused(a_case(description=f"{PRIVATE} " * 100_000), "description has")
    assert "ann" not in error.message


def test_a_ticket_that_is_asked_about_needs_no_id() -> None:
    prepared = INTAKE.prepare_ticket(Ticket(subject=PRIVATE))
    assert (prepared.id, prepared.subject) == (None, "write to <EMAIL>")


TEXTS = st.text(max_size=200)


@settings(max_examples=60, deadline=None)
@given(subject=TEXTS, description=TEXTS, name=TEXTS, value=TEXTS)
def test_preparing_any_text_settles_and_can_be_stored(subject: str, description: str, name: str, value: str) -> None:
    assume(cleaned(name).strip())
    once = INTAKE.prepare(
        a_case(subject=subject, description=description, product=value[:255], fields={name[:255]: value})
    )
    twice = INTAKE.prepare(once)
    assert content_hash(once) == content_hash(twice)
    assert len(once.ticket.description) <= len(description) * MAX_GROWTH
    (once.ticket.subject + once.ticket.description + str(once.ticket.fields)).encode()
    assert "\0" not in once.ticket.subject + once.ticket.description


# --- the key of the pseudonyms ---


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "secret.key"
    first = load_secret(path)
    assert len(first) == 32
    assert load_secret(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["secret.key"]


def test_several_that_begin_at_once_use_one_key(tmp_path: Path) -> None:
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(load_secret(tmp_path / "key"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_wrong_key_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(b"short")
    with pytest.raises(SettingsInvalid, match="has 5 bytes instead of 32: restore it from a backup"):
        load_secret(path)
    assert path.read_bytes() == b"short"
    with pytest.raises(SettingsInvalid, match="cannot be read or made"):
        load_secret(path / "below")


def test_the_intake_of_a_workspace(tmp_path: Path) -> None:
    intake = open_intake(Settings(workspace=tmp_path))
    assert intake.prepare(a_case(subject=PRIVATE)).ticket.subject == "write to <EMAIL>"
    assert intake.masking_rules
    assert (tmp_path / "secret.key").exists()
    with pytest.raises(SettingsInvalid, match=r"names 'no\.such:thing' cannot be imported"):
        open_intake(Settings(workspace=tmp_path, names="no.such:thing"))
