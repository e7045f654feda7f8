"""Tuning a real, tiny sentence-transformers model: it learns, it resumes, it is kept or dropped, and it is served."""

from __future__ import annotations

import itertools
import json
import string
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from features.encoder import load_encoder
from features.errors import EncoderRefused, InvalidInput, NotEnoughData
from features.history import History
from features.release import load_release
from features.settings import Settings, load_settings
from features.ticket import Case, Link, LinkType, Outcome, Status, Ticket
from training.data import load_training_data
from training.params import TrainingParams
from training.run import encoder_folder, train
from training.sentence_encoder import export_encoder
from training.tuned_encoder import read_tuned
from training.tuning_checkpoint import Checkpoint, CheckpointFolder
from training.tuning_data import split_for_tuning, tuning_rows
from training.tuning_pairs import TuningPlan, TuningRows, plan_tuning
from training.tuning_params import TuningParams
from training.tuning_steps import run_steps

if TYPE_CHECKING:
    from conftest import CommandResult

pytest.importorskip("sentence_transformers", reason="needs the extra 'train'")

PARAMS = TrainingParams(max_terms=1_000)
TUNING = TuningParams(epochs=2, batch_triples=4, learning_rate=1e-3, max_tokens=16)
FIRST = datetime(2025, 1, 1, tzinfo=UTC)
TOPICS = {"login": "password sso token", "billing": "invoice refund payment", "export": "csv column file"}


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers and 32 dimensions that reads letters, with weights drawn by seed."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules
    from transformers import BertConfig, BertModel, BertTokenizerFast

    raw, folder = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("tiny") / "tiny-bert"
    letters = string.ascii_lowercase + string.digits
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    BertTokenizerFast(vocab={word: i for i, word in enumerate(words)}).save_pretrained(raw)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(raw)
    reader = modules.Transformer(str(raw), max_seq_length=48)
    pooling = modules.Pooling(reader.get_embedding_dimension())
    SentenceTransformer(modules=[reader, pooling], device="cpu").save_pretrained(str(folder), create_model_card=False)
    config_path = folder / "sentence_bert_config.json"
    config_path.write_text(json.dumps(json.loads(config_path.read_text()) | {"max_seq_length": 48}))
    return folder


def cases(n: int = 360) -> Iterator[Case]:
    """Dated tickets of three topics; every sixth has a duplicate link to the ticket three before it."""
    generator = np.random.default_rng(0)
    for i in range(n):
        topic = list(TOPICS)[i % 3]
        words = [
            *TOPICS[topic].split(),
            *generator.choice(["please", "again", "today", "team", "page"], 3),
            f"case {i}",
        ]
        at = FIRST + timedelta(days=i)
        yield Case(
            ticket=Ticket(id=f"T-{i}", description=" ".join(generator.permutation(words)), created_at=at),
            outcome=Outcome(status=Status.RESOLVED, resolved_at=at, category=topic),
            links=(Link(LinkType.DUPLICATE_OF, f"T-{i - 3}"),) if i % 6 == 5 else (),
        )


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """More threads than one only wait for each other on a model this small, above all on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def settings(tiny_model: Path, tmp_path: Path) -> Settings:
    """A workspace with those tickets and the tiny model."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "precedent.toml").write_text(f'encoder = "{tiny_model}"\n')
    settings = load_settings(folder, {})
    with closing(History.open(settings.history_url)) as history:
        history.upsert(list(cases()), masking_rules="1")
    return settings


def a_plan(tiny_model: Path, tmp_path: Path, params: TuningParams = TUNING) -> TuningPlan:
    texts = [case.ticket.description for case in cases(60)]
    vectors = load_encoder(export_encoder(str(tiny_model), tmp_path / "encoders")).encode(texts)
    return plan_tuning(TuningRows(tuple(texts), tuple(c.outcome.category for c in cases(60)), vectors), params)


def weights(folder: Path) -> dict[str, np.ndarray]:
    import safetensors.numpy

    return safetensors.numpy.load_file(folder / "model.safetensors")


# Steps


