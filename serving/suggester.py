"""The one object that answers: a ticket in, a suggestion out. No web; it reads cases through a function.

The service, the command line and every evaluation run this very class.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from features.case_entries import CaseEntry
from features.case_index import Candidate, CaseFilter, CaseIndex, Nearest
from features.encoder import Encoder
from features.errors import EncoderMismatch, InvalidFilter, InvalidInput, InvalidTicket, Unavailable
from features.feature_space import Example
from features.history import StoredCase
from features.intake import Intake
from features.intake_checks import checked_label
from features.lexical import NO_TERMS
from features.runbook_index import RunbookIndex
from features.runbook_query import RunbookQuery
from features.text import model_text
from features.ticket import Case, Ticket
from serving.customer_names import Audience, KnownCustomers
from serving.explain import Surroundings, explained
from serving.found_cases import FoundCases, related_open, similar_case
from serving.listing import Listing
from serving.lookup import rows_naming
from serving.near_cases import NearCases, may_see
from serving.partial import HISTORY_UNAVAILABLE, INDEX_UNAVAILABLE, RUNBOOKS_UNAVAILABLE, Missing
from serving.ranking import Pool, Ranker
from serving.reasons import Asked
from serving.remembered import remembered
from serving.resolutions import resolutions
from serving.runbook_answers import runbook_answers
from serving.runbook_map import RunbookMap
from serving.schemas import RunbookAnswer, Suggestion
from serving.stages import Part, timed
from serving.triage import Prediction, Triage
from serving.verdicts import VerdictReader

# Runbooks are voted for by the links of the best cases; further ones say little of this ticket.
_VOTING_CASES = 10

CaseReader = Callable[[Sequence[int]], Mapping[int, StoredCase]]


@dataclass(frozen=True, slots=True)
class Query:
    """What a caller asks for.

    Attributes
    ----------
    access_groups : frozenset of str or None
        Groups that the caller may see; None sees everything.
    partial_ok : bool
        Whether a part that is not there (:mod:`serving.partial`) is left out and noted; else its error is raised.
    """

    ticket: Ticket
    top_k: int = 5
    filter: CaseFilter = field(default_factory=CaseFilter)
    explain: bool = False
    access_groups: frozenset[str] | None = None
    request_id: str | None = None
    partial_ok: bool = False


@dataclass(frozen=True, slots=True)
class RankedCase:
    """A candidate with its rank: raw scores, what the index knows, score and relevance."""

    candidate: Candidate
    entry: CaseEntry
    score: float
    relevance: float

    @property
    def row_id(self) -> int:
        """The case's row in the history."""
        return self.candidate.row_id


