"""One optimizer for the tables of a model, another one for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_elastor.keras_compat.replicas import num_replicas
from keras_elastor.keras_compat.sparse_rows import Rows, as_rows, is_table
from keras_elastor.optimizers.clipping import clip_scale
from keras_elastor.optimizers.lazy_adam import LazyAdam
from keras_elastor.optimizers.row_optimizer import RowOptimizer
from keras_elastor.optimizers.row_penalty import add_penalty, check_penalty
from keras_elastor.utils.saving import deserialize, register, serialize
from keras_elastor.utils.types import Config

# Arguments of Keras' optimizers that would treat the dense part unlike the tables.
_OTHERS = {
    "global_clipnorm": "Give it to ke.optimizers.Split, for the gradients of the tables and of the "
    "rest together",
    "loss_scale_factor": "Tables are not scaled. Train in float32 or mixed_bfloat16",
    "gradient_accumulation_steps": "It would keep gradients of the tables' size. Train on larger "
    "batches",
}


@register
class Split(keras.optimizers.Optimizer):
    """Moves the embedding tables of a model by one optimizer and its other weights by another.

    The gradients of the tables are taken by rows and never made at a table's size, so that a step
    costs what its batch looks up, not what the tables hold. Tables are those of `FeatureEncoder`
    and `LinearTerm`, however many features share them; models are those of `ke.models`.

    An `embeddings_regularizer` of a table (`L1`, `L2` or `L1L2` of Keras) acts on the rows of the
    batch, once each; the training's loss leaves it out, that of `evaluate` has it for all rows.
    Frozen tables stay as they are.

    Setting `learning_rate` sets that of the dense part and moves that of the tables in proportion,
    so that callbacks which lower it, such as `keras.callbacks.ReduceLROnPlateau`, lower both.

    Args:
        tables: An optimizer of rows: `LazyAdam`, `RowWiseAdagrad`, `LazyAdagrad` or `LazySGD`.
            Default: None, `LazyAdam()`.
        dense: An optimizer of Keras, or its name or config. Default: "adam".
        global_clipnorm: Norm to which larger gradients, of tables and of the rest together, are
            scaled. Default: None.
        name: Name. Default: "split".

    Example:

    >>> optimizer = ke.optimizers.Split(
    ...     tables=ke.optimizers.RowWiseAdagrad(0.02), dense=keras.optimizers.AdamW(1e-3)
    ... )
    >>> model = ke.models.DNN(ke.FeatureSchema([ke.Categorical("item", 20)]), hidden_units=[4])
    >>> model.compile(optimizer)
    >>> history = model.fit({"item": np.arange(20)}, np.arange(20) % 2, verbose=0)

    Raises:
        ValueError: If `tables` is no optimizer of rows or `dense` is one, an argument of theirs
            belongs to the whole model, or a table's regularizer is none of the three.
    """

    with_penalty = False
    """The loss leaves the regularizers of tables out."""

    def __init__(
        self,
        tables: RowOptimizer | None = None,
        dense: Any = "adam",
        global_clipnorm: float | None = None,
        name: str = "split",
    ) -> None:
        tables = LazyAdam() if tables is None else tables
        if not isinstance(tables, RowOptimizer):
            raise ValueError(
                "Split: expected `tables` to be an optimizer of rows, such as "
                f"ke.optimizers.LazyAdam(). Received: tables={tables!r}"
            )
        dense = keras.optimizers.get(dense)
        others = RowOptimizer | Split | keras.optimizers.LossScaleOptimizer
        if isinstance(dense, others):
            raise ValueError(
                "Split: expected `dense` to be an optimizer of Keras, such as "
                f"keras.optimizers.Adam(). Received: dense={dense!r}"
            )
        for argument, reason in _OTHERS.items():
            if getattr(dense, argument, None):
                raise ValueError(
                    f"Split: expected `dense` without `{argument}`. {reason}. Received: "
                    f"dense={type(dense).__name__}({argument}={getattr(dense, argument)!r})"
                )
        super().__init__(0.0, global_clipnorm=global_clipnorm, name=name)
        self.tables = tables
        self.dense = dense

    def build(self, variables: Sequence[Any]) -> None:
        """Make the variables of both optimizers.

        Raises:
            ValueError: If a table has a regularizer that is not known by rows, or there are several
                replicas.
        """
        if self.built:
            return
        if num_replicas() > 1:
            raise ValueError(
                "Split: expected one replica. Received: a strategy of TensorFlow with "
                f"{num_replicas()}. Train with an optimizer of Keras, or on one device"
            )
        for variable in filter(is_table, variables):
            check_penalty(variable)
        super().build(variables)
        self.tables.build([variable for variable in variables if is_table(variable)])
        self.dense.build([variable for variable in variables if not is_table(variable)])

    def tables_by_rows(self, variables: Sequence[Any]) -> list[Any]:
        """The variables whose gradients it takes by rows: all tables."""
        return [one for one in variables if is_table(one)]

    @property
    def variables(self) -> list[Any]:
        """The variables of both optimizers."""
        return [*self._variables, *self.tables.variables, *self.dense.variables]

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the dense part."""
        return self.dense.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        if follows_schedule(self):
            raise TypeError(
                "Split: expected optimizers whose learning rates are numbers, to set them. "
                "Received: one with a schedule"
            )
        before, new = (
            float(ops.convert_to_numpy(rate)) for rate in (self.learning_rate, learning_rate)
        )
        tables = float(ops.convert_to_numpy(self.tables.learning_rate))
        if before == 0 and new != 0:
            raise ValueError(
                "Split: expected a learning rate above 0, to move that of the tables in "
                "proportion. Received: 0. Set `optimizer.tables.learning_rate` and "
                "`optimizer.dense.learning_rate`"
            )
        self.dense.learning_rate = new
        self.tables.learning_rate = tables * (new / before) if before else tables

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """Move the weights of a model.

        Args:
            grads: The gradient of each variable; None for one without.
            trainable_variables: The variables. Default: None, those it was built for.

        Raises:
            ValueError: If the gradient of a table comes as a whole.
        """
        if trainable_variables is None:
            trainable_variables = self._trainable_variables
        variables = list(trainable_variables)
        if not self.built:
            self.build(variables)
        self._check_variables_are_known(variables)
        pairs = list(zip(grads, variables, strict=True))
        # A table of whose rows none was looked up has no gradient.
        tables = [pair for pair in pairs if is_table(pair[1]) and pair[0] is not None]
        rows = [add_penalty(_rows(gradient, table), table) for gradient, table in tables]
        dense = [pair for pair in pairs if not is_table(pair[1])]
        gradients = [gradient for gradient, _ in dense]
        if self.global_clipnorm:
            parts = [*(one.values for one in rows), *gradients]
            squares = [ops.sum(ops.square(one)) for one in parts if one is not None]
            scale = clip_scale(squares, self.global_clipnorm)
            rows = [one._replace(values=one.values * scale) for one in rows]
            gradients = [None if one is None else one * scale for one in gradients]
        self.tables.apply(rows, [table for _, table in tables])
        self.dense.apply(gradients, [variable for _, variable in dense])
        self._iterations.assign_add(1)

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        """Give the dense weights their moving averages, if `dense` has them."""
        self.dense.finalize_variable_values([one for one in var_list if not is_table(one)])

    def save_own_variables(self, store: Any) -> None:
        """Save the step; both optimizers save theirs beside it."""
        store["0"] = ops.convert_to_numpy(self._iterations)

    def load_own_variables(self, store: Any) -> None:
        """Load the step; both optimizers load theirs beside it."""
        self._iterations.assign(store["0"])

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            "tables": serialize(self.tables),
            "dense": serialize(self.dense),
            "global_clipnorm": self.global_clipnorm,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: Any = None) -> Split:
        """Make the optimizer from its config."""
        with keras.saving.custom_object_scope(custom_objects or {}):
            nested = {name: deserialize(config[name]) for name in ("tables", "dense")}
        return cls(**{**config, **nested})


