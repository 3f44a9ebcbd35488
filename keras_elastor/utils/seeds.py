"""Seeds that follow from one seed and a place in a training."""

from __future__ import annotations

from keras_elastor.utils.files import hash_text


def derive_seed(seed: int, purpose: str, number: int) -> int:
    """A seed below 2^31 for one use of random numbers.

    Args:
        seed: Of the run.
        purpose: What they are for, such as "epoch".
        number: Which one.
    """
    return int(hash_text(f"{seed}/{purpose}/{number}")[:8], 16) >> 1
