"""A model that stays whole when training fails."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def surviving_weights(model: Any) -> Iterator[None]:
    """Inside this context an error or Ctrl-C leaves the model with the weights it had reached.

    While it trains on JAX, Keras (3.15) empties the variables of the model, and does not fill them
    again when something is raised. What is kept here are references, which JAX deletes with the
    first step that succeeds; from then on Keras can restore the state of the last step.

    Args:
        model: A Keras model, compiled or not. Its optimizer is built.
    """
    if not hasattr(model, "jax_state_sync"):
        yield
        return
    optimizer = getattr(model, "optimizer", None)
    variables = [*model.variables, *(optimizer.variables if optimizer is not None else ())]
    kept = [(variable, variable.value) for variable in variables]
    try:
        yield
    except BaseException:
        for variable, value in kept:
            if not value.is_deleted():
                variable.assign(value)
        model.jax_state_sync()
        raise
