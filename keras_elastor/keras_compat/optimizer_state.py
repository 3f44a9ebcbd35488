"""The optimizer's variables, made in time and begun anew.

Keras (3.15) offers neither; no version is known to.
"""

from __future__ import annotations

import contextlib
from typing import Any

import keras
import numpy as np

from keras_elastor.keras_compat.sparse_rows import assign_all_rows


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


def reset_slots(optimizer: Any, table: Any, kept: np.ndarray) -> None:
    """Give what an optimizer keeps of a table the values of a new optimizer.

    Args:
        optimizer: An optimizer of Keras or of this package, built or not.
        table: A variable of shape `(rows, width)` that it moves.
        kept: Rows whose slots stay as they are.

    Raises:
        ValueError: If the slots do not bear the name of their weight.
    """
    if not optimizer.built:
        return
    begin = type(optimizer).from_config(optimizer.get_config())
    begin.build([table])
    prefix = f"{table.path.replace('/', '_')}_"
    for new in begin.variables:
        if not new.name.startswith(prefix):
            # Beside the slots, optimizers keep single numbers: the step, the learning rate.
            if len(new.shape) > 0:
                raise ValueError(
                    "Expected an optimizer whose slots bear the names of their weights, as those "
                    f"of Adam do, to begin them anew for '{table.path}'. Received: "
                    f"{type(optimizer).__name__} with a slot '{new.name}'"
                )
            continue
        (slot,) = (one for one in optimizer.variables if one.name == new.name)
        # The moving average of a weight begins with the weight, not with zero.
        value = (
            np.array(keras.ops.convert_to_numpy(table))
            if new.name == f"{prefix}average"
            else new.value
        )
        assign_all_rows(slot, value, kept)
