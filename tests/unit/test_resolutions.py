from datetime import UTC, datetime, timedelta

import pytest

from features.ticket import Author, Case, FixOutcome, Message, Outcome, Status, Ticket
from serving.advice import MAX_SUMMARY_CHARS
from serving.customer_names import Audience, CustomerNames
from serving.resolutions import advice_of, resolutions
from serving.schemas import ResolutionAnswer
from serving.sentences import READ_CHARS

ROTATED = "Rotated the SAML certificate and reloaded the identity provider metadata."
AGAIN = "We rotated the SAML certificate, then reloaded metadata of the identity provider"
QUEUE = "Raised the memory limit of the export worker and restarted the stuck queue."
TIMEOUT = "Increased webhook timeout because receivers answered slowly overnight."
AT = datetime(2026, 3, 1, tzinfo=UTC)


def case(
    case_id: str,
    resolution: str | None,
    outcome: FixOutcome = FixOutcome.UNKNOWN,
    *,
    hours: float | None = None,
    customer: str | None = None,
    messages: tuple[tuple[Author, str], ...] = (),
) -> Case:
    return Case(
        ticket=Ticket(
            id=case_id,
            created_at=AT,
            customer=customer,
            messages=tuple(Message(AT, author, text) for author, text in messages),
        ),
        outcome=Outcome(
            status=Status.RESOLVED,
            resolution=resolution,
            outcome=outcome,
            resolved_at=None if hours is None else AT + timedelta(hours=hours),
        ),
    )


def told_by(cases: list[Case], *, asking: str | None = None, limit: int = 3) -> list[ResolutionAnswer]:
    """What cases of one relevance say."""
    return resolutions([(0.5, each) for each in cases], Audience(asking), limit=limit)


@pytest.mark.parametrize("text", [None, "", "fixed, thanks", "Closing as duplicate of CS-10444."])
def test_a_case_that_says_nothing_gives_nothing(text: str | None):
    assert told_by([case("1", text)]) == []


def test_the_same_advice_is_given_once_with_its_sources():
    first, second = told_by(
        [
            case("1", QUEUE, hours=5),
            case("2", f"Hello Ann. {ROTATED} Closing.", FixOutcome.REOPENED, hours=1),
            case("3", AGAIN, FixOutcome.HELD, hours=2),
            case("4", f"{ROTATED} Fixed.", FixOutcome.HELD, hours=7.5),
        ]
    )
    assert first.case_ids == ["2", "3", "4"]
    assert first.support == 3
    assert first.held_rate == pytest.approx(2 / 3, abs=1e-3)
    assert first.median_hours_to_resolve == 2
    assert first.newest == AT + timedelta(hours=7.5)
    assert first.summary == AGAIN, "the fix that held is the one to follow"
    assert second.case_ids == ["1"]
    assert second.held_rate is None
    assert (second.summary, second.warnings, second.draft) == (QUEUE, [], None)


def test_a_fix_after_which_the_customer_came_again_did_not_hold():
    told = [(0.5, case("1", ROTATED)), (0.5, case("2", AGAIN)), (0.5, case("3", QUEUE))]
    queue, rotated = resolutions(told, Audience(None), failed=frozenset({"1", "2"}))
    assert (queue.case_ids, queue.held_rate) == (["3"], None)
    assert (rotated.case_ids, rotated.held_rate) == (["1", "2"], 0.0)
    rotated = next(
        answer for answer in resolutions(told, Audience(None), failed=frozenset({"1"})) if answer.support == 2
    )
    assert (rotated.summary, rotated.held_rate) == (AGAIN, 0.0), "what is not known to have failed is the one to follow"


def test_what_is_not_known_is_null():
    (answer,) = told_by([case("1", QUEUE)])
    assert (answer.median_hours_to_resolve, answer.newest, answer.held_rate) == (None, None, None)


def test_a_resolution_before_the_creation_counts_no_hours():
    (answer,) = told_by([case("1", QUEUE, hours=-1)])
    assert answer.median_hours_to_resolve is None


def test_among_equal_support_what_held_comes_first_then_the_better_case():
    cases = [case("1", QUEUE, FixOutcome.REOPENED), case("2", ROTATED), case("3", TIMEOUT, FixOutcome.HELD)]
    assert [answer.case_ids for answer in told_by(cases)] == [["3"], ["2"], ["1"]]
    assert [answer.case_ids for answer in told_by([case("1", QUEUE), case("2", ROTATED)])] == [["1"], ["2"]]


