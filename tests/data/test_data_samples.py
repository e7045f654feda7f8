"""The sample data is what its README says: sound, believable to a filter, and not too easy."""

from __future__ import annotations

import ipaddress
import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from features.masking import Masker
from features.runbook_sources import read_runbooks
from features.sources.base import RejectedRow
from features.sources.jsonl import JsonlSource
from features.sources.mapping import load_mapping
from features.ticket import FixOutcome, LinkType, Severity, Status
from serving.schemas import SuggestRequest

SAMPLES = Path(__file__).resolve().parents[2] / "data_samples"
README = (SAMPLES / "README.md").read_text(encoding="utf-8")
TICKETS: list[dict[str, Any]] = [
    json.loads(line) for line in (SAMPLES / "tickets.jsonl").read_text(encoding="utf-8").splitlines()
]
BY_ID = {ticket["id"]: ticket for ticket in TICKETS}
RUNBOOKS = read_runbooks(SAMPLES / "runbooks")

FIELDS = [
    "id", "created_at", "subject", "description", "customer", "customer_tier", "product", "channel", "language",
    "reporter", "access_group", "messages", "category", "severity", "status", "resolved_at", "resolution", "outcome",
    "links",
]  # fmt: skip
PRODUCTS = {"console", "api", "connect", "hooks", "ledger", "insights", "mobile", "edge", None}
CATEGORIES = {
    "SSO and login", "User provisioning", "API errors", "Rate limits", "Webhooks", "Data sync", "Billing and metering",
    "Invoicing and payment", "Performance", "Permissions", "Exports and reports", "Notifications", "Mobile app",
    "Deployment and agent", "Data loss",
}  # fmt: skip
TIERS = {"enterprise": 8, "business": 12, "starter": 8}

# Kept for fiction by Ofcom, NANPA, the Bundesnetzagentur and ARCEP; Spain has no such range, and has not assigned 555.
FICTIONAL_PHONE = re.compile(
    r"\+44 20 7946 0\d{3}|\+1 202-555-01\d\d|\+49 (30 23125|40 66969) \d{3}|\+33 1 99 00 \d\d \d\d|\+34 555 010 \d{3}"
)
DOCUMENTATION_NETWORKS = [
    ipaddress.ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]
# What GitHub's push protection and the common secret scanners look for.
VENDOR_KEY = re.compile(
    r"AKIA[A-Z0-9]{16}|ASIA[A-Z0-9]{16}|gh[pousr]_\w{20,}|github_pat_\w+|glpat-\S+|xox[abprs]-\S+|sk_live_\w+|rk_live_\w+"
    r"|AIza[\w-]{35}|SG\.[\w-]{16,}\.|hf_\w{30,}|npm_\w{30,}|-----BEGIN|ey[\w-]{17,}\.ey[\w-]{17,}\.|SK[0-9a-f]{32}"
)


def at(text: str) -> datetime:
    assert text.endswith("Z"), f"{text} is not in UTC"
    return datetime.fromisoformat(text)


def texts_of(ticket: dict[str, Any]) -> list[str]:
    messages = [message["text"] for message in ticket["messages"]]
    return [ticket["subject"], ticket["description"], ticket["resolution"] or "", *messages]


def counts_claimed() -> dict[str, int]:
    return {name: int(number) for name, number in re.findall(r"^\| ([^|]+?) \| (\d+) \|$", README, re.MULTILINE)}


def links(kind: LinkType) -> list[tuple[dict[str, Any], str]]:
    return [(ticket, link["id"]) for ticket in TICKETS for link in ticket["links"] if link["type"] == kind]


def test_each_row_keeps_the_schema() -> None:
    for ticket in TICKETS:
        assert [name for name in ticket if name != "true_category"] == FIELDS
        assert ticket["product"] in PRODUCTS
        assert ticket["customer_tier"] in TIERS
        assert ticket["channel"] in {"portal", "email", "chat", "phone"}
        assert ticket["language"] in {"en", "de", "fr", "es"}
        assert ticket["access_group"] in {"restricted", None}
        assert ticket["category"] in CATEGORIES
        assert ticket["severity"] in set(Severity)
        assert ticket["status"] in set(Status)
        assert ticket["outcome"] in set(FixOutcome)
        assert re.fullmatch(r"CS-\d{5}", ticket["id"])
        assert re.fullmatch(r"[\w.-]+@[\w-]+\.example", ticket["reporter"])
        assert ticket["subject"].strip()
        assert ticket["description"].strip()
        if "true_category" in ticket:
            assert ticket["true_category"] in CATEGORIES - {ticket["category"]}


