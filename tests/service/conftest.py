"""A small real workspace (SQLite, hashing encoder, 30 tickets, a release of numpy weights) and services on it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest

from features.encoder import HashingEncoder
from features.feature_space import Example, FeatureSpace
from features.history import History
from features.intake import open_intake
from features.lexical import LexicalStatistics, document_terms
from features.ngrams import NgramVectorizer
from features.release import ENCODER, point_current, write_release
from features.runbooks import Runbook, RunbookSection
from features.settings import Settings, load_settings
from features.structured import StructuredColumns
from features.text import model_text
from features.ticket import SEVERITIES, Case, FixOutcome, Outcome, Severity, Status, Ticket
from serving.keys import Scope, create_key
from serving.novelty import SIGNALS, Familiarity
from serving.ranking import UNTRAINED
from serving.severity_model import INPUT_NAMES, N_HEADS

READY_SECONDS = 30.0
FIRST_DAY = datetime(2026, 1, 5, 9, tzinfo=UTC)

PROBLEMS = {
    "login": (
        "Cannot log in with single sign-on",
        "Users see SAML assertion rejected after the certificate of the identity provider was rotated.",
        "Uploaded the new signing certificate of the identity provider and reloaded its metadata.",
    ),
    "exports": (
        "Nightly export of orders stops half way",
        "The CSV export job runs out of memory on large accounts and the file is cut off after row 500.",
        "Raised the memory of the export workers and turned on streaming of large result sets.",
    ),
    "webhooks": (
        "Webhooks arrive twice at our endpoint",
        "Every delivery of the order created event is sent two times within a second, with the same event id.",
        "Disabled the second subscription and deduplicated deliveries by the event id.",
    ),
}
LEVELS = {"login": Severity.SEV1, "exports": Severity.SEV3, "webhooks": Severity.SEV4}


def small_history() -> list[Case]:
    cases = []
    for number in range(30):
        category = list(PROBLEMS)[number % 3]
        subject, description, resolution = PROBLEMS[category]
        created = FIRST_DAY + timedelta(days=number)
        is_open = number >= 27
        ticket = Ticket(
            id=f"T-{number}",
            subject=f"{subject} ({['again', 'since monday', 'urgent'][number // 3 % 3]})",
            description=f"{description} Tenant region {number // 3}.",
            created_at=created,
            customer=f"customer-{number % 5}",
            product="platform",
            access_group="acme" if number in (3, 4, 5) else None,
        )
        outcome = Outcome(
            status=Status.OPEN if is_open else Status.RESOLVED,
            resolved_at=None if is_open else created + timedelta(hours=5),
            category=category,
            severity=LEVELS[category],
            resolution=None if is_open else resolution,
            outcome=FixOutcome.UNKNOWN if is_open else FixOutcome.HELD,
            url=f"https://support.example.com/T-{number}",
        )
        cases.append(Case(ticket=ticket, outcome=outcome))
    return cases


def make_release(settings: Settings, release_id: str, *, dimension: int = 64, suffix: str = "") -> Path:
    """A release of nearest-centroid weights, learned from the workspace's own history.

    ``suffix`` ends the names of its categories, so that its answers can be told from another's.
    """
    encoder = HashingEncoder(dimension)
    with closing(History.open(settings.history_url)) as history:
        cases = [stored.case for stored in history.iter_cases()]
    texts = [model_text(case.ticket) for case in cases]
    vectors = encoder.encode([text.text for text in texts])
    examples = [Example(case.ticket, text, vector) for case, text, vector in zip(cases, texts, vectors, strict=True)]
    space = FeatureSpace(
        vectorizer=NgramVectorizer.fit(texts),
        structured=StructuredColumns.fit([case.ticket for case in cases]),
        dense_weight=1.0,
        structured_weight=0.5,
    )
    arrays, config = space.to_parts()
    categories = [str(case.outcome.category) for case in cases]
    levels = [SEVERITIES.index(case.outcome.severity or Severity.SEV4) for case in cases]
    thresholds = {"suggest": 0.4, "automate": 0.95}
    return write_release(
        settings.releases_dir,
        release_id=release_id,
        manifest_extra={"encoder": encoder.fingerprint, "data": {"last_change": len(cases)}},
        parts={
            ENCODER: encoder.save(settings.encoders_dir),
            "vectorizer.safetensors": arrays,
            "vectorizer.json": config,
            "models.json": {"category": True, "severity": True, "targets": {}},
            "category.safetensors": _head(
                space, examples, [[label == c for c in PROBLEMS] for label in categories], spread=5.0
            ),
            "category.json": {
                "name": "category",
                "classes": [f"{name}{suffix}" for name in PROBLEMS],
                "vote": {"temperature": 0.1, "weight": 0.3},
                "thresholds": thresholds,
                "class_thresholds": {},
                "parents": [],
                "sources": {},
                "rare": [],
                "sure_from": 0.0,
            },
            "severity.safetensors": {
                **_head(space, examples, [[level <= edge for edge in range(3)] for level in levels], spread=6.0),
                "stage_mean": np.zeros(len(INPUT_NAMES)),
                "stage_by_scale": np.ones(len(INPUT_NAMES)),
                "stage_weights": _by_heads_alone(),
                "stage_intercept": np.zeros(4),
                "costs": np.array([[0.0, 4, 8, 16], [1, 0, 3, 6], [2, 1, 0, 2], [3, 2, 1, 0]]),
            },
            "severity.json": {"inputs": list(INPUT_NAMES), "thresholds": thresholds, "sev1_threshold": 0.5},
            "novelty.safetensors": {
                "mean": np.zeros(len(SIGNALS)),
                "by_scale": np.ones(len(SIGNALS)),
                "form": Familiarity.untrained().form,
                "centroids": np.zeros((len(PROBLEMS), dimension), dtype=np.float32),
            },
            "novelty.json": {"threshold": 0.2, "farthest": -1.0},
            "ranker.json": UNTRAINED.to_json(),
            "statistics.safetensors": LexicalStatistics.fit(
                [document_terms(text.subject, text.body) for text in texts]
            ).to_arrays(),
        },
    )


def _by_heads_alone() -> np.ndarray:
    """Each head speaks for every level up to its own; what else is known of a ticket counts for nothing."""
    weights = np.zeros((len(INPUT_NAMES), len(SEVERITIES)))
    for number in range(N_HEADS):
        weights[number, : number + 1] = 1.0
    return weights


def _head(
    space: FeatureSpace, examples: list[Example], outputs: list[list[bool]], *, spread: float
) -> dict[str, np.ndarray]:
    """Weights that point from the rows outside of each output to those inside, ``spread`` times as long."""
    rows = space.transform(examples)
    sparse = np.zeros((len(examples), rows.sparse.n_columns), dtype=np.float32)
    for row in range(len(examples)):
        span = slice(rows.sparse.indptr[row], rows.sparse.indptr[row + 1])
        sparse[row, rows.sparse.indices[span]] = rows.sparse.data[span]
    both = np.hstack([sparse, rows.dense])
    inside = np.array(outputs)
    weights = spread * np.stack([both[column].mean(0) - both[~column].mean(0) for column in inside.T], axis=1)
    n_sparse = rows.sparse.n_columns
    return {
        "sparse_weights": weights[:n_sparse].astype(np.float32),
        "dense_weights": weights[n_sparse:].astype(np.float32),
        "intercept": (-(both @ weights).mean(0)).astype(np.float32),
    }


def make_workspace(folder: Path) -> Settings:
    folder.mkdir(parents=True)
    (folder / "precedent.toml").write_text('encoder = "hashing"\n')
    settings = load_settings(folder, {})
    intake = open_intake(settings)
    with closing(History.open(settings.history_url)) as history:
        history.upsert([intake.prepare(case) for case in small_history()], masking_rules=intake.masking_rules)
        history.replace_runbooks([sso_runbook()])
    make_release(settings, "r1")
    point_current(settings.releases_dir, "r1")
    return settings


def sso_runbook() -> Runbook:
    return Runbook(
        id="sso-certificate",
        title="Single sign-on fails after a certificate was rotated",
        url="https://runbooks.example.com/sso-certificate",
        services=("login",),
        owner=None,
        severity=None,
        last_reviewed=None,
        tags=(),
        links=(),
        sections=(
            RunbookSection("Symptoms", "Nobody can log in with SSO: the SAML assertion is rejected.", "symptoms"),
            RunbookSection("Check the certificate", "Compare the SAML signing certificate with the metadata.", "check"),
        ),
    )


@dataclass
class Served:
    """A running ``precedent serve``: its URL, its process, its log, and keys of every kind."""

    settings: Settings
    process: subprocess.Popen[bytes]
    url: str
    tokens: dict[str, str]
    log: list[str] = field(default_factory=list)

    def client(self, kind: str | None = "admin", timeout: float = 30.0) -> httpx.Client:
        headers = {} if kind is None else {"X-API-Key": self.tokens[kind]}
        return httpx.Client(base_url=self.url, headers=headers, timeout=timeout)

    def post(self, path: str, body: object, kind: str = "admin") -> httpx.Response:
        with self.client(kind) as client:
            return client.post(path, json=body)

    def suggest(self, subject: str = "", description: str = "", **more: object) -> httpx.Response:
        return self.post("/v1/suggest", {"ticket": {"subject": subject, "description": description}, **more})

    def database(self) -> sqlite3.Connection:
        return sqlite3.connect(self.settings.workspace / "history.db", timeout=10, isolation_level=None)

    def worker_pid(self) -> int:
        return children(self.process.pid)[0]

    def eventually(self, check: Callable[[], bool], seconds: float) -> float:
        """Seconds until a check holds; fails after ``seconds``."""
        started = time.monotonic()
        while not check():
            assert time.monotonic() - started < seconds, f"not within {seconds} s; the log says: {self.log[-5:]}"
            time.sleep(0.02)
        return time.monotonic() - started


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def make_tokens(settings: Settings) -> dict[str, str]:
    with closing(History.open(settings.history_url)) as history:
        tokens = {scope.value: create_key(history, label=scope.value, scopes=[scope]).token for scope in Scope}
        tokens["outsider"] = create_key(history, label="outsider", scopes=["suggest"], groups=["other"]).token
    return tokens


@contextmanager
def serve(settings: Settings, toml: str = "") -> Iterator[Served]:
    """Run ``precedent serve`` on a workspace, ready when it is given, gone with every child of it afterwards."""
    (settings.workspace / "precedent.toml").write_text(f'encoder = "hashing"\n{toml}')
    command = [sys.executable, "-m", "cli.main", "serve", "--port", "0", "--json"]
    process = subprocess.Popen(
        [*command, "--workspace", str(settings.workspace)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    log: list[str] = []
    reader = threading.Thread(target=lambda: log.extend(_lines(process)), daemon=True)
    reader.start()
    watchdog = threading.Timer(READY_SECONDS, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        watchdog.cancel()
        assert line, f"the service did not start: {log}"
        yield Served(settings, process, json.loads(line)["url"], make_tokens(settings), log)
    finally:
        watchdog.cancel()
        stop(process)
        reader.join(5)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    assert process.stderr is not None
    for line in process.stderr:
        yield line.decode()


def stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            for child in children(process.pid):
                os.kill(child, signal.SIGKILL)
            process.kill()
            process.wait(5)


@contextmanager
def bentoml_serve(target: str, settings: Settings, folder: Path, *options: str) -> Iterator[Served]:
    """Run ``bentoml serve TARGET`` on a workspace; ``folder`` is for what it writes beside."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    environment = {
        **os.environ,
        "PRECEDENT_WORKSPACE": str(settings.workspace),
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    command = [sys.executable, "-m", "bentoml", "serve", target, "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("w+b") as log:
        process = subprocess.Popen(
            [*command, *options], env=environment, stdout=log, stderr=log, start_new_session=True, cwd=folder
        )
        served = Served(settings, process, f"http://127.0.0.1:{port}", make_tokens(settings))

        def is_ready() -> bool:
            try:
                with served.client(None) as client:
                    return client.get("/readyz").status_code == 200
            except httpx.TransportError:
                return False

        try:
            served.eventually(is_ready, 60.0)
            yield served
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def working_folders(pid: int) -> Iterator[str]:
    """Folders that a process and all below it work in."""
    yield str(Path(f"/proc/{pid}/cwd").readlink())
    for child in children(pid):
        yield from working_folders(child)


@pytest.fixture(scope="session")
def workspace_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workspace(tmp_path_factory.mktemp("template") / "workspace").workspace


@pytest.fixture
def workspace(workspace_template: Path, tmp_path: Path) -> Settings:
    """A workspace of the test's own, with a promoted release."""
    shutil.copytree(workspace_template, tmp_path / "workspace")
    return load_settings(tmp_path / "workspace", {})


@pytest.fixture(scope="session")
def service(workspace_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One running service for tests that leave it as it was, or add to it only."""
    folder = tmp_path_factory.mktemp("shared") / "workspace"
    shutil.copytree(workspace_template, folder)
    with serve(load_settings(folder, {})) as served:
        yield served


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    """The helpers above, for tests, which cannot import from here."""
    return SimpleNamespace(
        Served=Served,
        serve=serve,
        bentoml_serve=bentoml_serve,
        working_folders=working_folders,
        stop=stop,
        children=children,
        make_release=make_release,
        make_workspace=make_workspace,
        make_tokens=make_tokens,
        small_history=small_history,
        sso_runbook=sso_runbook,
        PROBLEMS=PROBLEMS,
    )
