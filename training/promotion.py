"""Which release is served: the registry's alias first, then the pointer that the service follows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from features.audit_chain import COMMAND_LINE, Kind, enter
from features.errors import Conflict, Refused, ReleaseRefused
from features.history import History
from features.release import Release, current_release_id, list_releases, load_release, point_current
from features.settings import Settings
from serving.triage import Triage
from training.comparison import Comparison, Tickets, compare_releases, known_release
from training.tracking import Tracker

_LOG = "PROMOTIONS.jsonl"
_PROMOTED, _ROLLED_BACK = "promoted", "rolled_back"


def promote(
    settings: Settings,
    release_id: str | None,
    *,
    force: bool = False,
    on_comparison: Callable[[Comparison], None] | None = None,
) -> str:
    """Make a release the champion.

    Parameters
    ----------
    release_id : str, optional
        None takes the challenger.
    force : bool
        Promote without asking the gate.
    on_comparison : callable, optional
        Told what the gate saw, where there was a champion to compare with.

    Returns
    -------
    str
        The promoted release's id.

    Raises
    ------
    UnknownRelease
        If there is no such release.
    ReleaseRefused
        If the release does not pass its checks; or the champion, which the gate compares it with.
    Refused
        If it is worse than the champion on the same tickets.
    """
    release = load_release(settings.releases_dir / known_release(settings, release_id))
    Triage.from_release(release)
    comparison = None if force else _beside_champion(settings, release)
    if comparison is not None:
        if on_comparison is not None:
            on_comparison(comparison)
        if not comparison.passed:
            raise Refused(
                f"Release {release.id} is not promoted: {comparison.reason} Use --force to promote it all the same."
            )
    _serve(settings, release.id, _PROMOTED)
    return release.id


def rollback(settings: Settings) -> str:
    """Serve the release that was served before the current one; gives its id. Done again, it goes back further.

    Raises
    ------
    Conflict
        If nothing was served before, or what was is gone.
    ReleaseRefused
        If the release before does not pass its checks.
    """
    known = set(list_releases(settings.releases_dir))
    before = next((earlier for earlier in reversed(_served_before(settings.releases_dir)) if earlier in known), None)
    if before is None:
        raise Conflict("There is no earlier release to go back to: 'precedent promote RELEASE' serves another one.")
    load_release(settings.releases_dir / before)
    _serve(settings, before, _ROLLED_BACK)
    return before


def _beside_champion(settings: Settings, release: Release) -> Comparison | None:
    """What the gate sees; None where there is no other champion to compare with."""
    champion = current_release_id(settings.releases_dir)
    if champion is None or champion == release.id:
        return None
    try:
        served = load_release(settings.releases_dir / champion)
    except ReleaseRefused as refusal:
        raise ReleaseRefused(
            f"Release {release.id} cannot be compared with the champion: {refusal.message} 'precedent promote --force' "
            "promotes without comparing."
        ) from None
    with closing(History.open(settings.history_url)) as history:
        return compare_releases(Tickets(settings, history), release, served)


def _serve(settings: Settings, release_id: str, event: str) -> None:
    kind = Kind.ROLLBACK if event == _ROLLED_BACK else Kind.PROMOTE
    told = {"release": release_id, "before": current_release_id(settings.releases_dir)}
    # First: a change of what is served that no entry tells of must not be.
    with closing(History.open(settings.history_url)) as history:
        enter(history, kind, COMMAND_LINE, told)
    Tracker(settings).set_champion(release_id)
    serve_here(settings, release_id, event)


def serve_here(settings: Settings, release_id: str, event: str = _PROMOTED) -> None:
    """Replace the pointer that services follow, and note it for a rollback; the registry is left as it is."""
    point_current(settings.releases_dir, release_id)
    entry = json.dumps({"event": event, "release": release_id, "at": datetime.now(UTC).isoformat()})
    with (settings.releases_dir / _LOG).open("a", encoding="utf-8") as stream:
        stream.write(entry + "\n")


def _served_before(releases_dir: Path) -> list[str]:
    """Releases that were served before the current one, oldest first, without those that were rolled back."""
    served: list[str] = []
    for event, release_id in _events(releases_dir):
        if event == _ROLLED_BACK and release_id in served:
            while served[-1] != release_id:
                served.pop()
        elif served[-1:] != [release_id]:
            served.append(release_id)
    current = current_release_id(releases_dir)
    return served[:-1] if served[-1:] == [current] else served


def _events(releases_dir: Path) -> Iterator[tuple[str, str]]:
    path = releases_dir / _LOG
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:  # the end of a line that a crash cut short; the pointer says what is served
            continue
        yield entry["event"], entry["release"]
