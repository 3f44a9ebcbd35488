"""Random numbers that depend on a key and nothing else."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[Any]


class Draws:
    """A stream of random numbers named by (seed, stream, block).

    Streams of different names are independent. They are made of the raw output of the Philox
    generator, whose bits NumPy never changes, while its distributions may differ between versions.

    Args:
        seed: From 0 to 2^64 - 1.
        stream: From 0 to 2^64 - 1.
        block: From 0 to 2^64 - 1.

    Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    """

    def __init__(self, seed: int, stream: int, block: int = 0) -> None:
        key = np.array([seed, stream], np.uint64)
        # The generator counts in the low words, so that blocks are 2^192 numbers apart.
        counter = np.array([0, 0, 0, block], np.uint64)
        self._bits = np.random.Philox(key=key, counter=counter)

    def uniform(self, *shape: int) -> Floats:
        """Uniform numbers in [0, 1) with 53 random bits, float64."""
        raw = self._bits.random_raw(math.prod(shape)).reshape(shape)
        return np.asarray((raw >> np.uint64(11)) * 2.0**-53)

    def normal(self, *shape: int) -> Floats:
        """Standard normal numbers, float64, by the method of Box and Muller."""
        radius = np.sqrt(-2.0 * np.log1p(-self.uniform(*shape)))
        return radius * np.cos(2.0 * math.pi * self.uniform(*shape))

    def categories(self, cumulative: Floats, *shape: int) -> npt.NDArray[np.int32]:
        """Indices k with probability `cumulative[k] - cumulative[k - 1]`, int32.

        Args:
            cumulative: Distribution function over the indices, ending near 1.
            shape: Shape of the result.
        """
        # The last sum may fall short of 1, and an index of probability 0 must never be drawn.
        total = self.uniform(*shape) * cumulative[-1]
        indices = np.searchsorted(cumulative, total, side="right")
        indices = np.minimum(indices, np.searchsorted(cumulative, cumulative[-1]))
        return np.asarray(indices, np.int32)
