"""Exact AUC, gAUC and logloss of rows that arrive in batches.

Kept of a row are a few bytes on the host: four for AUC, eight for gAUC, as many again for a weight
other than 1. Fifty million rows fit into one gigabyte.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_elastor.metrics.exact import checked_groups

_Array = npt.NDArray[Any]
_Bounds = tuple[_Array, _Array]

_CHUNK_ROWS = 1 << 20
_LOW_BITS = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


class GrowingArray:
    """A vector to append to, in one piece of memory that is at most a quarter too large.

    Args:
        dtype: Dtype of the entries.
    """

    def __init__(self, dtype: Any) -> None:
        self._array = np.empty(1024, dtype)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, values: Any) -> None:
        """Add entries at the end."""
        end = self._size + len(values)
        if end > len(self._array):
            # Resized in place: a copy would need the memory twice.
            self._array.resize(max(end, len(self._array) * 5 // 4), refcheck=False)
        self._array[self._size : end] = values
        self._size = end

    @property
    def values(self) -> _Array:
        """The entries; a view that the next `append` invalidates."""
        return self._array[: self._size]


class BlockSum:
    """A float64 sum that does not depend on how its terms were cut into batches."""

    def __init__(self) -> None:
        self._total = 0.0
        self._block = np.empty(1 << 16)
        self._filled = 0

    def add(self, terms: _Array) -> None:
        """Add all terms."""
        while len(terms):
            part = terms[: len(self._block) - self._filled]
            self._block[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            terms = terms[len(part) :]
            if self._filled == len(self._block):
                self._total += float(self._block.sum())
                self._filled = 0

    @property
    def value(self) -> float:
        """The sum so far."""
        return self._total + float(self._block[: self._filled].sum())


class GroupCodes:
    """A number below 2^32 for each group, whatever its batch stores it as."""

    def __init__(self) -> None:
        self._codes: dict[Any, int] = {}

    def encode(self, groups: Any) -> _Array:
        """The numbers of a batch of groups, `(rows,)` uint64.

        Raises:
            ValueError: If groups are neither numbers, text nor dates, or batches hold text and
                others.
        """
        names, rows = np.unique(checked_groups(groups), return_inverse=True)
        known = next(iter(self._codes), None)
        if len(names) and known is not None and isinstance(names[0], str) != isinstance(known, str):
            raise ValueError(
                "`groups`: expected numbers or dates in all batches, or text in all. Received: "
                f"{names[0].item() if isinstance(names[0], np.generic) else names[0]!r} after "
                f"{known!r}"
            )
        # As Python's own values, integers of all widths are one.
        codes = [self._codes.setdefault(name, len(self._codes)) for name in names.tolist()]
        return np.array(codes, np.uint64)[rows.reshape(-1)]


class _Side:
    """The rows of one class: keys that sort as their scores do, and weights where any is not 1."""

    def __init__(self, dtype: Any) -> None:
        self.keys = GrowingArray(dtype)
        self.weights: GrowingArray | None = None

    def append(self, keys: _Array, weights: _Array | None) -> None:
        if weights is not None and self.weights is None:
            self.weights = GrowingArray(np.float32)
            self.weights.append(np.ones(len(self.keys), np.float32))
        if self.weights is not None:
            self.weights.append(np.ones(len(keys)) if weights is None else weights)
        self.keys.append(keys)

    def sort(self) -> None:
        keys = self.keys.values
        if self.weights is None:
            keys.sort()
            return
        order = np.argsort(keys)
        keys[:] = keys[order]
        weights = self.weights.values
        weights[:] = weights[order]

    def weights_of(self, rows: slice) -> _Array | None:
        return None if self.weights is None else self.weights.values[rows].astype(np.float64)

    def cumulative(self) -> _Array | None:
        """Weight before each row and of all; None where it is the row's number."""
        if self.weights is None:
            return None
        return np.concatenate(([0.0], np.cumsum(self.weights.values, dtype=np.float64)))

    def total(self) -> float:
        if self.weights is None:
            return float(len(self.keys))
        return float(self.weights.values.sum(dtype=np.float64))


