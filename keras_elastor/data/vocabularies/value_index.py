"""Finding many values among millions, again and again."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

Series: TypeAlias = Any


class ValueIndex:
    """Finds values by their hashes, as a hash table that is read for many values at once.

    Made once, while a join or pyarrow's `index_in` hashes all known values again on every call:
    `benchmarks/own_code.py` has all three.

    Args:
        known: The values to find, each once.
    """

    def __init__(self, known: Series) -> None:
        self._seed = 0
        while True:
            keys = hashes(known, self._seed)
            self._order = np.argsort(keys)
            keys = keys[self._order]
            if (keys[1:] != keys[:-1]).all():
                break
            self._seed += 1
        # Nothing is larger than the last key.
        self._keys = np.append(keys, np.uint64(2**64 - 1))
        num_bits = max(len(known).bit_length(), 1)
        self._shift = np.uint64(64 - num_bits)
        counts = np.bincount(self._leading_bits(keys), minlength=1 << num_bits)
        self._first = np.cumsum(counts) - counts

    def find(self, values: Series) -> np.ndarray:
        """The place in `known` of each value; any place for one that is not there."""
        keys = hashes(values, self._seed)
        # Hashes are spread evenly: few known ones begin with the same bits.
        place = self._first[self._leading_bits(keys)]
        behind = np.flatnonzero(self._keys[place] < keys)
        while len(behind):
            place[behind] += 1
            behind = behind[self._keys[place[behind]] < keys[behind]]
        places: np.ndarray = self._order[np.minimum(place, len(self._order) - 1)]
        return places

    def _leading_bits(self, keys: np.ndarray) -> np.ndarray:
        return (keys >> self._shift).astype(np.int64)


def hashes(values: Series, seed: int) -> np.ndarray:
    """A hash per value, `(values,)` uint64; any number where one is null."""
    numbers: np.ndarray = values.hash(seed).to_numpy()
    return numbers