def test_a_run_that_is_killed_goes_on_to_the_same_weights(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("training.tuning_steps.CHECKPOINT_SECONDS", 0.0)
    plan = a_plan(tiny_model, tmp_path)
    assert len(plan.batches) >= 6
    lines: list[str] = []

    def run(name: str, say: Callable[[str], None]) -> Any:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        return run_steps(str(tiny_model), plan, TUNING, CheckpointFolder(tmp_path / f"{name}-c", "k"), folder, say=say)

    def killed_at_the_fourth(line: str) -> None:
        lines.append(line)
        if len(lines) == 4:
            raise KeyboardInterrupt

    whole = run("whole", lambda _: None)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        run("parts", killed_at_the_fourth)
    assert [line.split(":")[0] for line in lines] == [f"tuning step {i} of {len(plan.batches)}" for i in (1, 2, 3, 4)]
    resumed = run("parts", lines.append)
    assert (whole.resumed_at, resumed.resumed_at) == (0, 3)
    assert resumed.steps == whole.steps == len(plan.batches)
    assert lines[4].startswith("tuning goes on from step 3, after ")
    assert len(lines) == 5 + len(plan.batches) - 3
    before, expected, found = weights(tiny_model), weights(tmp_path / "whole"), weights(tmp_path / "parts")
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, atol=1e-6, err_msg=name)
    changed = {name for name, array in expected.items() if not np.array_equal(array, before[name])}
    assert any("layer.1" in name for name in changed)
    assert not any("embeddings" in name for name in changed), "the embeddings of tokens stay"


def test_a_checkpoint_of_other_weights_is_named(tiny_model: Path, tmp_path: Path):
    folder = CheckpointFolder(tmp_path / "checkpoints", "k")
    folder.save(Checkpoint(1, 2.0, {"weight:other": np.zeros(3, np.float32)}))
    plan = a_plan(tiny_model, tmp_path)
    with pytest.raises(EncoderRefused, match=f"{folder.path_of(1)} is damaged .*not those of the encoder.*; remove"):
        run_steps(str(tiny_model), plan, TUNING, folder, tmp_path / "never", say=lambda _: None)


def test_time_is_a_bound_also_over_several_runs(tiny_model: Path, tmp_path: Path):
    plan = a_plan(tiny_model, tmp_path)
    params = TUNING.model_copy(update={"minutes": 1.0})
    ticks = itertools.count(step=7.0)
    checkpoints = CheckpointFolder(tmp_path / "checkpoints", "k")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    lines: list[str] = []
    done = run_steps(
        str(tiny_model), plan, params, checkpoints, tmp_path / "one", say=lines.append, clock=lambda: next(ticks)
    )
    assert 0 < done.steps == len(lines) < done.planned
    assert done.seconds >= 60


def test_tuning_brings_a_category_together(tiny_model: Path, tmp_path: Path):
    params = TUNING.model_copy(update={"learning_rate": 3e-3, "epochs": 12})
    plan = a_plan(tiny_model, tmp_path, params)
    (tmp_path / "tuned").mkdir()
    run_steps(str(tiny_model), plan, params, CheckpointFolder(tmp_path / "c", "k"), tmp_path / "tuned", say=len)
    margins = []
    for folder in (tiny_model, tmp_path / "tuned"):
        encoder = load_encoder(export_encoder(str(folder), tmp_path / "encoders"))
        assert encoder.max_tokens == 48
        vectors = encoder.encode(list(plan.texts))
        cosines = vectors @ vectors.T
        alike = plan.classes[:, None] == plan.classes
        margins.append(float(cosines[alike].mean() - cosines[~alike].mean()))
    assert margins[1] > margins[0] + 0.1


# What is learned from


def test_nothing_from_the_tune_split_on_is_learned_from(settings: Settings, tiny_model: Path):
    encoder = load_encoder(export_encoder(str(tiny_model), settings.encoders_dir))
    later = Case(
        ticket=Ticket(id="T-9", description="another text", created_at=FIRST + timedelta(days=9)),
        outcome=Outcome(category="login"),
        links=(Link(LinkType.RELATED, "T-6"), Link(LinkType.NOT_DUPLICATE_OF, "T-12"), Link(LinkType.RELATED, "T-300")),
    )
    denied = Case(
        ticket=Ticket(id="T-8", description="text of eight", created_at=FIRST + timedelta(days=8)),
        outcome=Outcome(category="export"),
        links=(Link(LinkType.DUPLICATE_OF, "T-5"), Link(LinkType.NOT_DUPLICATE_OF, "T-5")),
    )
    with closing(History.open(settings.history_url)) as history:
        history.upsert([later, denied], masking_rules="1")
        data = load_training_data(history, encoder)
        found = split_for_tuning(data, history, PARAMS)
    created = {i: stored.case.ticket.created_at for i, stored in enumerate(data.cases)}
    ids = {i: stored.case.id for i, stored in enumerate(data.cases)}
    end, begin = FIRST + timedelta(days=216), FIRST + timedelta(days=194)
    assert {created[i] < begin for i in found.learned} == {True}
    assert found.until == max(created[i] for i in found.learned) == begin - timedelta(days=1)
    assert {begin <= created[i] < end for i in found.deciding.newer} == {True}
    assert set(found.deciding.older) <= set(found.learned)
    assert not set(found.deciding.newer) & set(found.learned)
    assert {begin <= created[i] < end for i in found.deciding.queries.matches} == {True}
    assert {created[i] < end for i in found.deciding.scored} == {True}
    pairs = {(ids[a], ids[b]) for a, b in found.matches}
    assert ("T-6", "T-9") in pairs
    assert not {pair for pair in pairs if "T-300" in pair or pair == ("T-5", "T-8")}
    assert {created[i] < begin for pair in (*found.matches, *found.denied) for i in pair} == {True}
    assert ("T-9", "T-12") in {(ids[a], ids[b]) for a, b in found.denied}
    rows = tuning_rows(data, found, TUNING.model_copy(update={"max_rows": 100}))
    assert len(rows) == 100
    assert rows.texts[-1] == data.rows.examples[found.learned[-1]].text.text
    assert {0 <= i < 100 for pair in rows.matches for i in pair} == {True}


