"""The public data sets read as their README says, and the queries that BENCHMARKS.md counts come out of them."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from evaluation.benchmarks.all import TASKS, fits
from evaluation.benchmarks.readers import read_incidents, read_issues, read_labelled
from evaluation.benchmarks.runbook_corpora import read_corpus
from evaluation.benchmarks.similar_data import similar_queries
from features.ticket import Severity

DATA = Path(os.environ.get("PRECEDENT_DATA", Path(__file__).parents[2].parent / "shared" / "data"))

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not DATA.is_dir(), reason="the public data sets are not at $PRECEDENT_DATA"),
]


@pytest.mark.parametrize(("project", "n_tickets", "n_test"), [("HADOOP", 7259, 155), (None, 19_403, 424)])
def test_similar_cases_have_the_queries_of_the_reference_table(project: str | None, n_tickets: int, n_test: int):
    issues = read_issues(DATA / "jira", project)
    assert len(issues.cases) == n_tickets
    created = np.array([case.ticket.created_at.timestamp() for case in issues.cases if case.ticket.created_at])
    data = similar_queries([case.id for case in issues.cases], created, issues.pairs)
    assert len(data.test) == n_test
    assert all(created[query.row] < data.cut for query in data.training)


def test_incidents_are_those_that_are_not_maintenance():
    levels = Counter(case.outcome.severity for case in read_incidents(DATA / "github_status_incidents"))
    assert levels == {Severity.SEV3: 604, Severity.SEV2: 138, Severity.SEV4: 31, Severity.SEV1: 28}


def test_labelled_texts_have_the_published_parts():
    tickets = Counter(row.part for row in read_labelled(DATA / "it_service_tickets"))
    assert tickets == {"train": 33_485, "tune": 4_779, "calibration": 4_786}
    intents = read_labelled(DATA / "banking77")
    assert Counter(row.part for row in intents) == {"train": 10_003, "test": 3_080}
    assert len({row.label for row in intents}) == 77


@pytest.mark.parametrize(("name", "n_alerts"), [("prometheus-operator", 112), ("openshift", 33)])
def test_runbook_corpora_have_the_alerts_that_resolve(name: str, n_alerts: int):
    corpus = read_corpus(DATA / "runbooks", name)
    assert len(corpus.alerts) == n_alerts
    assert not any(runbook.title for runbook in corpus.runbooks)


def test_every_task_finds_its_folders():
    found = {task: sorted(path.name for path in DATA.iterdir() if fits(task, path)) for task in TASKS}
    assert found == {
        "category": ["banking77", "banking77_oos", "it_service_tickets", "jira"],
        "severity": ["github_status_incidents", "jira"],
        "similar": ["jira"],
        "runbooks": ["runbooks"],
    }