class PairStream:
    """Counts the pairs of a click and a non-click in which the click has the higher score.

    Args:
        grouped: Whether only pairs inside of a group count.
    """

    def __init__(self, grouped: bool = False) -> None:
        dtype = np.uint64 if grouped else np.uint32
        self.grouped = grouped
        self.negatives, self.positives = _Side(dtype), _Side(dtype)

    def add(
        self,
        is_click: _Array,
        scores: _Array,
        weights: _Array | None = None,
        groups: _Array | None = None,
    ) -> None:
        """Take in rows.

        Args:
            is_click: `(rows,)` bool.
            scores: `(rows,)` float32, not NaN.
            weights: `(rows,)`, positive; None for 1.
            groups: What `GroupCodes.encode` gave, where pairs are grouped.
        """
        keys = _sortable(scores)
        if groups is not None:
            keys = (groups << _SHIFT) | keys.astype(np.uint64)
        for side, rows in ((self.positives, is_click), (self.negatives, ~is_click)):
            side.append(keys[rows], None if weights is None else weights[rows])

    def auc(self) -> float | None:
        """Share of the pairs that clicks win, ties counted half; None where there is no pair."""
        totals = self.positives.total() * self.negatives.total()
        if totals == 0:
            return None
        self._sort()
        cumulative = self.negatives.cumulative()
        won = 0.0
        for rows, keys in self._chunks():
            below, up_to = self._ranks(keys, cumulative)
            weights = self.positives.weights_of(rows)
            # Whole numbers are added as such, which is exact.
            won += (below + up_to).sum() if weights is None else np.dot(weights, below + up_to)
        return float(won / 2 / self.positives.total() / self.negatives.total())

    def group_auc(self) -> float | None:
        """Mean of the groups' AUC by their weight; None where no group has both classes."""
        self._sort()
        cumulative = self.negatives.cumulative()
        total = 0.0
        weight_of_all = 0.0
        for rows, keys in self._chunks():
            groups = keys >> _SHIFT
            starts = np.concatenate(([0], np.flatnonzero(np.diff(groups)) + 1))
            below, up_to = self._ranks(keys, cumulative)
            first, last = self._ranks_of_groups(groups[starts], cumulative)
            lengths = np.diff(np.append(starts, len(keys)))
            won = (below + up_to) / 2 - np.repeat(first, lengths)
            weights = self.positives.weights_of(rows)
            weights = np.ones(len(keys)) if weights is None else weights
            won = np.add.reduceat(weights * won, starts)
            positive = np.add.reduceat(weights, starts)
            negative = (last - first).astype(np.float64)
            both = negative > 0
            share = won[both] / positive[both] / negative[both]
            weight = positive[both] + negative[both]
            total += float(np.dot(share, weight))
            weight_of_all += float(weight.sum())
        return total / weight_of_all if weight_of_all else None

    def num_groups(self) -> int:
        """Number of groups seen."""
        sides = (self.positives.keys.values, self.negatives.keys.values)
        return len(np.union1d(*(keys >> _SHIFT for keys in sides)))

    def _sort(self) -> None:
        self.negatives.sort()
        self.positives.sort()

    def _chunks(self) -> Iterator[tuple[slice, _Array]]:
        """The sorted clicks, cut between groups where there are any."""
        keys = self.positives.keys.values
        start = 0
        while start < len(keys):
            end = min(start + _CHUNK_ROWS, len(keys))
            if self.grouped:
                end = int(np.searchsorted(keys, keys[end - 1] | _LOW_BITS, "right"))
            yield slice(start, end), keys[start:end]
            start = end

    def _ranks(self, keys: _Array, cumulative: _Array | None) -> _Bounds:
        """Weight of the non-clicks below each key, and of those up to it."""
        negatives = self.negatives.keys.values
        below = np.searchsorted(negatives, keys, "left")
        up_to = np.searchsorted(negatives, keys, "right")
        return (below, up_to) if cumulative is None else (cumulative[below], cumulative[up_to])

    def _ranks_of_groups(self, groups: _Array, cumulative: _Array | None) -> _Bounds:
        """Weight of the non-clicks before each group, and of those up to its end."""
        lowest, _ = self._ranks(groups << _SHIFT, cumulative)
        _, highest = self._ranks((groups << _SHIFT) | _LOW_BITS, cumulative)
        return lowest, highest


def _sortable(scores: _Array) -> _Array:
    """uint32 keys in the order of float32 scores, equal where these are equal."""
    # Adding zero makes -0.0 and 0.0 one.
    bits = (np.asarray(scores, np.float32) + np.float32(0)).view(np.uint32)
    sign = np.uint32(0x80000000)
    return np.where(bits & sign, ~bits, bits | sign)
