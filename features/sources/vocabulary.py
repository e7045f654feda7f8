"""What common ticketing systems call a severity, a status and an outcome, in our terms.

Names are compared without case and with single spaces. Bare numbers are not here: 1 is the worst level in one system
and the mildest in another, so a mapping has to say it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

from features.ticket import FixOutcome, Severity, Status

T = TypeVar("T")

_NUMBERED = re.compile(r"\d+ ?[-–:.] ?")


def fold(name: str) -> str:
    """Bring a name to the form in which names are compared.

    Examples
    --------
    >>> fold("  In   Progress ")
    'in progress'
    """
    return " ".join(name.casefold().split())


def look_up(name: str, names: Mapping[str, T]) -> T | None:
    """Find a folded name; ServiceNow's ``1 - Critical`` is found as ``critical``."""
    folded = fold(name)
    if folded in names:
        return names[folded]
    return names.get(_NUMBERED.sub("", folded, count=1)) if _NUMBERED.match(folded) else None


def _names(by_value: Mapping[T, str]) -> Mapping[str, T]:
    return MappingProxyType({fold(name): value for value, names in by_value.items() for name in names.split(",")})


SEVERITY_NAMES: Mapping[str, Severity] = _names(
    {
        Severity.SEV1: "sev1,sev 1,sev-1,severity 1,s1,p1,critical,blocker,urgent,highest,emergency",
        Severity.SEV2: "sev2,sev 2,sev-2,severity 2,s2,p2,high,major",
        Severity.SEV3: "sev3,sev 3,sev-3,severity 3,s3,p3,medium,moderate,normal,minor",
        Severity.SEV4: "sev4,sev 4,sev-4,severity 4,s4,p4,low,lowest,trivial,planning",
    }
)

# Jira's two stock schemes. In the older one Blocker stands above Critical, so each name is a level further down.
JIRA_SEVERITY_NAMES: Mapping[str, Severity] = MappingProxyType(
    {
        **SEVERITY_NAMES,
        **_names(
            {
                Severity.SEV1: "blocker,highest",
                Severity.SEV2: "critical,high",
                Severity.SEV3: "major,medium",
                Severity.SEV4: "minor,trivial,low,lowest",
            }
        ),
    }
)

STATUS_NAMES: Mapping[str, Status] = _names(
    {
        Status.OPEN: "open,new,to do,todo,backlog,pending,hold,on hold,on-hold,in progress,in review,assigned,active,"
        "waiting,waiting for customer,waiting for support,escalated,reopened,patch available",
        Status.RESOLVED: "resolved,solved,done,fixed,completed",
        Status.CLOSED: "closed,cancelled,canceled",
    }
)

OUTCOME_NAMES: Mapping[str, FixOutcome] = _names({outcome: outcome.value for outcome in FixOutcome})
