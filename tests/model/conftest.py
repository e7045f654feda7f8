"""The demo's model: what `precedent demo` trains, without its MLflow."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from features.encoder import Encoder
    from features.sources.base import Row
    from serving.suggester import Suggester


@pytest.fixture(scope="session")
def demo(
    sentence_encoder_folder: Path,
    samples: tuple[Row, ...],
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Suggester]:
    """A suggester over the sample history with the default encoder and the default parameters.

    Embedding the samples takes half a minute; the embedded history is kept in pytest's cache.
    """
    from features.case_index import CaseIndex, DenseLimits
    from features.encoder import load_encoder
    from features.history import History
    from features.intake import open_intake
    from features.runbook_index import RunbookIndex
    from features.settings import load_settings
    from serving.suggester import Suggester
    from training.data import load_training_data
    from training.params import TrainingParams
    from training.run import fit

    encoder = load_encoder(sentence_encoder_folder, threads=2)
    workspace = tmp_path_factory.mktemp("demo") / "workspace"
    shutil.copytree(_embedded(request.config.cache.mkdir("demo"), samples, encoder), workspace)
    settings = load_settings(workspace, {})
    folder = settings.index_dir / encoder.fingerprint
    with closing(History.open(settings.history_url)) as history:
        fitted = fit(
            load_training_data(history, encoder), history, encoder, folder, TrainingParams(), limits=DenseLimits()
        )
        with closing(CaseIndex.open(folder, encoder, fitted.statistics)) as index:
            index.replay(history)
            yield Suggester(
                release_id="demo",
                triage=fitted.triage.triage,
                ranker=fitted.learned.ranker,
                runbook_map=fitted.learned.runbook_map,
                encoder=encoder,
                intake=open_intake(settings),
                index=index,
                runbooks=RunbookIndex.build(history.runbooks(), encoder, fitted.statistics, store=history),
                read_cases=history.cases,
            )


def _embedded(cache: Path, samples: tuple[Row, ...], encoder: Encoder) -> Path:
    """The folder of a workspace whose history holds the samples and their vectors."""
    from features import masking, text
    from features.history import History
    from features.importing import import_tickets
    from features.intake import open_intake
    from features.settings import load_settings
    from training.data import load_training_data

    made_of = f"{samples!r}{encoder.fingerprint}{text.RULES_VERSION}{masking.RULES_VERSION}"
    folder = cache / hashlib.sha256(made_of.encode()).hexdigest()[:16]
    if not folder.exists():
        draft = folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        settings = load_settings(draft, {})
        with closing(History.open(settings.history_url)) as history:
            import_tickets(
                samples, history, open_intake(settings), system="default", rejects_path=settings.rejects_dir / "rejects"
            )
            load_training_data(history, encoder)
        draft.replace(folder)
    return folder
