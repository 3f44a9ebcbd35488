"""Adam on PyTorch in one pass over memory.

Keras (3.15) writes its optimizers as one operation after another, each a pass over all weights; no
version is known to end that. JAX and TensorFlow need no such thing, as they are compiled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def fused_adam(
    weights: Sequence[Any],
    gradients: Sequence[Any],
    means: Sequence[Any],
    mean_squares: Sequence[Any],
    *,
    learning_rate: Any,
    step: Any,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    """One step of PyTorch's Adam, in place.

    Args:
        weights: Tensors of PyTorch, moved in place.
        gradients: Their gradients.
        means: Means of the gradients, updated in place.
        mean_squares: Means of their squares, updated in place.
        learning_rate: A scalar.
        step: The number of this step, the first being 1.
        beta_1: Decay of the means.
        beta_2: Decay of the means of squares.
        epsilon: Added to the root of the corrected means of squares.
    """
    import torch
    from torch.optim.adam import adam

    with torch.no_grad():
        adam(
            list(weights),
            list(gradients),
            list(means),
            list(mean_squares),
            [],
            # It counts the step itself.
            [torch.tensor(float(step) - 1, device=weight.device) for weight in weights],
            fused=True,
            amsgrad=False,
            beta1=beta_1,
            beta2=beta_2,
            lr=float(learning_rate),
            weight_decay=0.0,
            eps=epsilon,
            maximize=False,
        )
