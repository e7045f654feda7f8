"""Which cases a caller may change: those that it may see, and none that it would hide from itself."""

from __future__ import annotations

from features.errors import Forbidden, UnknownCase
from features.history import History
from features.ticket import Case
from serving.near_cases import may_see


def check_may_store(history: History, case: Case, groups: frozenset[str] | None) -> None:
    """Refuse a case of an access group that the caller is not in, new or already stored.

    Parameters
    ----------
    groups : frozenset of str or None
        Those of the caller; None may change everything.

    Raises
    ------
    Forbidden
        If the caller could not see the case, as it is sent or as it is stored.
    """
    if not may_see(case.ticket.access_group, groups):
        raise Forbidden(
            "This key is not in the access group of the case; send it with a key that is.", field="case.access_group"
        )
    if _is_hidden(history, case.id, case.system, groups):
        raise Forbidden(
            "The stored case of this id is in an access group that this key is not in; send it with a key that is.",
            field="case.id",
        )


def check_may_erase(history: History, case_id: str, system: str, groups: frozenset[str] | None) -> None:
    """Treat a case that the caller may not see as one that is not there.

    Raises
    ------
    UnknownCase
        If the caller could not see the case.
    """
    if _is_hidden(history, case_id, system, groups):
        raise UnknownCase(
            f"The history holds no ticket {case_id!r} of {system!r}; check the id and the system.", field="id"
        )


def _is_hidden(history: History, case_id: str, system: str, groups: frozenset[str] | None) -> bool:
    if groups is None:
        return False
    stored = history.case(case_id, system=system)
    return stored is not None and not may_see(stored.case.ticket.access_group, groups)
