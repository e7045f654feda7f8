"""An array that grows at its end."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

T = TypeVar("T", bound=np.generic)


class GrowingArray(Generic[T]):
    """One-dimensional values with room to append; appending n values costs O(n) on average.

    ``values`` is a view: what it shows stays as it is when more is appended, so one thread may read a view while
    another appends.

    Examples
    --------
    >>> array: GrowingArray[np.int64] = GrowingArray(np.int64)
    >>> array.extend([1, 2])
    >>> before = array.values
    >>> array.extend([3])
    >>> before.tolist(), array.values.tolist()
    ([1, 2], [1, 2, 3])
    """

    def __init__(self, dtype: DTypeLike, values: NDArray[T] | None = None) -> None:
        self._buffer: NDArray[Any] = np.zeros(0, dtype=dtype) if values is None else values.astype(dtype)
        self._length = len(self._buffer)

    def __len__(self) -> int:
        return self._length

    @property
    def values(self) -> NDArray[T]:
        """View of the values, shape (n,)."""
        return self._buffer[: self._length]

    @property
    def n_bytes(self) -> int:
        """Memory held, room to grow included."""
        return int(self._buffer.nbytes)

    def item(self, position: int) -> Any:
        """One value, as a Python number; much faster than by the view."""
        return self._buffer.item(position)

    def extend(self, values: ArrayLike) -> None:
        """Append values."""
        new = np.asarray(values, dtype=self._buffer.dtype)
        needed = self._length + len(new)
        if needed > len(self._buffer):
            grown = np.zeros(max(needed, len(self._buffer) * 3 // 2, 16), dtype=self._buffer.dtype)
            grown[: self._length] = self.values
            self._buffer = grown
        self._buffer[self._length : needed] = new
        self._length = needed