class Suggester:
    """A release, the indexes and the way to read cases, as one object. Safe to call from several threads.

    Parameters
    ----------
    runbooks : RunbookIndex or None
        None where they could not be read.

    Raises
    ------
    EncoderMismatch
        If the index was made with another encoder than the one that embeds what is asked.
    """

    def __init__(
        self,
        *,
        release_id: str,
        triage: Triage,
        ranker: Ranker,
        encoder: Encoder,
        intake: Intake,
        index: CaseIndex,
        runbooks: RunbookIndex | None,
        read_cases: CaseReader,
        verdicts: VerdictReader | None = None,
        runbook_map: RunbookMap | None = None,
    ) -> None:
        if index.fingerprint != encoder.fingerprint:
            raise EncoderMismatch(
                f"The index was made with the encoder {index.fingerprint} and release {release_id} has "
                f"{encoder.fingerprint}; open the index of the release's own encoder."
            )
        self.release_id = release_id
        self.triage = triage
        self.ranker = ranker
        self.encoder = encoder
        self.index = index
        self._runbooks = runbooks
        self._intake = intake
        self._read_cases = read_cases
        self.runbook_map = runbook_map or RunbookMap()
        self._listing = Listing(index, ranker, verdicts)
        self._customers = KnownCustomers(index)

    @property
    def runbooks(self) -> RunbookIndex:
        """The runbooks; they may be replaced while others are being looked for.

        Raises
        ------
        Unavailable
            If there are none because they could not be read.
        """
        if self._runbooks is None:
            raise Unavailable("The runbooks could not be read; the log says why.")
        return self._runbooks

    @runbooks.setter
    def runbooks(self, runbooks: RunbookIndex) -> None:
        self._runbooks = runbooks

    @property
    def has_runbooks(self) -> bool:
        """Whether runbooks can be looked for."""
        return self._runbooks is not None

    def suggest(self, query: Query) -> Suggestion:
        """Answer one ticket.

        Raises
        ------
        InvalidTicket
            If a field of the ticket breaks a bound.
        InvalidInput
            If a filter does.
        HistoryUnavailable
            If the cases to show cannot be read, unless ``partial_ok``.
        """
        return self.answer(self.example(query.ticket, by_token=query.explain), query)

    def answer(self, example: Example, query: Query) -> Suggestion:
        """Answer an example of :meth:`example`, for callers that keep what was masked; raises as :meth:`suggest`."""
        now = _created(example.ticket)
        wanted = self._as_stored(query.filter)
        visible = replace(wanted, exclude_ids=wanted.exclude_ids | _own_id(example.ticket))
        missing = Missing(is_allowed=query.partial_ok)
        with timed(Part.RETRIEVE):
            near = missing.attempt(INDEX_UNAVAILABLE, lambda: self._near(example), NearCases.nobody())
        with timed(Part.CLASSIFY):
            prediction = self._predict(example, near)
        if query.explain:
            with timed(Part.EXPLAIN):
                prediction = missing.attempt(
                    INDEX_UNAVAILABLE,
                    lambda: self._explained(example, prediction, near, query.access_groups),
                    prediction,
                )
        found = missing.attempt(
            INDEX_UNAVAILABLE, lambda: self._find(example, query, visible, near, now, missing), FoundCases.nothing()
        )
        with timed(Part.RUNBOOKS):
            runbooks = missing.attempt(
                RUNBOOKS_UNAVAILABLE, lambda: self._follow(example, prediction, found), list[RunbookAnswer]()
            )
        return Suggestion(
            request_id=query.request_id or new_request_id(),
            release=self.release_id,
            index_watermark=self.index.watermark,
            category=prediction.category,
            severity=prediction.severity,
            targets=prediction.targets,
            similar_cases=found.similar,
            related_open=found.open,
            resolutions=resolutions(found.resolved[: query.top_k], self._audience(example), failed=found.failed),
            runbooks=runbooks,
            novel=prediction.novel,
            hidden_count=found.n_hidden,
            notes=missing.notes,
        )

    def _find(
        self, example: Example, query: Query, visible: CaseFilter, near: NearCases, now: float, missing: Missing
    ) -> FoundCases:
        permitted, n_hidden = self._permitted(example, visible, query.access_groups, near.nearest, now)
        with timed(Part.RANK):
            listed = self._listing.list(example.ticket, permitted, missing, n_resolved=max(query.top_k, _VOTING_CASES))
        wanted = [group.shown for group in (*listed.resolved, *listed.open)]
        with timed(Part.READ):
            cases = self._read(wanted, query.access_groups, missing)
        found = [group for group in listed.resolved if group.shown.row_id in cases]
        with timed(Part.ASSEMBLE):
            # A shared form is no reason.
            terms = self.index.terms([group.shown.row_id for group in found[: query.top_k]])
            audience = self._audience(example)
            asked = Asked.of(example, now=now, shown=self.index.without_boilerplate(example.text))
            return FoundCases(
                similar=[
                    similar_case(
                        asked,
                        group,
                        cases[group.shown.row_id],
                        audience=audience,
                        tier=self.ranker.tier(group.best.relevance) or "possible",
                        notes=listed.setbacks.notes(group.shown),
                        terms=terms.get(group.shown.row_id, NO_TERMS),
                    )
                    for group in found[: query.top_k]
                ],
                open=[related_open(group, cases[row]) for group in listed.open if (row := group.shown.row_id) in cases],
                resolved=[(group.best.relevance, cases[group.shown.row_id]) for group in found],
                n_hidden=n_hidden,
                failed=frozenset(case.id for row, case in cases.items() if row in listed.setbacks.reasons),
                refused_runbooks=listed.verdicts.refused_runbooks,
            )

    def _audience(self, example: Example) -> Audience:
        return Audience(example.ticket.customer, self._customers.names())

    def _follow(self, example: Example, prediction: Prediction, found: FoundCases) -> list[RunbookAnswer]:
        runbooks = self.runbooks
        if not len(runbooks):  # the subject need not be embedded for nothing
            return []
        return runbook_answers(
            runbooks,
            self.runbook_map,
            RunbookQuery.of(example.text, example.vector, self.encoder),
            category=prediction.category,
            product=example.ticket.product,
            cases=found.resolved,
            refused=found.refused_runbooks,
        )

    def example(self, ticket: Ticket, *, by_token: bool = False) -> Example:
        """Mask a ticket, bound it, and embed its model text; ``by_token`` for reasons, where the encoder can tell."""
        with timed(Part.MASK):
            masked = self._intake.prepare_ticket(ticket)
        with timed(Part.ENCODE):
            return self._embedded(masked, self.index.record(masked, at=_created(masked)), by_token=by_token)

    def _embedded(self, masked: Ticket, record: NDArray[np.float64], *, by_token: bool = False) -> Example:
        text = model_text(masked)
        tokens = self.encoder.token_vectors(text.text) if by_token else None
        vector = self.encoder.encode([text.text])[0] if tokens is None else tokens.embedding
        return Example(masked, text, vector, record, tokens)

    def predict(self, example: Example) -> Prediction:
        """Category, severity and further targets of an example."""
        return self._predict(example, self._near(example))

    def _predict(self, example: Example, near: NearCases) -> Prediction:
        return self.triage.predict([example], near.neighbours(self.triage.targets))[0]

    def _near(self, example: Example) -> NearCases:
        return NearCases.of(self.index, example.vector, CaseFilter(exclude_ids=_own_id(example.ticket)))

    def _explained(
        self, example: Example, prediction: Prediction, near: NearCases, groups: frozenset[str] | None
    ) -> Prediction:
        nobody = Ticket(id=example.ticket.id)
        around = Surroundings(
            near=near,
            groups=groups,
            nobodys_record=self.index.record(nobody, at=_created(example.ticket)),
            retell=lambda ticket: self.predict(self._embedded(ticket, example.record)),
        )
        return explained(self.triage, example, prediction, around)

    def _as_stored(self, where: CaseFilter) -> CaseFilter:
        """A filter with its labels as cases have them: evened out, and a name that had to be masked as a pseudonym."""
        try:
            ticket = self._intake.prepare_ticket(
                Ticket(
                    product=where.product,
                    customer=where.customer,
                    language=where.language,
                    access_group=where.access_group,
                )
            )
            category = checked_label(where.category, "category")
        except InvalidTicket as error:
            raise InvalidInput(f"The filter's {error.message}", field=f"filters.{error.field}") from None
        if where.since is not None and where.until is not None and where.since > where.until:
            since, until = where.since.isoformat(), where.until.isoformat()
            raise InvalidFilter(
                f"The filter's since ({since}) is after its until ({until}), so no case could pass; exchange them.",
                field="filters.since",
            )
        return replace(
            where,
            product=ticket.product,
            customer=ticket.customer,
            language=ticket.language,
            access_group=ticket.access_group,
            category=category,
        )

    def _permitted(
        self, example: Example, visible: CaseFilter, groups: frozenset[str] | None, nearest: Nearest | None, now: float
    ) -> tuple[list[RankedCase], int]:
        """What is relevant and may be seen, and how many relevant cases may not."""
        shown = self._shown(example, visible, nearest, now)
        if groups is None:
            return shown, 0
        n_hidden = sum(not may_see(case.entry.access_group, groups) for case in shown)
        # Ranked by itself, so that what is hidden neither takes a place nor moves what may be seen.
        return self._shown(example, replace(visible, access_groups=groups), nearest, now), n_hidden

    def _read(
        self, ranked: Sequence[RankedCase], groups: frozenset[str] | None, missing: Missing
    ) -> Mapping[int, Case]:
        """Read cases from the history. The index may be a moment behind it: the group that a case has now counts.

        Where the history does not answer, the cases are as the index has them, their groups too.
        """
        cases = missing.attempt(
            HISTORY_UNAVAILABLE,
            lambda: {row: stored.case for row, stored in self._read_cases([each.row_id for each in ranked]).items()},
            {each.row_id: remembered(each.entry) for each in ranked},
        )
        return {row: case for row, case in cases.items() if may_see(case.ticket.access_group, groups)}

    def _shown(self, example: Example, visible: CaseFilter, nearest: Nearest | None, now: float) -> list[RankedCase]:
        with timed(Part.RETRIEVE):
            pool = Pool.of(self.index, example, visible, now=now, nearest=nearest)
        with timed(Part.RANK):
            naming = rows_naming(example, pool, self.index)
            return self._ranked(pool, lambda row, relevance: self.ranker.tier(relevance) or row in naming)

    def rank(self, example: Example, visible: CaseFilter, *, now: float) -> list[RankedCase]:
        """Candidates of an example, best first; ties by the newer row."""
        return self._ranked(Pool.of(self.index, example, visible, now=now), lambda _row, _relevance: True)

    def _ranked(self, pool: Pool, is_wanted: Callable[[int, float], object]) -> list[RankedCase]:
        """Candidates that are wanted by their row and relevance, best first."""
        scores, relevance = self.ranker.score(pool.matrix), self.ranker.relevance(pool.matrix)
        rows = np.array([candidate.row_id for candidate in pool.candidates], dtype=np.int64)
        order = np.lexsort((-rows, -scores)).tolist()
        wanted = [i for i in order if is_wanted(rows.item(i), relevance.item(i))]
        entries = {entry.row_id: entry for entry in self.index.entries(rows[wanted].tolist())}
        return [
            RankedCase(pool.candidates[i], entries[row], scores.item(i), relevance.item(i))
            for i, row in zip(wanted, rows[wanted].tolist(), strict=True)
            if row in entries  # and not erased meanwhile
        ]


def new_request_id() -> str:
    """A request id: time-ordered enough to read a journal by, unguessable enough to be no counter."""
    return f"{int(time.time() * 1000):011x}{uuid.uuid4().hex[:16]}"


def _created(ticket: Ticket) -> float:
    return ticket.created_at.timestamp() if ticket.created_at is not None else time.time()


def _own_id(ticket: Ticket) -> frozenset[str]:
    return frozenset({ticket.id}) if ticket.id is not None else frozenset()
