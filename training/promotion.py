"""Which release is served: the registry's alias first, then the pointer that the service follows."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from features.errors import Conflict, Refused
from features.release import current_release_id, list_releases, load_release, point_current
from features.settings import Settings
from training.comparison import Comparison, compare_releases, known_release
from training.tracking import Tracker

_LOG = "PROMOTIONS.jsonl"


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
        Promote even what the gate would refuse.
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
        If the release does not pass its checks.
    Refused
        If it is worse than the champion on the same tickets.
    """
    chosen = known_release(settings, release_id)
    load_release(settings.releases_dir / chosen)
    champion = current_release_id(settings.releases_dir)
    if champion is not None and champion != chosen:
        comparison = compare_releases(settings, chosen, champion)
        if on_comparison is not None:
            on_comparison(comparison)
        if not comparison.passed and not force:
            raise Refused(
                f"Release {chosen} is not promoted: {comparison.reason} Use --force to promote it all the same."
            )
    _serve(settings, chosen)
    return chosen


def rollback(settings: Settings) -> str:
    """Serve the release that was served before the current one; gives its id.

    Raises
    ------
    Conflict
        If nothing was served before.
    """
    current = current_release_id(settings.releases_dir)
    known = set(list_releases(settings.releases_dir))
    before = [entry for entry in _promotions(settings.releases_dir) if entry != current and entry in known]
    if not before:
        raise Conflict("There is no earlier release to go back to: 'precedent promote RELEASE' serves another one.")
    load_release(settings.releases_dir / before[-1])
    _serve(settings, before[-1], log=False)
    return before[-1]


def _serve(settings: Settings, release_id: str, *, log: bool = True) -> None:
    Tracker(settings).set_champion(release_id)
    point_current(settings.releases_dir, release_id)
    if log:
        entry = json.dumps({"release": release_id, "at": datetime.now(UTC).isoformat()})
        with (settings.releases_dir / _LOG).open("a", encoding="utf-8") as stream:
            stream.write(entry + "\n")


def _promotions(releases_dir: Path) -> list[str]:
    path = releases_dir / _LOG
    if not path.exists():
        return []
    return [str(json.loads(line)["release"]) for line in path.read_text(encoding="utf-8").splitlines() if line]
