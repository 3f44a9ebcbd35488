"""The ways into a model, `fit` to `predict_on_batch`: checked, and safe for its weights."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from keras_elastor.keras_compat.optimizer_state import build_optimizer
from keras_elastor.keras_compat.recovery import WeightKeeper
from keras_elastor.keras_compat.row_gradients import tables_by_rows, train_step_by_rows
from keras_elastor.schema import FeatureSchema
from keras_elastor.validation.columns import as_features, as_labels, is_split
from keras_elastor.validation.rules import PREFIX
from keras_elastor.validation.validation import (
    guard,
    is_shuffled_by_keras,
    readable_errors,
    without_batches,
)


class CheckedModel(keras.Model):
    """A `keras.Model` over the features of a schema whose every entry point checks its input.

    Features are a dict of arrays or a pandas or Polars frame of encoded columns, or they come in
    batches; see `keras_elastor.data.validate` for what is right. A `ke.data.Split` is its features,
    labels and weights, and a frame may hold the columns of the labels, too. Wrong features, labels
    or weights raise a ValueError that names them: arrays before the first step, batches of a stream
    when they arrive. Whatever stops a method, Ctrl-C, too, leaves the model with the weights it had
    reached.

    A subclass sets `schema`.
    """

    schema: FeatureSchema
    train_function: Any
    test_function: Any
    predict_function: Any

    def fit(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.fit`, checked."""
        given = _bind(keras.Model.fit, self, x, y, *args, **kwargs)
        self._check(given, at_least_one_row="to train on")
        if not is_shuffled_by_keras(given["x"]):
            # Keras would warn that it does not shuffle a stream, although nobody asked it to.
            given.setdefault("shuffle", False)
        validation = given.get("validation_data")
        if is_split(validation):
            validation = tuple(_parts_of(validation).values())
        if validation is not None:
            given["validation_data"] = guard(validation, self.schema)
        build_optimizer(self)
        with self._protected():
            return super().fit(**given)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.evaluate`, checked."""
        given = _bind(keras.Model.evaluate, self, x, y, *args, **kwargs)
        # Within `fit`, which has checked its validation data.
        if not given.get("_use_cached_eval_dataset"):
            self._check(given, at_least_one_row="to evaluate on")
        with self._protected():
            return super().evaluate(**given)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.predict`, checked; no rows give no predictions, `(0, tasks)` float32."""
        given = _bind(keras.Model.predict, self, x, *args, **kwargs)
        if not self._check(given):
            return keras.tree.map_structure(
                lambda output: np.zeros((0, *output.shape[1:]), output.dtype), self.output
            )
        with self._protected():
            return super().predict(**given)

    def train_on_batch(self, x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.train_on_batch`, checked."""
        given = _bind(keras.Model.train_on_batch, self, x, y, *args, **kwargs)
        self._check(given, at_least_one_row="to train on")
        build_optimizer(self)
        with self._protected():
            return super().train_on_batch(**given)

    def test_on_batch(self, x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.test_on_batch`, checked."""
        given = _bind(keras.Model.test_on_batch, self, x, y, *args, **kwargs)
        self._check(given, at_least_one_row="to evaluate on")
        with self._protected():
            return super().test_on_batch(**given)

    def predict_on_batch(self, x: Any) -> Any:
        """`keras.Model.predict_on_batch`, checked."""
        given = {"x": x}
        self._check(given)
        with self._protected():
            return super().predict_on_batch(**given)

    def train_step(self, *args: Any) -> Any:
        """`keras.Model.train_step`; optimizers that can get the gradients of tables by rows."""
        tables = tables_by_rows(self.optimizer, self.trainable_variables)
        if not tables:
            return super().train_step(*args)
        return train_step_by_rows(self, super().train_step, tables, *args)

    def make_train_function(self, force: bool = False) -> Any:
        """`keras.Model.make_train_function`; what a step reached is never lost."""
        super().make_train_function(force)
        self.train_function = self._keeper.protect(self.train_function, "train")
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        """`keras.Model.make_test_function`; what a step reached is never lost."""
        super().make_test_function(force)
        self.test_function = self._keeper.protect(self.test_function, "test")
        return self.test_function

    def make_predict_function(self, force: bool = False) -> Any:
        """`keras.Model.make_predict_function`; what a step reached is never lost."""
        super().make_predict_function(force)
        self.predict_function = self._keeper.protect(self.predict_function, "predict")
        return self.predict_function

    @property
    def _keeper(self) -> WeightKeeper:
        if "_weight_keeper" not in self.__dict__:
            self._weight_keeper = WeightKeeper(self)
        return self._weight_keeper

    @contextlib.contextmanager
    def _protected(self) -> Iterator[None]:
        with readable_errors(), self._keeper.surviving_weights():
            yield

    def _check(self, given: dict[str, Any], at_least_one_row: str = "") -> bool:
        """Check features, labels and weights among the arguments; replace them by arrays.

        Returns:
            Whether there are rows, as far as is known. Without, it raises ValueError if
            `at_least_one_row` says what these are for.
        """
        has_rows = True
        x = self._take_parts(given, needs_labels=bool(at_least_one_row))
        if isinstance(x, Mapping):
            for name in ("y", "sample_weight"):
                if given.get(name) is not None:
                    given[name] = as_labels(given[name], name)
            if at_least_one_row and given.get("y") is None:
                raise self._no_labels("as `y`")
            guard((x, given.get("y"), given.get("sample_weight")), self.schema)
            has_rows = len(next(iter(x.values()))) > 0
        elif isinstance(x, tuple):
            raise ValueError(
                f"{PREFIX} expected `x` to be the features alone. Received: a tuple of {len(x)}. "
                "Give the labels as `y` and the weights as `sample_weight`"
            )
        else:
            x, is_empty = without_batches(x)
            has_rows = not is_empty
            if at_least_one_row and isinstance(getattr(x, "element_spec", None), Mapping):
                raise self._no_labels("in batches (features, labels)")
            given["x"] = guard(x, self.schema)
        if at_least_one_row and not has_rows:
            raise ValueError(
                f"{PREFIX} expected at least one row {at_least_one_row}. Received: 0 rows"
            )
        return has_rows

    def _take_parts(self, given: dict[str, Any], needs_labels: bool) -> Any:
        """Replace a split by its parts, and a table with labels by features and labels.

        Returns:
            The features, or whatever else `x` is.
        """
        if is_split(given["x"]):
            for name in ("y", "sample_weight"):
                if given.get(name) is not None:
                    raise ValueError(
                        f"{PREFIX} expected a ke.data.Split alone, as it holds labels and weights. "
                        f"Received: `{name}` beside it"
                    )
            parts = _parts_of(given["x"])
            given.update(parts if needs_labels else {"x": parts["x"]})
        x = given["x"] = as_features(given["x"])
        labels = self.schema.labels
        if needs_labels and given.get("y") is None and isinstance(x, Mapping) and {*labels} <= {*x}:
            columns = [np.asarray(x[name]) for name in labels]
            given["y"] = columns[0] if len(columns) == 1 else np.stack(columns, axis=1)
            x = given["x"] = {name: x[name] for name in x if name not in labels}
        return x

    def _no_labels(self, where: str) -> ValueError:
        names = ", ".join(self.schema.labels)
        return ValueError(f"{PREFIX} expected labels ({names}) {where}. Received: none")


def _parts_of(split: Any) -> dict[str, Any]:
    """Features, labels and, where there are such, weights of a `ke.data.Split`."""
    parts = {"x": split.features, "y": split.labels}
    return parts if split.weights is None else {**parts, "sample_weight": split.weights}


def _bind(method: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """The arguments given to a method of Keras, by name."""
    bound = inspect.signature(method).bind(*args, **kwargs).arguments
    return {
        **{name: bound[name] for name in bound if name not in ("self", "kwargs")},
        **bound.get("kwargs", {}),
    }
