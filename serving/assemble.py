"""From a workspace to a suggester: the history, a checked release, and the indexes brought up to date."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from features.case_index import CaseIndex, DenseLimits
from features.encoder import Encoder, load_encoder
from features.encoder_card import read_card
from features.errors import EncoderMismatch, IndexDamaged, NoRelease, PrecedentError
from features.history import History
from features.intake import Intake, open_intake
from features.lexical import LexicalStatistics
from features.release import Release, current_release_id, load_release
from features.runbook_index import RunbookIndex
from features.settings import Settings
from serving.absent_index import AbsentIndex
from serving.ranking import Ranker
from serving.runbook_map import RUNBOOK_MAP, RunbookMap
from serving.suggester import Suggester
from serving.triage import Triage
from serving.vector_cache import CachingEncoder
from serving.verdicts import VerdictReader

logger = logging.getLogger("precedent.assemble")


@dataclass(slots=True)
class Parts:
    """What answers with one release.

    Attributes
    ----------
    runbooks_change : int
        The history's number for the runbooks that the suggester has; -1 where it has none because they failed.
    created_at : datetime
        When the release was made.
    """

    suggester: Suggester
    statistics: LexicalStatistics
    runbooks_change: int
    created_at: datetime

    @property
    def has_index(self) -> bool:
        """Whether cases can be looked for."""
        return not isinstance(self.index, AbsentIndex)

    @property
    def release_id(self) -> str:
        """The release's id."""
        return self.suggester.release_id

    @property
    def index(self) -> CaseIndex:
        """The case index, for whoever keeps it current."""
        return self.suggester.index

    @property
    def encoder(self) -> Encoder:
        """The release's encoder."""
        return self.suggester.encoder

    def follow_runbooks(self, history: History) -> None:
        """Take in the runbooks, if they changed; suggestions under way keep those that they began with."""
        change = history.runbooks_change()
        if change != self.runbooks_change:
            self.suggester.runbooks = RunbookIndex.build(
                history.runbooks(), self.encoder, self.statistics, store=history
            )
            self.runbooks_change = change

    def close(self) -> None:
        """Stop the index."""
        self.index.close()


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace opened to answer from; end it with :meth:`close`."""

    history: History
    intake: Intake
    parts: Parts

    @property
    def suggester(self) -> Suggester:
        """Ticket in, suggestion out."""
        return self.parts.suggester

    def close(self) -> None:
        """Stop the index and close the history."""
        self.parts.close()
        self.history.close()


def assemble(
    settings: Settings, release: Release | None = None, *, progress: Callable[[int], None] | None = None
) -> Workspace:
    """Open a workspace with the release that is promoted in it, or with another one.

    The index starts from its latest snapshot and takes in what came since, so that the first call after an import may
    take as long as embedding it does. The snapshot is then renewed, which makes the next call quick.

    Parameters
    ----------
    progress : callable, optional
        Called with the number of changes that the index has just taken in.

    Raises
    ------
    NoRelease
        If nothing is promoted and no release is given.
    ReleaseRefused, UnknownRelease, EncoderRefused, EncoderMismatch
        If the release fails its checks.
    HistoryUnavailable
        If the history's database does not answer.
    """
    history = History.open(settings.history_url)
    try:
        intake = open_intake(settings)
        parts = build_parts(release or current_release(settings), settings, history, intake, progress=progress)
    except BaseException:
        history.close()
        raise
    return Workspace(history, intake, parts)


@dataclass(frozen=True, slots=True)
class OpenIndex:
    """The case index of the promoted release alone, and its history; end it with :meth:`close`."""

    history: History
    index: CaseIndex

    def close(self) -> None:
        """Stop the index and close the history."""
        self.index.close()
        self.history.close()


def open_index(settings: Settings, *, is_empty: bool = False) -> OpenIndex:
    """Open the index as its latest sound snapshot has it, or an empty one; nothing is replayed or written.

    Raises as :func:`assemble` does.
    """
    release = current_release(settings)
    statistics = LexicalStatistics.from_arrays(release.arrays("statistics"))
    encoder = _encoder(release, settings, None)
    history = History.open(settings.history_url)
    try:
        make = CaseIndex.create if is_empty else CaseIndex.open
        index = make(settings.index_dir / encoder.fingerprint, encoder, statistics, _limits(settings))
    except BaseException:
        history.close()
        raise
    return OpenIndex(history, index)


def current_release(settings: Settings) -> Release:
    """The promoted release, checked.

    Raises
    ------
    NoRelease
        If nothing is promoted.
    ReleaseRefused, UnknownRelease
        If what is promoted fails its checks or is gone.
    """
    release_id = current_release_id(settings.releases_dir)
    if release_id is None:
        raise NoRelease(
            f"No release is promoted in {settings.workspace}; run `precedent train` and then `precedent promote`."
        )
    return load_release(settings.releases_dir / release_id)


def build_parts(
    release: Release,
    settings: Settings,
    history: History,
    intake: Intake,
    *,
    reader: History | None = None,
    encoder: Encoder | None = None,
    progress: Callable[[int], None] | None = None,
    partial_ok: bool = False,
) -> Parts:
    """Load what a release holds and bring its indexes up to date.

    Parameters
    ----------
    reader : History, optional
        The same history, for suggestions to read from.
    encoder : Encoder, optional
        One that is loaded already; it is used if it is the release's, which saves its memory a second time.
    partial_ok : bool
        Whether to do without an index or runbooks that fail, which is logged.

    Raises
    ------
    ReleaseRefused, EncoderRefused
        If the release's parts cannot be read or do not fit each other.
    EncoderMismatch
        If the encoder in the release is not the one that its models were trained with.
    """
    triage = Triage.from_release(release)
    ranker = Ranker.from_json(release.json("ranker"))
    runbook_map = RunbookMap.from_json(release.json(RUNBOOK_MAP)) if release.has(f"{RUNBOOK_MAP}.json") else None
    statistics = LexicalStatistics.from_arrays(release.arrays("statistics"))
    encoder = _encoder(release, settings, encoder)
    index = _built_index(settings, encoder, statistics, history, progress, partial_ok=partial_ok)
    try:
        runbooks, change = _built_runbooks(encoder, statistics, history, partial_ok=partial_ok)
        suggester = Suggester(
            release_id=release.id,
            triage=triage,
            ranker=ranker,
            encoder=encoder,
            intake=intake,
            index=index,
            runbooks=runbooks,
            read_cases=(reader or history).cases,
            verdicts=VerdictReader(reader or history, settings.system),
            runbook_map=runbook_map,
        )
    except BaseException:
        index.close()
        raise
    return Parts(suggester, statistics, change, release.created_at)


def _built_index(
    settings: Settings,
    encoder: Encoder,
    statistics: LexicalStatistics,
    history: History,
    progress: Callable[[int], None] | None,
    *,
    partial_ok: bool,
) -> CaseIndex:
    folder = settings.index_dir / encoder.fingerprint
    try:
        index = CaseIndex.open(folder, encoder, statistics, _limits(settings))
        try:
            if index.build(history, progress):
                index.snapshot()
        except BaseException:
            index.close()
            raise
    except Exception as error:
        if not partial_ok or (isinstance(error, PrecedentError) and not isinstance(error, IndexDamaged)):
            raise
        logger.exception("no index: cases are not looked for")
        return AbsentIndex(folder, encoder)
    return index


def _built_runbooks(
    encoder: Encoder, statistics: LexicalStatistics, history: History, *, partial_ok: bool
) -> tuple[RunbookIndex | None, int]:
    change = history.runbooks_change()
    try:
        return RunbookIndex.build(history.runbooks(), encoder, statistics, store=history), change
    except Exception as error:
        if not partial_ok or isinstance(error, PrecedentError):
            raise
        logger.exception("no runbooks: they are not looked for")
        return None, -1


def _limits(settings: Settings) -> DenseLimits:
    return DenseLimits(memory_bytes=settings.index.memory_bytes)


def _encoder(release: Release, settings: Settings, loaded: Encoder | None) -> Encoder:
    if loaded is not None and loaded.fingerprint == read_card(release.encoder_folder).fingerprint:
        encoder = loaded
    else:
        encoder = CachingEncoder(load_encoder(release.encoder_folder, settings.service.encoder_threads))
    expected = release.manifest.get("encoder", encoder.fingerprint)
    if encoder.fingerprint != expected:
        raise EncoderMismatch(
            f"Release {release.id} was trained with the encoder {expected} and holds {encoder.fingerprint}; train "
            "again or promote another release."
        )
    return encoder