def test_what_cannot_be_tuned(settings: Settings, tmp_path: Path):
    with closing(History.open(settings.history_url)) as history:
        history.upsert(
            [replace(case, ticket=replace(case.ticket, created_at=None)) for case in cases()], masking_rules="1"
        )
    with pytest.raises(NotEnoughData, match=r"needs dated tickets.*without --tune-encoder"):
        run_training(settings, TUNING)
    with pytest.raises(InvalidInput, match=r"'hashing' of the settings has no weights to tune"):
        run_training(settings.model_copy(update={"encoder": "hashing"}), TUNING)


def run_training(settings: Settings, tuning: TuningParams | None) -> Any:
    return train(settings, PARAMS, tuning=tuning, say=lambda _: None, bar=lambda *_: None)


# The whole way


@pytest.mark.slow
def test_a_tuned_encoder_that_wins_is_trained_with_from_then_on(
    settings: Settings, precedent: Callable[..., CommandResult], monkeypatch: pytest.MonkeyPatch
):
    from training import encoder_tuning
    from training.tuning_scores import Decision

    base = load_encoder(encoder_folder(settings)).fingerprint
    monkeypatch.setattr(encoder_tuning, "decide", lambda *_: Decision(kept=True, reason="it wins"))
    made = run_training(settings, TUNING)
    tuned = read_tuned(settings)
    assert tuned is not None
    assert tuned.fingerprint != base
    assert load_release(made.folder).manifest["encoder"] == tuned.fingerprint
    assert made.headlines[2] == "The tuned encoder is kept: it wins."
    assert made.figures["tuning_kept"] == 1.0
    assert {"tuning_base_accuracy", "tuning_tuned_mrr"} <= made.figures.keys()
    assert not list(settings.tuning_dir.glob("checkpoints/*"))
    assert all(b"invoice" not in path.read_bytes() for path in settings.tuning_dir.rglob("*") if path.is_file())

    assert load_encoder(encoder_folder(settings)).fingerprint == tuned.fingerprint, "so do later runs"
    assert f"training uses {tuned.fingerprint}, tuned on" in precedent("doctor", "--workspace", settings.workspace).out

    back = precedent("train", "--workspace", settings.workspace, "--base-encoder", "--json")
    assert "The tuned encoder is forgotten" in back.err
    assert load_release(Path(json.loads(back.out)["folder"])).manifest["encoder"] == base
    assert read_tuned(settings) is None


@pytest.mark.slow
def test_a_tuned_encoder_that_does_not_win_leaves_nothing(
    settings: Settings, precedent: Callable[..., CommandResult], monkeypatch: pytest.MonkeyPatch
):
    from training import encoder_tuning
    from training.tuning_scores import Decision

    monkeypatch.setattr(encoder_tuning, "decide", lambda *_: Decision(kept=False, reason="it does not win"))
    before = load_encoder(encoder_folder(settings)).fingerprint
    result = precedent("train", "--workspace", settings.workspace, "--tune-encoder", "--tune-minutes", "0.02", "--json")
    assert result.code == 0, result.err
    made = json.loads(result.out)
    assert made["encoder_tuning"]["kept"] is False
    assert made["encoder_tuning"]["steps"] >= 1
    assert "tuning step 1 of " in result.err
    assert "The tuned encoder is dropped: it does not win." in result.err
    assert load_release(Path(made["folder"])).manifest["encoder"] == before
    assert read_tuned(settings) is None
    assert [path for path in settings.tuning_dir.rglob("*") if path.is_file()] == []
    assert [path.name for path in settings.encoders_dir.iterdir()] == [before]