def follows_schedule(optimizer: Any) -> bool:
    """Whether a learning rate of an optimizer is no number that can be set."""
    parts = (optimizer.tables, optimizer.dense) if isinstance(optimizer, Split) else (optimizer,)
    return any(not isinstance(part.learning_rate, keras.Variable) for part in parts)


def check_optimizer(optimizer: Any) -> None:
    """Raise ValueError if an optimizer of rows is used in a way that it cannot be."""
    if isinstance(optimizer, RowOptimizer):
        kind = type(optimizer).__name__
        raise ValueError(
            f"{kind} moves embedding tables only. Expected "
            f"optimizer=ke.optimizers.Split(tables=ke.optimizers.{kind}(), dense=...), whose "
            f"`dense` moves the other weights. Received: optimizer={kind}"
        )
    if isinstance(getattr(optimizer, "inner_optimizer", None), Split | RowOptimizer):
        raise ValueError(
            "Split: expected the dtype policy float32 or mixed_bfloat16. Received: a loss that is "
            "scaled, as mixed_float16 asks for"
        )


def _rows(gradient: Any, table: Any) -> Rows:
    rows = as_rows(gradient)
    if rows is None:
        raise ValueError(
            f"Split: expected the gradient of table '{table.path}' by rows, which the training of "
            "the models of ke.models gives. Received: a gradient of the whole table. Write "
            "the model as a ke.models.RankingModel, or train it with an optimizer of Keras"
        )
    return rows
