"""What an operator should look at, a sentence each; nothing of a ticket is in it."""

from __future__ import annotations

from dataclasses import dataclass

from features.errors import PrecedentError
from serving.assemble import Parts


@dataclass(frozen=True, slots=True)
class Refusal:
    """A promoted release that could not be taken, and why."""

    release_id: str
    message: str


def alerts(live: Parts | None, refusal: Refusal | None, trouble: str | None) -> list[str]:
    """Say what is not as it should be.

    Parameters
    ----------
    live : Parts or None
        What answers now.
    trouble : str or None
        Why what changes was not followed the last time.
    """
    found = []
    if refusal is not None:
        served = f"{live.release_id} goes on" if live is not None else "nothing is served"
        found.append(f"The promoted release {refusal.release_id} was refused and {served}: {refusal.message}")
    if trouble is not None:
        found.append(f"What changes is not followed: {trouble}")
    if live is not None and not live.has_index:
        found.append("The index could not be opened, and cases are not looked for; the log says why.")
    if live is not None and not live.suggester.has_runbooks:
        found.append("The runbooks could not be read, and are not looked for; the log says why.")
    return found


def reason(error: BaseException) -> str:
    """What may be shown of an error: our own messages hold no text of a ticket, others' may."""
    return error.message if isinstance(error, PrecedentError) else type(error).__name__
