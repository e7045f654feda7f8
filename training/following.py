"""Keeping the workspace's pointer in step with the alias ``champion`` of a remote MLflow registry.

A release that comes from there passes the same checks as one that was made here, and takes effect as a promotion does:
by the pointer that the service follows. What cannot be had or is refused leaves the release that is served.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from features.errors import InvalidInput, PrecedentError, ReleaseRefused
from features.files import scratch_folder
from features.release import current_release_id, install_release, load_release
from features.settings import Settings
from serving.triage import Triage
from training.promotion import serve_here
from training.tracking import CHAMPION, RegisteredRelease, Tracker

# MLflow's own defaults would hold one look at a registry that is away for minutes.
_ENVIRONMENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}


class ChampionFollower:
    """Looks at a registry, once a :meth:`step`.

    Raises
    ------
    InvalidInput
        If the settings name no registry.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.mlflow_url is None:
            raise InvalidInput(
                "There is no registry to follow: name an MLflow server in the setting mlflow_url; a workspace's own "
                "registry is followed by `precedent promote` itself.",
                field="mlflow_url",
            )
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        self._settings = settings
        self._tracker = Tracker(settings)
        self._refused: tuple[str, ReleaseRefused] | None = None

    def step(self) -> str | None:
        """Serve what the champion is now; gives its release id, or None where that was served already.

        Raises
        ------
        Unavailable
            If the registry cannot be reached.
        ReleaseRefused
            If the champion does not pass its checks; its version is not fetched again.
        """
        champion = self._tracker.registered(CHAMPION)
        if champion is None:
            return None
        if champion.release_id is not None and champion.release_id == current_release_id(self._settings.releases_dir):
            return None
        if self._refused is not None and self._refused[0] == champion.version:
            raise self._refused[1]
        try:
            release_id = self._installed(champion)
        except ReleaseRefused as refusal:
            self._refused = champion.version, refusal
            raise
        self._refused = None
        serve_here(self._settings, release_id)
        return release_id

    def _installed(self, champion: RegisteredRelease) -> str:
        if champion.release_id is None:
            raise ReleaseRefused(
                f"Version {champion.version}, the champion in {self._tracker.uri}, names no release: make a version "
                "that `precedent train` registered the champion."
            )
        releases_dir = self._settings.releases_dir
        if not (releases_dir / champion.release_id).is_dir():
            releases_dir.mkdir(parents=True, exist_ok=True)
            with scratch_folder(releases_dir, "follow") as tmp:
                source = self._tracker.download(champion.version, tmp) / champion.release_id
                install_release(source, releases_dir, champion.release_id)
        Triage.from_release(load_release(releases_dir / champion.release_id))
        return champion.release_id


def follow(
    settings: Settings,
    *,
    every_seconds: float,
    is_over: threading.Event,
    on_change: Callable[[str], None],
    on_trouble: Callable[[PrecedentError], None],
) -> None:
    """Follow until told to stop.

    Parameters
    ----------
    every_seconds : float
        How long to wait between two looks.
    is_over : Event
        Ends it when set.
    on_change : callable
        Told the id of each release that is served from then on.
    on_trouble : callable
        Told what is in the way, once for each thing that is.
    """
    follower = ChampionFollower(settings)
    told: str | None = None
    while not is_over.is_set():
        try:
            changed = follower.step()
        except PrecedentError as error:
            if error.message != told:
                on_trouble(error)
            told = error.message
        else:
            told = None
            if changed is not None:
                on_change(changed)
        is_over.wait(every_seconds)