def test_each_row_is_consistent_in_time() -> None:
    for ticket in TICKETS:
        created = at(ticket["created_at"])
        assert datetime(2025, 1, 6, tzinfo=UTC) <= created < datetime(2026, 7, 18, tzinfo=UTC)
        moments = [created, *(at(message["at"]) for message in ticket["messages"])]
        assert moments == sorted(set(moments))
        assert all(message["by"] in {"customer", "agent"} for message in ticket["messages"])
        if ticket["status"] == "open":
            assert (ticket["resolved_at"], ticket["resolution"], ticket["outcome"]) == (None, None, "unknown")
        else:
            assert at(ticket["resolved_at"]) > created
            assert ticket["resolution"].strip()


def test_ids_are_unique_and_grow_with_time() -> None:
    assert len(BY_ID) == len(TICKETS)
    assert [ticket["id"] for ticket in TICKETS] == sorted(BY_ID)
    created = [ticket["created_at"] for ticket in TICKETS]
    assert created == sorted(created)


def test_a_customer_has_one_tier_and_one_domain() -> None:
    tiers = {(ticket["customer"], ticket["customer_tier"]) for ticket in TICKETS}
    domains = {(ticket["customer"], ticket["reporter"].partition("@")[2]) for ticket in TICKETS}
    assert Counter(tier for _, tier in tiers) == TIERS
    assert len(domains) == len(tiers) == sum(TIERS.values())


def test_links_lead_to_earlier_tickets_and_to_runbooks_that_exist() -> None:
    for kind in (LinkType.DUPLICATE_OF, LinkType.RELATED):
        for ticket, target in links(kind):
            assert at(BY_ID[target]["created_at"]) < at(ticket["created_at"]), (ticket["id"], target)
    assert {target for _, target in links(LinkType.RUNBOOK)} == {runbook.id for runbook in RUNBOOKS.runbooks}
    assert all(ticket["status"] != "open" for ticket, _ in links(LinkType.RUNBOOK))


def test_a_ticket_named_in_a_text_exists_and_is_earlier() -> None:
    for ticket in TICKETS:
        for named in re.findall(r"\bCS-\d+", " ".join(texts_of(ticket))):
            assert at(BY_ID[named]["created_at"]) < at(ticket["created_at"]), (ticket["id"], named)
        assert not re.search(r"\b[A-D]-\d{3}\b", " ".join(texts_of(ticket))), ticket["id"]


def test_runbooks_are_whole() -> None:
    ids = {runbook.id for runbook in RUNBOOKS.runbooks}
    assert RUNBOOKS.rejected == []
    assert ids == {path.stem for path in (SAMPLES / "runbooks").glob("*.md")}
    for path in (SAMPLES / "runbooks").glob("*.md"):
        for target in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
            assert target.removesuffix(".md") in ids, (path.name, target)
    for runbook in RUNBOOKS.runbooks:
        assert runbook.owner
        assert runbook.last_reviewed
        assert set(runbook.services) <= PRODUCTS
        assert runbook.severity in set(Severity)


