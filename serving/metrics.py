"""Figures for Prometheus, in a registry of our own.

Labels are route templates, statuses, codes and names of targets: never anything that a client made up. What can be
counted is there at 0 from the start, so that a first error is an increase and not a new series.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from features.errors import PrecedentError
from serving.partial import PARTIAL_NOTES
from serving.schemas import Action, SeverityAnswer, Suggestion, TargetAnswer
from serving.stages import Part, Took
from serving.vector_cache import Lookups

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
UNMATCHED = "unmatched"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_PART_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_TICKETS = (1, 2, 5, 10, 20, 50, 100)
_TENTHS = tuple(tenth / 10 for tenth in range(1, 11))
_TARGETS = ("category", "severity")
_TIERS = ("strong", "possible", "none")


class Metrics:
    """The service's figures."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = self._counter("requests", "Requests by route, method and status", "route", "method", "status")
        self._seconds = self._histogram("request_seconds", "Time to answer a request, by route", _SECONDS, "route")
        part_seconds = self._histogram("part_seconds", "Time for a part of an answer", _PART_SECONDS, "part")
        self._of_part = {part: part_seconds.labels(part.value) for part in Part}
        self._queue = Gauge(
            "precedent_queue_requests", "Requests that wait for a thread, by lane", ("lane",), registry=self._registry
        )
        self._partial = self._counter("partial_answers", "Suggestions that did without a part, by its note", "note")
        self._batch = self._histogram("batch_tickets", "Tickets in a request to /v1/suggest/batch", _TICKETS)
        self._errors = self._counter("errors", "Errors answered, by code; each ticket of a batch counts", "code")
        self._answers = self._counter("answers", "Answers, by target and action", "target", "action")
        self._confidence = self._histogram("confidence_ratio", "Confidence of answers, by target", _TENTHS, "target")
        self._suggestions = self._counter(
            "suggestions", "Suggestions, by the tier of the best similar case", "best_tier"
        )
        self._novel = self._counter("novel_tickets", "Tickets that were said to be unlike anything seen")
        self._journal_failures = self._counter("journal_failures", "Suggestions that the journal did not keep")
        self._follow_failures = self._counter("follow_failures", "Times that the history could not be followed")
        self._trace_failures = self._counter("trace_export_failures", "Times that spans could not be sent")
        self.in_flight = self._gauge("requests_in_flight", "Requests being answered")
        self.index_tickets = self._gauge("index_tickets", "Tickets in the case index")
        self.index_change = self._gauge("index_change", "Change number up to which the case index is current")
        self.history_answers = self._gauge("history_answers", "1 when the history's database answers")
        self.history_change = self._gauge("history_change", "Highest change number of the history")
        self.is_ready = self._gauge("ready", "1 when suggestions can be answered")
        self.release_refused = self._gauge("release_refused", "1 when the promoted release was refused")
        self._cache = _CacheFigures()
        self._registry.register(self._cache)
        self._served: str | None = None
        self._release = Gauge(
            "precedent_release_info", "1 for the release that is served", ("release",), registry=self._registry
        )
        self._release_created = self._gauge(
            "release_created_timestamp_seconds", "When the release that is served was made, as Unix time"
        )
        self._begin_at_zero()

    def observe_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request; ``route`` is a template."""
        self._requests.labels(route, method if method in _METHODS else "other", str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def observe_parts(self, taken: Iterable[Took]) -> None:
        """Take down how long the parts of a request took."""
        for took in taken:
            self._of_part[took.part].observe(took.seconds)

    def watch_queue(self, lane: str, n_waiting: Callable[[], int]) -> None:
        """Tell how many wait in a lane's queue, as it is when somebody asks."""
        self._queue.labels(lane).set_function(n_waiting)

    def watch_cache(self, lookups: Callable[[], Lookups]) -> None:
        """Tell how many vectors were kept and how many were made, as it is when somebody asks."""
        self._cache.lookups = lookups

    def observe_batch(self, n_tickets: int) -> None:
        """Take down the size of a batch."""
        self._batch.observe(n_tickets)

    def observe_suggestion(self, suggestion: Suggestion) -> None:
        """Count what was answered for each target, how sure it was, and how good the best similar case is."""
        answers: dict[str, TargetAnswer | SeverityAnswer] = {
            "category": suggestion.category,
            "severity": suggestion.severity,
            **suggestion.targets,
        }
        for target, answer in answers.items():
            self._answers.labels(target, answer.action.value).inc()
            self._confidence.labels(target).observe(answer.confidence)
        tiers = {case.tier for case in suggestion.similar_cases}
        self._suggestions.labels(next((tier for tier in _TIERS if tier in tiers), "none")).inc()
        if suggestion.novel:
            self._novel.inc()
        for note in PARTIAL_NOTES.intersection(suggestion.notes):
            self._partial.labels(note).inc()

    def count_error(self, code: str) -> None:
        """Count an error that was answered."""
        self._errors.labels(code).inc()

    def count_journal_failure(self) -> None:
        """Count a suggestion that the journal did not keep."""
        self._journal_failures.inc()

    def count_follow_failure(self) -> None:
        """Count a time that the history could not be followed."""
        self._follow_failures.inc()

    def count_trace_failure(self) -> None:
        """Count a time that spans could not be sent."""
        self._trace_failures.inc()

    def set_release(self, release_id: str, created_at: datetime) -> None:
        """Say which release is served, and no other any more."""
        if self._served is not None:
            self._release.labels(self._served).set(0)
        self._served = release_id
        self._release.labels(release_id).set(1)
        self._release_created.set(created_at.timestamp())

    def render(self) -> bytes:
        """All figures in Prometheus's text format."""
        return generate_latest(self._registry)

    def _begin_at_zero(self) -> None:
        for code in _error_codes(PrecedentError):
            self._errors.labels(code)
        for target in _TARGETS:
            self._confidence.labels(target)
            for action in Action:
                self._answers.labels(target, action.value)
        for tier in _TIERS:
            self._suggestions.labels(tier)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"precedent_{name}", text, labels, buckets=buckets, registry=self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"precedent_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"precedent_{name}", text, registry=self._registry)


class _CacheFigures(Collector):
    """What the cache of vectors counts itself; it is another one once an encoder is replaced."""

    def __init__(self) -> None:
        self.lookups: Callable[[], Lookups] = Lookups

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Called when somebody asks for the figures."""
        found = self.lookups()
        family = CounterMetricFamily(
            "precedent_vector_lookups", "Texts whose vector was kept, or had to be made", labels=["result"]
        )
        family.add_metric(["hit"], found.n_hits)
        family.add_metric(["miss"], found.n_misses)
        yield family


def _error_codes(kind: type[PrecedentError]) -> Iterator[str]:
    yield kind.code
    for each in kind.__subclasses__():
        yield from _error_codes(each)
