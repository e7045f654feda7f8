"""The search of a recipe: what it tries, what it chooses, what it records."""

from __future__ import annotations

import random
import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import pytest

from evaluation.dataset import LabelledRows
from features.encoder import HashingEncoder
from features.errors import NotEnoughData, SettingsInvalid
from features.feature_space import Example
from features.text import ModelText
from features.ticket import Ticket
from training.params import Recipe, TrainingParams, load_params
from training.recipe import SEARCH_JSON, read_recipe, write_recipe
from training.search import Search, Tried, choose, search

ENCODER = HashingEncoder()
WORDS = {
    "login": ["sso", "saml", "password"],
    "billing": ["invoice", "charge", "refund"],
    "api": ["token", "429", "limit"],
}


def rows_of(n: int) -> LabelledRows:
    generator = random.Random(0)
    labels = [generator.choice(sorted(WORDS)) for _ in range(n)]
    texts = [
        " ".join([*generator.choices(WORDS[label], k=2), *generator.choices(["help", "again"], k=2)])
        for label in labels
    ]
    vectors = ENCODER.encode(texts)
    return LabelledRows(
        examples=tuple(Example(Ticket(), ModelText(text, ""), v) for text, v in zip(texts, vectors, strict=True)),
        categories=tuple(labels),
        severities=(None,) * n,
        targets={},
    )


def tried(losses: list[float], **recipe: object) -> Tried:
    return Tried(Recipe.model_validate(recipe), np.array(losses), 0.5)


def test_every_recipe_is_tried_and_one_is_chosen():
    said: list[str] = []
    found = search(rows_of(240), TrainingParams(), said.append)
    assert len({one.recipe.model_dump_json() for one in found.tried}) == len(found.tried) == 36
    assert Recipe() in [one.recipe for one in found.tried]
    assert found.chosen in found.tried
    assert found.n_tune == 36
    assert len(said) == 9
    assert found.chosen.accuracy > 0.9


def test_what_a_tuned_encoder_has_learned_from_tells_no_recipes_apart():
    """The tuned encoder's vectors give away the labels of what it has learned from, and say nothing of the rest."""
    rows, start = rows_of(400), datetime(2025, 1, 1, tzinfo=UTC)
    given_away = np.eye(ENCODER.dimension, dtype=np.float32)[[sorted(WORDS).index(str(c)) for c in rows.categories]]
    nothing = ENCODER.encode([f"nothing {i}" for i in range(400)])
    examples = [
        replace(
            example,
            ticket=Ticket(created_at=start + timedelta(days=i)),
            vector=(given_away if i < 360 else nothing)[i],
        )
        for i, example in enumerate(rows.examples)
    ]
    rows = replace(rows, examples=tuple(examples))
    found = search(rows, TrainingParams(), print, learned_until=start + timedelta(days=359))
    assert found.n_tune == 20
    best = min(found.tried, key=lambda one: one.log_loss)
    assert best.recipe.dense_weight == min(one.recipe.dense_weight for one in found.tried)


def test_the_default_stays_where_nothing_is_clearly_better():
    default = tried([0.5, 0.4, 0.6, 0.5])
    barely = tried([0.4, 0.5, 0.5, 0.5], svm_c=1.0)
    clearly = tried([0.1, 0.05, 0.15, 0.1], dense_weight=3.0)
    assert choose([default, barely]) is default
    assert choose([default, barely, clearly]) is clearly


def test_of_equally_near_recipes_the_one_with_fewer_changes():
    best = tried([0.1, 0.12], svm_c=1.0, dense_weight=3.0)
    simpler = tried([0.11, 0.12], svm_c=1.0)
    assert choose([tried([0.9, 0.9]), best, simpler]) is simpler


def test_a_later_run_uses_the_recorded_recipe_and_a_file_wins(tmp_path: Path):
    chosen = tried([0.1], svm_c=1.0, uses_vote=False, machines="wide")
    path = tmp_path / "recipe.toml"
    write_recipe(path, Search((tried([0.2]), chosen), chosen, 1))
    assert load_params(None, recipe=read_recipe(path)).machines == "wide"
    assert orjson.loads((tmp_path / SEARCH_JSON).read_bytes())["chosen"]["svm_c"] == 1.0
    other = tmp_path / "params.toml"
    other.write_text("svm_c = 0.25\n")
    params = load_params(other, recipe=read_recipe(path))
    assert (params.svm_c, params.uses_vote) == (0.25, False)
    assert tomllib.loads(path.read_text())["dense_weight"] == 1.5


def test_without_a_search_there_is_no_recipe(tmp_path: Path):
    assert read_recipe(tmp_path / "recipe.toml") == {}


@pytest.mark.parametrize("text", ["svm_c = 'much'", "unheard = 1", "svm_c ="])
def test_a_recipe_that_no_search_wrote_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(SettingsInvalid, match=r"^The recipe .* is not what a search writes \(.+\); remove it"):
        read_recipe(path)


def test_too_few_tickets_are_refused():
    with pytest.raises(
        NotEnoughData, match="There are 90 training tickets with a category; a search needs at least 200"
    ):
        search(rows_of(90), TrainingParams(), print)


def test_one_category_is_refused():
    one = replace(rows_of(300), categories=("api",) * 300)
    with pytest.raises(NotEnoughData, match="have the one category 'api'"):
        search(one, TrainingParams(), print)


def test_too_few_tickets_that_a_tuned_encoder_has_not_learned_from_are_refused():
    with pytest.raises(NotEnoughData, match="has learned from all but 0 of the 240 training tickets"):
        search(rows_of(240), TrainingParams(), print, learned_until=datetime(2025, 1, 1, tzinfo=UTC))