def test_counts_are_those_of_the_readme() -> None:
    has_personal_data = [any(MASKED.search(text) for text in masked_texts(ticket)) for ticket in TICKETS]
    counted = Counter(ticket["category"] for ticket in TICKETS) | Counter(ticket["severity"] for ticket in TICKETS)
    counted |= {
        "tickets": len(TICKETS),
        "open": sum(ticket["status"] == "open" for ticket in TICKETS),
        "resolved or closed": sum(ticket["status"] != "open" for ticket in TICKETS),
        "wrong labels": sum("true_category" in ticket for ticket in TICKETS),
        "restricted": sum(ticket["access_group"] is not None for ticket in TICKETS),
        "without product": sum(ticket["product"] is None for ticket in TICKETS),
        "with later messages": sum(bool(ticket["messages"]) for ticket in TICKETS),
        "duplicate links": len(links(LinkType.DUPLICATE_OF)),
        "related links": len(links(LinkType.RELATED)),
        "runbook links": len(links(LinkType.RUNBOOK)),
        "reopened": sum(ticket["outcome"] == "reopened" for ticket in TICKETS),
        "not in English": sum(ticket["language"] != "en" for ticket in TICKETS),
        "with personal data or secrets in the text": sum(has_personal_data),
        "runbooks": len(RUNBOOKS.runbooks),
    }
    assert counts_claimed() == dict(counted)
    n_words = sorted(len(ticket["description"].split()) for ticket in TICKETS)
    assert f"from {n_words[0]} to {n_words[-1]} words, with a median of {np.median(n_words):.0f}." in README


def test_shares_are_lifelike() -> None:
    n_tickets = len(TICKETS)
    assert n_tickets >= 600
    assert 0.04 <= sum("true_category" in ticket for ticket in TICKETS) / n_tickets <= 0.05
    assert 0.015 <= sum(ticket["access_group"] is not None for ticket in TICKETS) / n_tickets <= 0.025
    assert 12 <= len({ticket["category"] for ticket in TICKETS}) <= 16
    sev1, sev2, sev3, sev4 = (sum(ticket["severity"] == level for ticket in TICKETS) for level in Severity)
    assert sev1 < sev2 < sev4 < sev3


def test_incident_days_have_their_bursts() -> None:
    incidents = re.findall(r"^\| [^|]+ \| (\d{4}\S+)Z \| (\d{4}\S+)Z \| ([^|]+) \|$", README, re.MULTILINE)
    assert len(incidents) == 6
    for start, end, category in incidents:
        burst = [t for t in TICKETS if start <= t["created_at"] < end and t["category"] == category]
        first, later = burst[0], burst[1:]
        assert len(later) == 8
        assert all({"type": "duplicate_of", "id": first["id"]} in ticket["links"] for ticket in later)


def test_no_two_descriptions_are_nearly_the_same() -> None:
    texts = [ticket["description"] for ticket in TICKETS]
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(4, 4), sublinear_tf=True).fit_transform(texts)
    similarity = (vectors @ vectors.T).toarray()
    np.fill_diagonal(similarity, 0.0)
    closest = np.unravel_index(similarity.argmax(), similarity.shape)
    assert similarity.max() < 0.5, [TICKETS[i]["id"] for i in closest]


def test_subjects_differ_and_openings_rarely_repeat() -> None:
    assert len({ticket["subject"].casefold() for ticket in TICKETS}) == len(TICKETS)
    openings = Counter(" ".join(re.findall(r"\w+", t["description"].casefold())[:5]) for t in TICKETS)
    assert max(openings.values()) == 1, openings.most_common(3)


def test_bag_of_words_finds_it_neither_trivial_nor_hopeless() -> None:
    texts = [f"{ticket['subject']}\n{ticket['description']}" for ticket in TICKETS]
    labels = np.array([ticket["category"] for ticket in TICKETS])
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LinearSVC(C=1.0, random_state=0))
    n_train = int(0.8 * len(TICKETS))
    later = model.fit(texts[:n_train], labels[:n_train]).predict(texts[n_train:])
    shuffled = cross_val_predict(model, texts, labels, cv=KFold(5, shuffle=True, random_state=0))
    claimed = [int(percent) / 100 for percent in re.findall(r"(\d+) % (?:of the last fifth|in a shuffled)", README)]
    for accuracy, claim in zip((np.mean(later == labels[n_train:]), np.mean(shuffled == labels)), claimed, strict=True):
        assert 0.45 < accuracy < 0.97
        assert abs(accuracy - claim) < 0.03


def every_text() -> list[tuple[str, str]]:
    rows = [(ticket["id"], text) for ticket in TICKETS for text in (*texts_of(ticket), ticket["reporter"])]
    pages = [(path.name, path.read_text(encoding="utf-8")) for path in (SAMPLES / "runbooks").glob("*.md")]
    new = json.loads((SAMPLES / "new_ticket.json").read_text(encoding="utf-8"))["ticket"]
    return [*rows, *pages, ("new_ticket.json", f"{new['subject']}\n{new['description']}")]