def test_the_likelier_case_comes_before_the_more_numerous_and_a_fix_that_failed_last():
    like, unlike = [(0.4, case("1", QUEUE))], [(0.01, case("2", ROTATED)), (0.01, case("3", AGAIN))]
    failed = [(0.9, case("4", TIMEOUT, FixOutcome.REOPENED))]
    found = resolutions([*failed, *like, *unlike], Audience())
    assert [answer.case_ids for answer in found] == [["1"], ["2", "3"], ["4"]]


def test_limit():
    cases = [case(str(i), text) for i, text in enumerate([QUEUE, ROTATED, TIMEOUT])]
    assert len(told_by(cases, limit=2)) == 2


def test_short_advice_that_shares_a_word_or_two_is_not_the_same():
    assert len(told_by([case("1", "Restarted the export worker."), case("2", "Restarted the web worker.")])) == 2


def test_where_the_note_says_nothing_the_last_message_of_an_agent_that_says_it_does():
    messages = (
        (Author.AGENT, "We rebooted the host of the first worker."),
        (Author.AGENT, f"Hi Ann, {QUEUE}"),
        (Author.CUSTOMER, "I restarted the laptop and removed the battery."),
        (Author.AGENT, "Thanks, closing."),
    )
    advice = advice_of(1.0, case("1", "works now", messages=messages))
    assert advice is not None
    assert [told.text for told in advice.told] == [f"Hi Ann, {QUEUE}"]
    assert advice_of(1.0, case("1", ROTATED, messages=messages)).told[0].text == ROTATED  # type: ignore[union-attr]
    assert advice_of(1.0, case("1", None, messages=messages[2:])) is None


def test_the_name_of_another_customer_is_masked_in_what_is_shown():
    saltmarsh = case("1", "Moved the Saltmarsh tenant to the new queue.", customer="Saltmarsh Energy")
    (other,) = told_by([saltmarsh], asking="Dunmore Rail")
    assert other.summary == "Moved the <CUSTOMER> tenant to the new queue."
    (own,) = told_by([saltmarsh], asking="Saltmarsh Energy")
    assert own.summary == "Moved the Saltmarsh tenant to the new queue."


def test_a_name_is_masked_before_a_text_is_cut():
    long = f"Raised the limit {'x' * 373} Saltmarsh asked for."
    (answer,) = told_by([case("1", long, customer="Saltmarsh Energy")])
    assert len(answer.summary) <= MAX_SUMMARY_CHARS
    assert "Salt" not in answer.summary


@pytest.mark.parametrize("end", ["Raised the limit for Saltmarsh", "{code}rm -rf /srv/ Saltmarsh{code}"])
def test_no_name_is_cut_where_reading_ends(end: str):
    note = f"{ROTATED} {'x' * (READ_CHARS - len(ROTATED) - len(end) - 4)}.\n"
    for n in range(20):
        (answer,) = told_by([case("1", f"{note}{' ' * n}{end}", customer="Saltmarsh Energy")])
        assert "Sa" not in answer.summary + "".join(answer.warnings)


def test_commands_that_destroy_are_flagged_also_where_they_stand_beside_the_sentences():
    cleared = case(
        "1", "Cleared the spool folder by hand:\n{code}rm -rf /var/spool/saltmarsh{code}", customer="saltmarsh"
    )
    (answer,) = told_by([cleared])
    assert answer.summary == "Cleared the spool folder by hand:"
    assert answer.warnings == ["destructive command: rm -rf /var/spool/"]


def test_a_megabyte_of_note_is_read_to_its_bound():
    (answer,) = told_by([case(str(i), f"{ROTATED} " * 14_000) for i in range(10)])
    assert answer.support == 10
    assert len(answer.summary) <= MAX_SUMMARY_CHARS
    late = "x " * 10_000
    assert told_by([case("1", f"{late}\n{ROTATED}")]) == []


def test_a_third_customer_is_masked_or_pointed_out():
    names = CustomerNames(["Dunmore Rail", "Slack", "Saltmarsh Energy"])
    note = f"{ROTATED} We restarted the Slack connector as for DUNMORE  RAIL and Saltmarsh Energy."
    (answer,) = resolutions([(0.5, case("1", note, customer="Tinder Lane"))], Audience("Saltmarsh Energy", names))
    assert "the Slack connector as for <CUSTOMER> and Saltmarsh Energy" in answer.summary
    assert answer.warnings == ["may be a customer's name: Slack"]
