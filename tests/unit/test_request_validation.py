from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InvalidInput, InvalidTicket, PrecedentError, UnknownField
from features.ticket import Author, Message, Ticket
from serving.schemas import BatchRequest, CaseRequest, FeedbackRequest, SuggestRequest, TicketIn
from serving.validation import (
    MAX_DEPTH,
    MAX_WIDTH,
    check_has_text,
    parse,
    parse_json,
    parse_suggest_request,
    to_query,
    validate,
)

SECRET = "the customer's own words"


def suggest_body(**ticket: object) -> bytes:
    return orjson.dumps({"ticket": ticket})


def test_a_whole_request_becomes_a_query():
    body = orjson.dumps(
        {
            "ticket": {"id": "T-1", "subject": "No login", "created_at": "2026-01-05T10:00:00+01:00"},
            "top_k": 3,
            "filters": {"product": "api", "since": "2026-01-01"},
            "explain": True,
        }
    )
    request = parse_suggest_request(body)
    query = to_query(request, request.ticket, access_groups=frozenset({"acme"}), request_id="r")
    assert (query.top_k, query.explain, query.request_id) == (3, True, "r")
    assert query.filter.product == "api"
    assert query.filter.since is not None
    assert query.filter.since.isoformat() == "2026-01-01T00:00:00+00:00"
    assert query.ticket.created_at is not None
    assert query.ticket.created_at.isoformat() == "2026-01-05T09:00:00+00:00"
    assert query.access_groups == {"acme"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"null", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b'{"ticket": NaN}', "not valid JSON"),
        (b'{"ticket": Infinity}', "not valid JSON"),
        (b'{"ticket": {"subject": "\xff"}}', "not valid JSON"),
        (b'{"ticket": {"subject": "a\x00b"}}', "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"ticket":' * 1_000 + b"1" + b"}" * 1_000, "levels deep"),
        (b'{"ticket": {"fields": {"a": ' + b"[" * 30 + b"]" * 30 + b"}}}", f"more than {MAX_DEPTH} levels deep"),
        (orjson.dumps({f"k{i}": 1 for i in range(MAX_WIDTH + 1)}), "more than the 1,000"),
        (orjson.dumps({"ticket": {"messages": [[]] * 50_000}}), "a list of 50,000 entries"),
    ],
)
def test_what_is_no_request_is_refused_before_it_is_validated(body: bytes, message: str):
    with pytest.raises(InvalidInput, match=message):
        parse_suggest_request(body)


def test_a_repeated_key_counts_once_the_last_time():
    assert parse_suggest_request(b'{"ticket": {"subject": "a", "subject": "b"}}').ticket.subject == "b"


@pytest.mark.parametrize(
    ("escaped", "expected"),
    [
        (rb"cut off \ud83d", "cut off "),
        (rb"\ude00 cut off", " cut off"),
        (rb"whole \ud83d\ude00, half \uD83D", "whole \U0001f600, half "),
        (rb"path C:\\ud800, half \udbff", "path C:\\ud800, half "),
    ],
)
def test_halves_of_surrogate_pairs_are_dropped(escaped: bytes, expected: str):
    body = b'{"ticket": {"subject": "' + escaped + b'"}}'
    assert parse_suggest_request(body).ticket.subject == expected


def test_escaped_nul_is_left_to_the_intake():
    assert parse_suggest_request(rb'{"ticket": {"subject": "a\u0000b"}}').ticket.subject == "a\0b"


