from datetime import UTC, datetime

from evaluation.runbook_draft import draft
from features.ticket import Author, Case, Message, Outcome, Status, Ticket
from serving.customer_names import CustomerNames


def case(case_id: str, resolution: str, *, subject: str = "Spool is full", said: str = "") -> Case:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    messages = (Message(at, Author.AGENT, said),)
    ticket = Ticket(id=case_id, subject=subject, created_at=at, customer="Saltmarsh Energy", messages=messages)
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


def test_no_part_of_a_drafted_runbook_names_a_customer():
    cut = "x" * 289
    cases = [
        case(f"T-{i}", "Raised the limit for Saltmarsh Energy by two.", subject=subject, said=said)
        for i, (subject, said) in enumerate(
            [
                ("Saltmarsh Energy cannot log in: Saltmarsh_X42", "Checked with Saltmarsh: the log is empty."),
                (f"{cut} Saltmarsh Energy", f"Checked {cut[9:]} Saltmarsh Energy: nothing."),
                ("Saltmarsh_X42 of SALTMARSH ENERGY", "Looked at the log\nof Saltmarsh\nEnergy."),
            ]
        )
    ]
    text = draft(cases, ["saltmarsh", "login"])
    assert "altm" not in text.lower()
    assert "# <CUSTOMER> cannot log in" in text
    assert "id: customer-cannot-log-in" in text
    assert "tags:\n- login\n" in text
    assert "- Checked with <CUSTOMER>: the log is empty. (T-0)\n" in text
    assert "- Looked at the log of <CUSTOMER>. (T-2)\n" in text


def test_a_third_customer_is_masked_in_a_draft_or_stands_in_its_first_lines():
    cases = [case("T-1", "Cleared the spool as for Dunmore Rail with the Slack connector.")]
    text = draft(cases, ["spool"], CustomerNames(["Dunmore Rail", "Slack"]))
    assert "Cleared the spool as for <CUSTOMER> with the Slack connector." in text
    assert "<!-- Read before publishing: may be a customer's name: Slack. -->\n\n## Meaning" in text
    assert "Read before publishing" not in draft(cases, ["spool"])


def test_what_agents_looked_at_warns_of_commands_that_destroy():
    text = draft([case("T-1", "fixed", said="Checked the disk, ran rm -rf /var/x and looked at the log.")], ["spool"])
    checks = text.partition("## Diagnosis")[2].partition("## Resolution")[0]
    assert "looked at the log. (T-1) **destructive command: rm -rf /var/x**\n" in checks
