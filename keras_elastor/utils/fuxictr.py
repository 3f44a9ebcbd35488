"""What FuxiCTR's options mean in Keras."""

from __future__ import annotations

import keras


def fuxictr_l2(strength: float) -> keras.regularizers.Regularizer | None:
    """The Keras regularizer of FuxiCTR's lambda.

        lambda / 2 * sum of squares

    Keras has no half: `keras.regularizers.L2(lambda)` is twice as strong.

    Args:
        strength: FuxiCTR's lambda, its option `embedding_regularizer`.

    Returns:
        `keras.regularizers.L2(strength / 2)`; None for 0.
    """
    return keras.regularizers.L2(strength / 2) if strength else None