@pytest.mark.parametrize(
    ("body", "kind", "field", "message"),
    [
        ({}, InvalidInput, "ticket", "field ticket is missing"),
        ({"ticket": {}, "top-k": 1}, UnknownField, "top-k", "no field top-k"),
        ({"ticket": {"sbject": SECRET}}, UnknownField, "ticket.sbject", r"ticket.sbject; did you mean subject\?"),
        ({"ticket": {"qqq": SECRET}}, UnknownField, "ticket.qqq", "ticket.qqq; leave it out"),
        ({"ticket": {"title": SECRET}}, UnknownField, "ticket.title", "ticket.title; leave it out"),
        ({"ticket": {"category": "a"}}, UnknownField, "ticket.category", "ticket.category; leave it out"),
        ({"ticket": {}, "customer": "a"}, UnknownField, "customer", "customer; leave it out"),
        ({"ticket": {}, "filters": {"catgory": "a"}}, UnknownField, "filters.catgory", r"did you mean category\?"),
        ({"ticket": {"messages": [{"txt": "a"}]}}, UnknownField, "ticket.messages.0.txt", r"did you mean text\?"),
        ({"ticket": {"created_at": "1999"}}, InvalidInput, "ticket.created_at", "created_at is wrong: (?!value error)"),
        ({"ticket": {"messages": [{"at": "2026-01-01", "by": "bot", "text": "a"}]}}, InvalidInput,
         "ticket.messages.0.by", r"input should be 'customer' or 'agent' \(got 'bot'\)"),
        ({"ticket": {"messages": [{"by": "agent", "text": "a"}]}}, InvalidInput, "ticket.messages.0.at", "missing"),
        ({"ticket": {"subject": 7}}, InvalidInput, "ticket.subject", "valid string;"),
        ({"ticket": {"subject": "x" * 2_001}}, InvalidTicket, "ticket.subject", "at most 2000 characters;"),
        ({"ticket": {"version": -1}}, InvalidTicket, "ticket.version", r"\(got -1\)"),
        ({"ticket": {"id": "a\nb"}}, InvalidTicket, "ticket.id", r"\(got 'a\\nb'\)"),
        ({"ticket": {"created_at": "yesterday"}}, InvalidInput, "ticket.created_at", r"\(got 'yesterday'\)"),
        ({"ticket": {"created_at": SECRET * 3}}, InvalidInput, "ticket.created_at", r"\(got a text\)"),
        ({"ticket": {"fields": {"area": [SECRET]}}}, InvalidInput, "ticket.fields.area", "wrong"),
        ({"ticket": {"fields": {"x" * 101: 1}}}, InvalidTicket,
         "ticket.fields." + "x" * 100 + "…", "at most 100 characters;"),
        ({"ticket": {"fields": {f"f{i}": i for i in range(65)}}}, InvalidTicket, "ticket.fields", "at most 64 items"),
        ({"ticket": {}, "top_k": 51}, InvalidInput, "top_k", r"less than or equal to 50 \(got 51\)"),
        ({"ticket": {}, "top_k": "many"}, InvalidInput, "top_k", r"\(got a text\)"),
        ({"ticket": {}, "filters": {"until": {}}}, InvalidInput, "filters.until", r"\(got an object\)"),
        ({"ticket": {}, "top_k": "5"}, InvalidInput, "top_k", r"valid integer \(got a text\)"),
        ({"ticket": {}, "top_k": True}, InvalidInput, "top_k", r"\(got True\)"),
        ({"ticket": {}, "explain": "yes"}, InvalidInput, "explain", r"valid boolean \(got a text\)"),
        ({"ticket": {}, "explain": 0}, InvalidInput, "explain", r"\(got 0\)"),
        ({"ticket": {"created_at": 1_700_000_000}}, InvalidInput, "ticket.created_at", r"2026-01-31T09:00:00Z"),
        ({"ticket": {"created_at": "1700000000"}}, InvalidInput, "ticket.created_at", r"2026-01-31T09:00:00Z"),
        ({"ticket": {"created_at": True}}, InvalidInput, "ticket.created_at", r"\(got True\)"),
        ({"ticket": {"version": "3"}}, InvalidInput, "ticket.version", "valid integer"),
        ({"ticket": {}, "filters": {"customer": "x" * 256}}, InvalidInput, "filters.customer", "at most 255"),
        ({"ticket": [SECRET]}, InvalidInput, "ticket", r"\(got a list\)"),
    ],
)  # fmt: skip
def test_the_error_names_the_field_and_quotes_no_text(
    body: object, kind: type[PrecedentError], field: str, message: str
):
    with pytest.raises(kind, match=message) as caught:
        parse(SuggestRequest, orjson.dumps(body))
    assert type(caught.value) is kind
    assert caught.value.field == field
    assert SECRET not in caught.value.message
    assert len(caught.value.message) < 300


def test_text_is_read_where_json_has_no_type():
    case = {
        "id": "c", "version": 3.0, "created_at": "2026-01-05", "status": "resolved", "severity": "sev2",
        "outcome": "held", "links": [{"type": "duplicate_of", "id": "d"}],
        "messages": [{"at": "2026-01-05T10:00:00Z", "by": "agent", "text": "a"}],
        "fields": {"text": "5", "whole": 5, "part": 5.5, "yes": True},
    }  # fmt: skip
    found = parse(CaseRequest, orjson.dumps({"case": case})).case
    assert (found.version, found.status, found.severity, found.outcome) == (3, "resolved", "sev2", "held")
    assert found.fields == case["fields"]
    assert [type(value) for value in found.fields.values()] == [str, int, float, bool]


def test_a_made_up_field_name_is_cut_and_made_printable():
    with pytest.raises(UnknownField, match=r"ticket\.a\?b") as caught:
        parse(SuggestRequest, suggest_body(**{"a\nb": 1}))
    assert caught.value.field == "ticket.a?b"
    with pytest.raises(UnknownField, match=r"x{100}…"):
        parse(SuggestRequest, suggest_body(**{"x" * 5_000: 1}))


def test_a_field_inside_a_batch_is_named_from_the_request():
    with pytest.raises(InvalidTicket, match=r"tickets\.3\.subject") as caught:
        validate(TicketIn, {"subject": "x" * 3_000}, ("tickets", 3))
    assert caught.value.field == "tickets.3.subject"


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(st.recursive(LEAVES, lambda children: st.lists(children) | st.dictionaries(st.text(), children)))
def test_any_json_is_answered_with_a_request_or_one_of_our_errors(value: object):
    text = repr(value).encode("utf-8", "replace") if not isinstance(value, dict) else b""
    for model in (SuggestRequest, BatchRequest, CaseRequest, FeedbackRequest):
        for body in (text, _dumped(value), _dumped({"ticket": value}), _dumped({"case": value})):
            with suppress(InvalidInput):
                parse(model, body)


def _dumped(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # a lone surrogate, or an integer of more than 64 bits
        return b"{}"


@given(st.binary())
def test_any_bytes_are_answered_with_json_or_one_of_our_errors(body: bytes):
    with suppress(InvalidInput):
        assert isinstance(parse_json(body), dict)


BLANK = Message(at=datetime(2026, 1, 1, tzinfo=UTC), by=Author.AGENT, text="\n")


@pytest.mark.parametrize("ticket", [Ticket(), Ticket(subject=" ", messages=(BLANK,))])
def test_a_case_without_a_word_is_refused(ticket: Ticket):
    with pytest.raises(InvalidTicket, match="The case has no text; give its subject") as caught:
        check_has_text(ticket)
    assert caught.value.field == "description"
    check_has_text(replace(ticket, description="It stops."))
