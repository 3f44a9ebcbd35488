"""A model that stays whole when training, evaluating or predicting fails."""

from __future__ import annotations

import contextlib
import itertools
import signal
import threading
from collections.abc import Iterator
from typing import Any

# What a step of Keras on JAX takes and returns, in this order: training all of them, evaluating all
# but the optimizer's, predicting the first two.
_GROUPS = {
    "train": ("trainable", "non_trainable", "optimizer", "metrics"),
    "test": ("trainable", "non_trainable", "metrics"),
    "predict": ("trainable", "non_trainable"),
}


class WeightKeeper:
    """Keeps the weights of a model on JAX within reach while Keras (3.15) works on them.

    While it trains, evaluates or predicts on JAX, Keras empties the variables of the model, and
    does not fill them again when something is raised; a step that has begun deletes the values it
    was given. On other backends this does nothing.

    Args:
        model: A Keras model.

    Example:

    >>> keeper = WeightKeeper(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))
    >>> with keeper.surviving_weights():
    ...     pass  # An error or Ctrl-C here leaves the model with the weights it had reached.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._values: dict[str, list[Any]] = {}
        self._depth = 0

    @contextlib.contextmanager
    def surviving_weights(self) -> Iterator[None]:
        """Inside this context an error or Ctrl-C leaves the weights the model had reached."""
        if not hasattr(self._model, "jax_state_sync"):
            yield
            return
        if any(map(_is_lost, self._model.variables)):
            # A callback of `fit` that does not ask for its model by `self.model`.
            self._model.jax_state_sync()
        self._forget_state()
        for name, variables in self._variables().items():
            if not any(map(_is_lost, variables)):
                # References alone; the first step that succeeds replaces them.
                self._values[name] = [variable.value for variable in variables]
        self._depth += 1
        try:
            yield
        except BaseException:
            self.restore()
            raise
        finally:
            self._depth -= 1
            if not self._depth:
                self._values = {}

    def protect(self, step: Any, kind: str) -> Any:
        """The same step, but what it reached survives whatever is raised after it.

        Args:
            step: What Keras made as `train_function`, `test_function` or `predict_function`.
            kind: "train", "test" or "predict".
        """
        if not hasattr(self._model, "jax_state_sync") or isinstance(step, _ProtectedStep):
            return step
        return _ProtectedStep(self._model, self, step, _GROUPS[kind])

    def _variables(self) -> dict[str, list[Any]]:
        optimizer = getattr(self._model, "optimizer", None)
        return {
            "trainable": self._model.trainable_variables,
            "non_trainable": self._model.non_trainable_variables,
            "optimizer": [] if optimizer is None else optimizer.variables,
            "metrics": self._model.metrics_variables,
        }

    def restore(self) -> None:
        """Fill the variables that Keras has emptied."""
        for name, variables in self._variables().items():
            for variable, value in zip(variables, self._values.get(name, ()), strict=False):
                if _is_lost(variable) and not value.is_deleted():
                    variable.assign(value)
        if any(map(_is_lost, self._model.metrics_variables)):
            self._model.reset_metrics()
        self._forget_state()

    def reach(self, groups: tuple[str, ...], state: Any) -> None:
        """Note what a step has made of these groups of variables."""
        self._values.update(zip(groups, state, strict=True))

    def _forget_state(self) -> None:
        # Keras takes the state of an older step for the newest when the next one fails.
        self._model._jax_state_synced = True
        self._model._jax_state = None


class _ProtectedStep:
    """One call of Keras' train, test or predict function, done wholly or not at all."""

    def __init__(
        self, model: Any, keeper: WeightKeeper, step: Any, groups: tuple[str, ...]
    ) -> None:
        self._model = model
        self._keeper = keeper
        self._step = step
        self._groups = groups

    def __call__(self, state: Any, iterator: Any) -> Any:
        # Before the step: reading may fail or wait, and the step deletes the weights it is given.
        batches = list(itertools.islice(iterator, self._model.steps_per_execution))
        if not batches:
            raise StopIteration
        try:
            with _postponed_interrupt():
                outputs, state = self._step(state, iter(batches))
                self._keeper.reach(self._groups, state)
        except BaseException:
            self._keeper.restore()
            raise
        return outputs, state


def _is_lost(variable: Any) -> bool:
    try:
        return bool(variable.value.is_deleted())
    except TypeError:
        # An emptied variable asks its initializer, which it has no more.
        return True


@contextlib.contextmanager
def _postponed_interrupt() -> Iterator[None]:
    """Ctrl-C inside this context is raised at its end."""
    # Python runs signal handlers in its main thread alone; elsewhere there is nothing to postpone.
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    received: list[tuple[int, Any]] = []
    signal.signal(signal.SIGINT, lambda *arguments: received.append(arguments))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if received:
            handler(*received[-1])
