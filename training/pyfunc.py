"""A release as an MLflow pyfunc model, loaded without pickle (``loader_module``)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from features.release import load_release
from features.settings import load_settings
from serving.assemble import assemble
from serving.schemas import SuggestRequest
from serving.suggester import Suggester
from serving.validation import to_query, validate


class PrecedentModel:
    """Answers suggestions over the history of the workspace that the settings name."""

    def __init__(self, suggester: Suggester) -> None:
        self._suggester = suggester

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Suggest for each ticket.

        Parameters
        ----------
        model_input : pandas.DataFrame, or sequence of mappings
            One ticket a row, fields as in the HTTP contract; what is missing is not known.
        params : mapping, optional
            What else a request holds: ``top_k``, ``filters``.

        Raises
        ------
        InvalidInput
            If a row is no ticket; names the field.
        """
        answers = []
        for row in _rows(model_input):
            ticket = {name: value for name, value in row.items() if value is not None}
            request = validate(SuggestRequest, {"ticket": ticket, **(params or {})})
            answers.append(self._suggester.suggest(to_query(request, request.ticket)).model_dump(mode="json"))
        return answers


def _rows(model_input: Any) -> Sequence[Mapping[str, Any]]:
    if not hasattr(model_input, "to_json"):
        rows: Sequence[Mapping[str, Any]] = model_input
        return rows
    # A frame has NaN, NaT and NA for what is missing, and times of its own kind; its JSON has null and ISO 8601.
    found: list[dict[str, Any]] = json.loads(model_input.to_json(orient="records", date_format="iso"))
    return found


def _load_pyfunc(path: str) -> PrecedentModel:
    """MLflow calls this by name with the folder of the release's files."""
    return PrecedentModel(assemble(load_settings(), release=load_release(Path(path))).suggester)
