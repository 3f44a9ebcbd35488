"""The optimizer's variables, made in time."""

from __future__ import annotations

import contextlib
from typing import Any


def build_optimizer(model: Any) -> None:
    """Make the variables of a model's optimizer before the first step.

    Keras makes them inside the first step. TensorFlow then traces that step a second time, which
    doubles the wait; on JAX they must exist for the state to survive a failure.

    Args:
        model: A Keras model, compiled or not.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or optimizer.built:
        return
    # TensorFlow alone has strategies, whose variables must be made in their scope.
    strategy = getattr(model, "distribute_strategy", None)
    with contextlib.nullcontext() if strategy is None else strategy.scope():
        optimizer.build(model.trainable_variables)
