"""Figures for Prometheus, in a registry of our own.

Labels are route templates, statuses and actions: never anything that a client made up.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
UNMATCHED = "unmatched"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """The service's figures."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = self._counter("requests", "Requests by route, method and status", "route", "method", "status")
        self._seconds = Histogram(
            "precedent_request_seconds",
            "Time to answer a request, by route",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._partial = self._counter("partial_answers", "Suggestions that did without a part, by its note", "note")
        self._answers = self._counter("answers", "Answers for category and severity, by action", "target", "action")
        self._journal_failures = self._counter("journal_failures", "Suggestions that the journal did not keep")
        self._follow_failures = self._counter("follow_failures", "Times that the history could not be followed")
        self.in_flight = self._gauge("requests_in_flight", "Requests being answered")
        self.index_tickets = self._gauge("index_tickets", "Tickets in the case index")
        self.index_change = self._gauge("index_change", "Change number up to which the case index is current")
        self.history_answers = self._gauge("history_answers", "1 when the history's database answers")
        self.history_change = self._gauge("history_change", "Highest change number of the history")
        self.is_ready = self._gauge("ready", "1 when suggestions can be answered")
        self.release_refused = self._gauge("release_refused", "1 when the promoted release was refused")
        self._served: str | None = None
        self._release = Gauge(
            "precedent_release_info", "1 for the release that is served", ("release",), registry=self._registry
        )

    def observe_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request; ``route`` is a template."""
        self._requests.labels(route, method if method in _METHODS else "other", str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def observe_answer(self, target: str, action: str) -> None:
        """Count what was answered for a target."""
        self._answers.labels(target, action).inc()

    def count_partial(self, note: str) -> None:
        """Count a suggestion that did without a part."""
        self._partial.labels(note).inc()

    def count_journal_failure(self) -> None:
        """Count a suggestion that the journal did not keep."""
        self._journal_failures.inc()

    def count_follow_failure(self) -> None:
        """Count a time that the history could not be followed."""
        self._follow_failures.inc()

    def set_release(self, release_id: str) -> None:
        """Say which release is served, and no other any more."""
        if self._served is not None:
            self._release.labels(self._served).set(0)
        self._served = release_id
        self._release.labels(release_id).set(1)

    def render(self) -> bytes:
        """All figures in Prometheus's text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"precedent_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"precedent_{name}", text, registry=self._registry)
