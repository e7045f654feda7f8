"""The recipe that the last search of a workspace recorded."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from features.errors import SettingsInvalid
from features.files import replace_file
from training.params import Recipe
from training.search import Search

SEARCH_JSON = "search.json"


def write_recipe(path: Path, found: Search) -> None:
    """Record the chosen recipe, and what was tried beside it; replaces the last one."""
    values = found.chosen.recipe.model_dump()
    lines = [f"{name} = {orjson.dumps(value).decode()}" for name, value in values.items()]
    header = (
        f"# Chosen by 'precedent train --search' on {found.n_tune} tune tickets; remove to train with the defaults."
    )
    replace_file(path.with_name(SEARCH_JSON), orjson.dumps(found.to_json(), option=orjson.OPT_INDENT_2))
    replace_file(path, "\n".join([header, *lines, ""]).encode())


def read_recipe(path: Path) -> dict[str, Any]:
    """The recorded values; none where there was no search.

    Raises
    ------
    SettingsInvalid
        If the file is not what a search writes.
    """
    if not path.exists():
        return {}
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).model_dump()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = str(error)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}, got {first['input']!r}"
    raise SettingsInvalid(f"The recipe {path} is not what a search writes ({reason}); remove it, or search again.")
