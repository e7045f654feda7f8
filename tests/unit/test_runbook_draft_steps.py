from datetime import UTC, datetime

from evaluation.runbook_draft import draft
from features.ticket import Case, Outcome, Status, Ticket


def case(case_id: str, resolution: str) -> Case:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    ticket = Ticket(id=case_id, subject="Spool is full", created_at=at, customer="Saltmarsh Energy")
    return Case(ticket=ticket, outcome=Outcome(status=Status.RESOLVED, resolution=resolution, resolved_at=at))


def test_the_steps_of_a_drafted_runbook_say_what_was_done_and_name_no_customer():
    text = draft(
        [
            case("T-1", "Thanks for waiting. Cleared the Saltmarsh spool with rm -rf /var/spool/edge. Closing."),
            case("T-2", "fixed, thanks"),
        ],
        ["spool"],
    )
    steps = text.partition("## Resolution")[2].partition("## Source cases")[0]
    step = "- Cleared the <CUSTOMER> spool with rm -rf /var/spool/edge. (T-1)"
    assert f"{step} **destructive command: rm -rf /var/spool/edge**\n" in steps
    assert "thanks" not in steps.lower()
    assert "T-2" not in steps
