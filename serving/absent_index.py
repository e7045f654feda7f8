"""What stands in for a case index that cannot be opened, so that what needs none is still answered."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from features.case_index import CaseIndex
from features.encoder import Encoder
from features.errors import IndexDamaged
from features.past_record import empty_record


class AbsentIndex(CaseIndex):
    """No index: it follows nothing and writes nothing, nobody has a record, and a search says that there is none."""

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        self._folder = folder
        self._encoder = encoder

    def __len__(self) -> int:
        return 0

    @property
    def watermark(self) -> int:
        """0: of nothing."""
        return 0

    @property
    def n_erased(self) -> int:
        """0: it holds nothing that could be erased."""
        return 0

    @property
    def has_erased_on_disk(self) -> bool:
        """It has nothing on disk."""
        return False

    def build(self, *_: object, **__: object) -> int:
        """Take in nothing."""
        return 0

    replay = build

    def customers(self) -> frozenset[str]:
        """Nobody."""
        return frozenset()

    def record(self, *_: object, **__: object) -> NDArray[np.float64]:
        """Give the record of somebody who is not known."""
        return empty_record()

    def nearest(self, *_: object, **__: object) -> NoReturn:
        """Say that there is no index.

        Raises
        ------
        IndexDamaged
            Always.
        """
        raise IndexDamaged(f"The index in {self._folder} could not be opened; the log says why.")

    def search(self, *_: object, **__: object) -> NoReturn:
        """Say that there is no index; raises as :meth:`nearest` does."""
        self.nearest()

    def snapshot(self) -> Path:
        """Write nothing."""
        return self._folder

    def close(self) -> None:
        """Do nothing."""
