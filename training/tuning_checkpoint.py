"""Where a run of tuning steps stands, on disk: whole or absent, without pickle and without any text."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError

from features.errors import EncoderRefused
from features.files import new_folder, write_synced

_FORMAT = 1
_ARRAYS = "state.safetensors"
_CARD = "state.json"


class _Card(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    key: str
    step: int = Field(ge=1)
    seconds: float = Field(ge=0)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state after a step.

    Attributes
    ----------
    step : int
        Steps that are done.
    seconds : float
        Time they took, over all runs.
    arrays : mapping of str to ndarray
        Weights and the optimiser's moments.
    """

    step: int
    seconds: float
    arrays: Mapping[str, NDArray[np.generic]]


class CheckpointFolder:
    """Checkpoints of one plan in a folder that other plans use too; only the newest is kept.

    Parameters
    ----------
    key : str
        Names what the steps are made of: rows, parameters, the weights at the start.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        self._key = key

    def load(self) -> Checkpoint | None:
        """The newest checkpoint of this plan that can be read; None where there is none of it.

        Raises
        ------
        EncoderRefused
            If there are some, and none can be read.
        """
        refusal: EncoderRefused | None = None
        for path in self._paths():
            if not path.name.endswith(f"-{self._key[:16]}"):
                continue
            try:
                card = _Card.model_validate_json((path / _CARD).read_bytes())
                if card.key == self._key and card.format == _FORMAT:
                    return Checkpoint(card.step, card.seconds, safetensors.numpy.load_file(path / _ARRAYS))
            except ValidationError:
                refusal = refusal or damaged(path, f"{_CARD} is not what tuning writes")
            except (OSError, SafetensorError) as error:
                refusal = refusal or damaged(path, f"{_ARRAYS} or {_CARD} cannot be read: {error}")
        if refusal is not None:
            raise refusal
        return None

    def path_of(self, step: int) -> Path:
        """Folder of the checkpoint after a step, there or not."""
        return self._folder / f"step-{step:08d}-{self._key[:16]}"

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint, then remove every other one."""
        path = self.path_of(checkpoint.step)
        if not path.exists():
            card = _Card(format=_FORMAT, key=self._key, step=checkpoint.step, seconds=checkpoint.seconds)
            with new_folder(path) as tmp:
                write_synced(tmp / _ARRAYS, safetensors.numpy.save(dict(checkpoint.arrays)))
                write_synced(tmp / _CARD, json.dumps(card.model_dump(), indent=2).encode())
        for other in self._paths():
            if other != path:
                shutil.rmtree(other, ignore_errors=True)

    def has_others(self) -> bool:
        """Whether there is a checkpoint, but none of this plan."""
        return bool(self._paths()) and self.load() is None

    def clear(self) -> None:
        """Remove every checkpoint."""
        for path in self._paths():
            shutil.rmtree(path, ignore_errors=True)

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("step-*"), reverse=True)


def damaged(path: Path, reason: str) -> EncoderRefused:
    """The error of a checkpoint that cannot be taken up."""
    return EncoderRefused(
        f"The tuning checkpoint {path} is damaged ({reason}); remove that folder, and tuning starts afresh."
    )
