"""A release as an MLflow pyfunc model, loaded without pickle (``loader_module``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from features.release import load_release
from serving.assemble import assemble

from features.settings import load_settings
from serving.schemas import SuggestRequest
from serving.suggester import Query, Suggester


class PrecedentModel:
    """Answers suggestions over the history of the workspace that the settings name."""

    def __init__(self, suggester: Suggester) -> None:
        self._suggester = suggester

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Suggest for each ticket.

        Parameters
        ----------
        model_input : pandas.DataFrame, or sequence of mappings
            One ticket a row, fields as in the HTTP contract.
        params : mapping, optional
            ``top_k``.
        """
        rows: Sequence[Mapping[str, Any]] = (
            model_input.to_dict("records") if hasattr(model_input, "to_dict") else model_input
        )
        answers = []
        for row in rows:
            known = {name: value for name, value in row.items() if value is not None and value == value}
            request = SuggestRequest.model_validate({"ticket": known, **(params or {})})
            query = Query(ticket=request.ticket.to_ticket(), top_k=request.top_k)
            answers.append(self._suggester.suggest(query).model_dump(mode="json"))
        return answers


def _load_pyfunc(path: str) -> PrecedentModel:
    """MLflow calls this by name with the folder of the release's files."""
    return PrecedentModel(assemble(load_settings(), release=load_release(Path(path))).suggester)
