"""What a section is for, by its heading."""

from __future__ import annotations

import pytest

from features.runbook_kinds import SectionKind, section_kind
from features.runbooks import RunbookSection


@pytest.mark.parametrize(
    ("kind", "headings"),
    [
        ("meaning", ["Meaning", "What does this alert mean?", "What is this?", "Alert description", "Summary"]),
        ("symptoms", ["Symptoms", "Signs of trouble", "How it is detected", "What users see"]),
        ("impact", ["Impact", "What is the impact?", "Customer Impact", "Who is affected", "Blast radius"]),
        (
            "diagnosis",
            [
                "Diagnosis",
                "2. Troubleshooting",
                "Root cause",
                "How to investigate",
                "Checks",
                "Step 3: Check the queue",
            ],
        ),
        (
            "mitigation",
            ["Mitigation", "Remediation", "Rollback", "Workaround", "Steps", "What to do", "Actions to take"],
        ),
        ("resolution", ["Resolution", "How to fix", "Fix", "Recovery", "Verification", "Permanent solution"]),
        ("escalation", ["Escalation", "Who to call", "On-call contacts", "Getting help"]),
        ("background", ["Background", "Overview", "References", "See also", "Prerequisites", "Related alerts"]),
        ("other", ["", "Kafka", "§ 4", "Resource exhaustion"]),
    ],
)
def test_headings_and_their_kin(kind: str, headings: list[str]):
    assert {heading: section_kind(heading).value for heading in headings} == dict.fromkeys(headings, kind)


def test_the_part_that_is_named_first_counts():
    assert section_kind("Diagnosis and mitigation") is SectionKind.DIAGNOSIS
    assert section_kind("MITIGATION (after diagnosis)") is SectionKind.MITIGATION


def test_a_section_tells_its_kind():
    assert RunbookSection("How to fix", "Restart it.").kind is SectionKind.RESOLUTION
