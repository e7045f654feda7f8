"""One trained workspace for every test that needs one: training costs seconds, and MLflow's first use seven more."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

if TYPE_CHECKING:
    from features.settings import Settings
    from features.sources.base import Row
    from training.run import TrainingRun

# A busy machine is no fault of an input: what a property costs is not what it tests.
hypothesis_settings.register_profile(
    "precedent", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=False
)
hypothesis_settings.load_profile("precedent")

SAMPLES = Path(__file__).parent.parent / "data_samples"
CANARIES = ("quokkazimt", "brelfondor", "vintaskwel", "mordeliquax", "zephyrantol")


@dataclass(frozen=True)
class Trained:
    """A workspace with the sample history and two releases, neither promoted, all with the hashing encoder.

    ``worse`` learned from shuffled categories and no severities; ``better``, the challenger, from the real labels.
    Every word of ``canaries`` stands in the text of tickets and should stand nowhere but in the history.
    """

    settings: Settings
    worse: TrainingRun
    better: TrainingRun
    canaries: tuple[str, ...] = CANARIES


@dataclass(frozen=True)
class CommandResult:
    """What a command gave."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The trained workspace itself: to be read, not to be changed."""
    from features.history import History
    from features.runbook_sources import read_runbooks
    from training.params import TrainingParams
    from training.run import train

    settings = hashing_settings(tmp_path_factory.mktemp("trained") / "workspace")
    rows = [*sample_rows(), *_canary_rows()]
    categories = [row.case.outcome.category for row in rows]
    random.Random(0).shuffle(categories)
    params = TrainingParams(max_terms=4_000)
    import_rows(settings, [_relabelled(row, category) for row, category in zip(rows, categories, strict=True)])
    worse = train(settings, params, say=lambda _: None, bar=lambda *_: None)
    import_rows(settings, rows)
    with closing(History.open(settings.history_url)) as history:
        history.replace_runbooks(read_runbooks(SAMPLES / "runbooks").runbooks)
    better = train(settings, params, say=lambda _: None, bar=lambda *_: None)
    return Trained(settings, worse, better)


@pytest.fixture
def trained_copy(trained: Trained, tmp_path: Path) -> Settings:
    """A copy of the trained workspace for one test to change. Nothing is promoted in it."""
    from features.settings import load_settings

    shutil.copytree(trained.settings.workspace, tmp_path / "workspace")
    return load_settings(tmp_path / "workspace", {})


@pytest.fixture
def precedent(capfd: pytest.CaptureFixture[str]) -> Callable[..., CommandResult]:
    """Run the command line in this process; gives its exit code and what it wrote."""
    from cli.main import main

    def run(*arguments: object) -> CommandResult:
        capfd.readouterr()
        code: object = None
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stopped:
            code = stopped.code
        out, err = capfd.readouterr()
        assert isinstance(code, int), "a command ends with an exit code"
        return CommandResult(code, out, err)

    return run


@pytest.fixture
def make_workspace(tmp_path: Path) -> Callable[[list[Row]], Settings]:
    """Make a workspace with the hashing encoder and a history of given rows."""

    def make(rows: list[Row]) -> Settings:
        settings = hashing_settings(tmp_path / "workspace")
        import_rows(settings, rows)
        return settings

    return make


@pytest.fixture(scope="session")
def sentence_encoder_folder(request: pytest.FixtureRequest) -> Path:
    """The default sentence encoder, exported once (some 15 s) and kept in pytest's cache."""
    pytest.importorskip("sentence_transformers", reason="needs the extra 'train'")
    from training.sentence_encoder import export_encoder

    return export_encoder("all-MiniLM-L6-v2", request.config.cache.mkdir("encoders"))


@pytest.fixture(scope="session")
def fp32_encoder_folder(request: pytest.FixtureRequest) -> Path:
    """The same encoder with weights of 32 bits."""
    pytest.importorskip("sentence_transformers", reason="needs the extra 'train'")
    from training.sentence_encoder import export_encoder

    return export_encoder("all-MiniLM-L6-v2", request.config.cache.mkdir("encoders"), "fp32")


@pytest.fixture(scope="session")
def samples() -> tuple[Row, ...]:
    """The tickets of ``data_samples/``, as its reader gives them."""
    return tuple(sample_rows())


def hashing_settings(folder: Path) -> Settings:
    from features.settings import load_settings

    folder.mkdir(parents=True)
    (folder / "precedent.toml").write_text('encoder = "hashing"\n')
    return load_settings(folder, {})


def sample_rows() -> Iterator[Row]:
    from features.sources import open_source
    from features.sources.base import Row
    from features.sources.mapping import load_mapping

    source = open_source("jsonl", SAMPLES / "tickets.jsonl", load_mapping(SAMPLES / "mapping.toml"))
    for row in source.rows():
        assert isinstance(row, Row)
        yield row


def import_rows(settings: Settings, rows: list[Row]) -> None:
    from features.history import History
    from features.importing import import_tickets
    from features.intake import open_intake

    with closing(History.open(settings.history_url)) as history:
        result = import_tickets(
            rows, history, open_intake(settings), system="default", rejects_path=settings.rejects_dir / "rejects.jsonl"
        )
    assert result.rejected == 0


def _relabelled(row: Row, category: str | None) -> Row:
    return replace(row, case=replace(row.case, outcome=replace(row.case.outcome, category=category, severity=None)))


def _canary_rows() -> Iterator[Row]:
    """Tickets of two customers over the whole time, so that canaries are in every part of the split and in reports."""
    from features.sources.base import Row
    from features.ticket import Author, Case, Message, Outcome, Severity, Status, Ticket

    subject, body, message, resolution, note = CANARIES
    for number in range(24):
        at = datetime(2025, 1, 8, 9, tzinfo=UTC) + timedelta(days=23 * number)
        ticket = Ticket(
            id=f"CANARY-{number}",
            subject=f"{subject} is broken",
            description=f"The {body} of our console does nothing since this morning, nor does {subject}.",
            created_at=at,
            customer=f"customer-{number % 2}",
            messages=(Message(at=at, by=Author.CUSTOMER, text=f"Any news of {message}?"),),
            # A category of everything, so that some of these are among the report's examples of what is wrong.
            fields={"note": f"asked for {note}, case {number}"},
        )
        outcome = Outcome(
            status=Status.RESOLVED,
            resolved_at=at + timedelta(hours=3),
            category=("Exports", "Webhooks", "Data sync")[number % 3],
            severity=Severity.SEV1 if number % 4 == 0 else Severity.SEV3,
            resolution=f"Turned {resolution} off and on again, then cleared its cache for good.",
        )
        yield Row(number + 10_000, Case(ticket=ticket, outcome=outcome))
