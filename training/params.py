"""Parameters of a training run: data with bounds, recorded with the release."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from math import inf
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails

from features.errors import SettingsInvalid
from features.ticket import SEVERITIES

MACHINES: tuple[Literal["both", "wide"], ...] = ("both", "wide")
Share = Annotated[float, Field(gt=0, lt=1)]

DEFAULT_COSTS: tuple[tuple[float, ...], ...] = (
    (0.0, 5.0, 20.0, 50.0),
    (1.0, 0.0, 4.0, 12.0),
    (2.0, 1.0, 0.0, 3.0),
    (3.0, 2.0, 1.0, 0.0),
)
"""Cost of answering the column when the row is true, sev1 to sev4: missing a Sev1 is worst."""


class Recipe(BaseModel):
    """What a search chooses: how the category model, and that of each further target, is made.

    Attributes
    ----------
    svm_c : float
        Inverse regularisation of the machines.
    dense_weight : float
        Factor of the embedding beside the n-grams, whose rows have length 1.
    machines : str
        ``both``, or ``wide`` alone (:mod:`training.members`).
    uses_vote : bool
        Whether the nearest cases vote.
    """

    # A value of another type is a slip of whoever wrote the file: "5" is no number, and 1 is not true.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    svm_c: Annotated[float, Field(gt=0)] = 0.5
    dense_weight: Annotated[float, Field(ge=0)] = 1.5
    machines: Literal["both", "wide"] = "both"
    uses_vote: bool = True

    @property
    def n_changed(self) -> int:
        """Number of parameters that are not the default."""
        return sum(value != getattr(Recipe(), name) for name, value in self.model_dump().items())


class TrainingParams(Recipe):
    """Everything that decides what a training run makes of a history.

    Attributes
    ----------
    train_share, calibration_share : float
        Oldest share to fit on, and the share after it to calibrate on; the newest rest is for testing.
    structured_weight : float
        Factor of the structured fields beside the n-grams, whose rows have length 1.
    severity_c : float
        Inverse regularisation of the severity heads.
    suggest_precision, automate_precision : float
        Precision that the thresholds of a target hold on calibration rows, by its lower bound.
    severity_suggest_precision : float
        In the place of ``suggest_precision`` for severity, whose levels are told apart less well.
    suggest_at_least : float
        No confidence below this is suggested, however precise the whole: a guess is not worth a reader's look.
    rare_below : int
        A class with fewer training rows than this is learned and suggested, but never automated.
    language_at_least, language_share : int, float
        A language is learned with this many training tickets, or with this share of those whose language is known,
        whichever is fewer; tickets in another one are not answered.
    novelty_quantile : float
        Share of calibration tickets that may be called novel.
    strong_precision : float
        Share of strong similar cases that are known matches, of tickets that have one; by its lower bound.
    strong_for_unlinked : float
        Largest share of tickets without a known match that are shown a strong case, by its upper bound.
    possible_recall : float
        Share of the known matches among the ten best candidates that are shown.
    """

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    train_share: Share = 0.6
    calibration_share: Annotated[Share, Field(validate_default=True)] = 0.2
    min_df: Annotated[int, Field(ge=3)] = 3
    max_terms: Annotated[int, Field(ge=100)] = 300_000
    structured_weight: Annotated[float, Field(ge=0)] = 0.5
    severity_c: Annotated[float, Field(gt=0)] = 0.5
    suggest_precision: Share = 0.7
    severity_suggest_precision: Share = 0.5
    suggest_at_least: Share = 0.3
    automate_precision: Annotated[Share, Field(validate_default=True)] = 0.95
    rare_below: Annotated[int, Field(ge=1)] = 10
    language_at_least: Annotated[int, Field(ge=1)] = 20
    language_share: Share = 0.1
    novelty_quantile: Share = 0.01
    costs: tuple[tuple[float, ...], ...] = DEFAULT_COSTS
    sev1_recall: Share = 0.95
    sev1_confidence: Share = 0.95
    strong_precision: Share = 0.9
    strong_for_unlinked: Share = 0.02
    possible_recall: Share = 0.99

    @field_validator("calibration_share")
    @classmethod
    def _leaves_a_test_part(cls, share: float, info: ValidationInfo) -> float:
        if info.data.get("train_share", 0.0) + share >= 1:
            raise ValueError("train_share and calibration_share together must leave a part to test on")
        return share

    @field_validator("costs", mode="before")
    @classmethod
    def _with_tuples(cls, costs: object) -> object:
        return (
            tuple(tuple(row) if isinstance(row, list) else row for row in costs) if isinstance(costs, list) else costs
        )

    @field_validator("costs")
    @classmethod
    def _is_a_cost_table(cls, costs: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
        n = len(SEVERITIES)
        if len(costs) != n or any(len(row) != n for row in costs):
            raise ValueError(f"costs must be {n} rows of {n} numbers, sev1 to sev4")
        if any(not 0 <= cost < inf for row in costs for cost in row) or any(costs[i][i] for i in range(n)):
            raise ValueError("costs must be at least 0, and 0 where the answer is true")
        if not any(cost for row in costs for cost in row):
            raise ValueError("costs are all 0, and so no answer is better than another; give what a wrong one costs")
        return costs

    @field_validator("automate_precision")
    @classmethod
    def _asks_more_than_a_suggestion(cls, precision: float, info: ValidationInfo) -> float:
        if precision < (suggest := info.data.get("suggest_precision", 0.0)):
            raise ValueError(f"what is automated must hold at least the {suggest:g} of suggest_precision")
        return precision


def load_params(
    path: Path | None,
    *,
    seed: int | None = None,
    recipe: Mapping[str, Any] | None = None,
    kept: Mapping[str, Any] | None = None,
) -> TrainingParams:
    """Read parameters from a TOML file; what it leaves out is that of the settings, of the recipe, or the default.

    Parameters
    ----------
    seed : int, optional
        Wins over the file's.
    recipe : mapping, optional
        Values that a search recorded; those kept and the file's win over them.
    kept : mapping, optional
        Values that the settings keep for every run.

    Raises
    ------
    SettingsInvalid
        If the file is not TOML, a key is unknown or a value is out of bounds; names the key and the value.
    """
    written: dict[str, Any] = {}
    try:
        if path is not None:
            written = tomllib.loads(path.read_text(encoding="utf-8"))
        values = {**(recipe or {}), **(kept or {}), **written}
        if seed is not None:
            values["seed"] = seed
        return TrainingParams.model_validate(values)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"The parameter file {path} is not valid TOML: {error}; mend it.") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        is_kept = str(first["loc"][0]) in (kept or {}) and str(first["loc"][0]) not in written
        place = "the section [training] of the workspace's precedent.toml" if is_kept else path
        raise SettingsInvalid(
            f"Training parameter {name} is wrong: {_reason(name, first)} (got {first['input']!r}); mend it in {place}.",
            field=name,
        ) from None


_REASONS: Mapping[str, str] = {
    "greater_than": "it must be greater than {gt:g}",
    "greater_than_equal": "it must be at least {ge:g}",
    "less_than": "it must be less than {lt:g}",
    "less_than_equal": "it must be at most {le:g}",
    "int_type": "it must be a whole number",
    "float_type": "it must be a number",
    "bool_type": "it must be true or false",
    "literal_error": "it must be {expected}",
    "tuple_type": "it must be a list of rows of numbers",
    "value_error": "{error}",
}


def _reason(name: str, problem: ErrorDetails) -> str:
    if problem["type"] == "extra_forbidden":
        near = get_close_matches(name, TrainingParams.model_fields, n=1)
        hint = f"did you mean {near[0]}?" if near else "docs/training.md lists those that there are"
        return f"there is none of that name; {hint}"
    return _REASONS.get(problem["type"], problem["msg"]).format_map(problem.get("ctx", {}))