def test_personal_data_comes_from_ranges_kept_for_examples() -> None:
    for name, text in every_text():
        for host in re.findall(r"[\w.+-]+@([\w-]+(?:\.[\w-]+)+)", text):
            assert host.endswith(".example"), (name, host)
        for host in re.findall(r"\w+://(?:[^\s/@]+@)?([\w-]+(?:\.[\w<>-]+)+)", text):
            assert host.endswith(".example"), (name, host)
        for number in re.findall(r"\+\d{2} ?\d[\d ()/-]{6,}\d|\+1[ (-]*\d{3}[\d )/-]{7,}\d", text):
            assert FICTIONAL_PHONE.fullmatch(number), (name, number)
        for address in re.findall(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]\d)|2001:[0-9a-f:]+", text):
            ip = ipaddress.ip_address(address)
            assert any(ip in network for network in DOCUMENTATION_NETWORKS), (name, address)
        for card in re.findall(r"\b\d{4}(?: \d{4}){3}\b", re.sub(r"\b[A-Z]{2}\d\d(?: \d{2,4})+", "", text)):
            assert card == "4111 1111 1111 1111", (name, card)
        for iban in re.findall(r"\b[A-Z]{2}\d\d(?: ?\d{4}){4}(?: ?\d{2})?\b", text):
            assert iban == "DE89 3704 0044 0532 0130 00", (name, iban)


def test_no_key_has_the_form_of_a_real_vendors() -> None:
    found = {key for _, text in every_text() for key in VENDOR_KEY.findall(text)}
    assert found == {"AKIAIOSFODNN7EXAMPLE"}


MASKED = re.compile(r"<(?:EMAIL|PHONE|CARD|IP|KEY|PASSWORD|URL_CREDENTIALS|IBAN)>")
_MASKER = Masker()


def masked_texts(ticket: dict[str, Any]) -> list[str]:
    return [_MASKER.mask(text) for text in texts_of(ticket)]


def test_masking_leaves_none_of_it() -> None:
    left = re.compile(
        r"[\w.+-]+@[\w-]+\.example|\+\d\d? \d[\d -]{6,}|\b(?:192\.0\.2|198\.51\.100|203\.0\.113)\.|2001:db8"
    )
    secret = re.compile(r"4111 1111|AKIA|cbl_live_|eyJ|Not-A-Real-Pw|Winter!24|hunter2|Blossom-77|rivergate7|DE89 3704")
    for ticket in TICKETS:
        for text in masked_texts(ticket):
            assert not left.search(text), ticket["id"]
            assert not secret.search(text), ticket["id"]


def test_the_mapping_reads_every_row() -> None:
    source = JsonlSource(SAMPLES / "tickets.jsonl", load_mapping(SAMPLES / "mapping.toml"))
    rows = list(source.rows())
    assert [row.reason for row in rows if isinstance(row, RejectedRow)] == []
    assert source.notes == ()
    cases = [row.case for row in rows if not isinstance(row, RejectedRow)]
    assert [case.id for case in cases] == [ticket["id"] for ticket in TICKETS]
    for case, ticket in zip(cases, TICKETS, strict=True):
        assert case.ticket.description == ticket["description"]
        assert case.outcome.category == ticket["category"]
        assert [(link.type, link.id) for link in case.links] == [(link["type"], link["id"]) for link in ticket["links"]]
        assert "true_category" not in case.ticket.fields


def test_the_new_ticket_is_a_valid_request_from_after_the_history() -> None:
    request = SuggestRequest.model_validate_json((SAMPLES / "new_ticket.json").read_text(encoding="utf-8"))
    ticket = request.ticket.to_ticket()
    assert request.top_k == 5
    assert ticket.created_at is not None
    assert ticket.created_at.date().isoformat() == "2026-07-20"
    assert ticket.id not in BY_ID
    assert ticket.customer in {known["customer"] for known in TICKETS}
    assert ticket.product in PRODUCTS
    masked = _MASKER.mask(ticket.description)
    assert "<EMAIL>" in masked
    assert "<PHONE>" in masked
