"""All embedding tables of one width as one weight, read by one gather."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_elastor.keras_compat.row_gradients import (
    is_trained_by_rows,
    look_up,
    penalty_of,
)
from keras_elastor.keras_compat.sparse_rows import mark_table
from keras_elastor.layers.core.checks import require_positive
from keras_elastor.layers.core.initializers import clone_initializer, seed_initializer
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, InitializerLike, RegularizerLike, Shape, Tensor


@register
class EmbeddingTable(keras.layers.Layer):
    """Several embedding tables fused into one weight; one gather reads all columns.

        y[b, c] = E[offset(table of column c) + ids[b, c]]

    An id outside its own table would silently read a neighbour's rows. It reads NaN instead, alike
    on every backend, so that neither a prediction nor a loss can hide it.

    Row 0 of each table, the padding, starts at zero and does not learn, as in FuxiCTR.

    Args:
        table_sizes: Number of rows of each table by name, in the order of their rows in the weight.
        columns: Name of the table that each column of the ids points into.
        embedding_dim: Width of the rows.
        embeddings_initializer: Initializer of the rows but the padding. Default: None, normal with
            standard deviation 1e-4, as in FuxiCTR.
        embeddings_regularizer: Regularizer of all rows. FuxiCTR's embedding regularizer lambda is
            `keras.regularizers.L2(lambda / 2)`. Default: None.

    Input shape: `(batch, columns)`, integers. Output shape: `(batch, columns, embedding_dim)`.

    Example:

    >>> table = ke.layers.EmbeddingTable(
    ...     {"user": 10, "item": 5}, columns=["user", "item", "item"], embedding_dim=4
    ... )
    >>> table(np.array([[9, 4, 0]])).shape == (1, 3, 4)
    True
    >>> table.rows
    {'user': slice(0, 10, None), 'item': slice(10, 15, None)}

    Raises:
        ValueError: If a column names an unknown table, or a size is below 1.
    """

    def __init__(
        self,
        table_sizes: Mapping[str, int],
        columns: Sequence[str],
        embedding_dim: int,
        embeddings_initializer: InitializerLike = None,
        embeddings_regularizer: RegularizerLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_positive(self, embedding_dim=embedding_dim, **table_sizes)
        unknown = [name for name in columns if name not in table_sizes]
        if unknown or not columns:
            raise ValueError(
                "EmbeddingTable: expected every column to name one of the tables "
                f"{list(table_sizes)}. Received: columns={list(columns)}"
            )
        self.table_sizes = dict(table_sizes)
        self.columns = tuple(columns)
        self.embedding_dim = embedding_dim
        if embeddings_initializer is None:
            embeddings_initializer = keras.initializers.RandomNormal(stddev=1e-4)
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.embeddings_regularizer = keras.regularizers.get(embeddings_regularizer)

    @property
    def rows(self) -> dict[str, slice]:
        """The rows of each table in the weight."""
        ends = np.cumsum(list(self.table_sizes.values())).tolist()
        starts = [0, *ends]
        return {
            name: slice(start, end)
            for name, start, end in zip(self.table_sizes, starts, ends, strict=False)
        }

    def build(self, input_shape: Shape) -> None:
        """Make the weight."""
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(sum(self.table_sizes.values()), self.embedding_dim),
            initializer=self._initialize,
            regularizer=self._regularize if self.embeddings_regularizer else None,
            # Casting the whole table each step would cost what the table holds.
            autocast=False,
        )
        mark_table(self.embeddings, self.embeddings_regularizer)
        self.built = True

    def _regularize(self, embeddings: Tensor) -> Tensor:
        """The penalty of all rows; where rows alone are trained, their optimizer knows it."""
        if is_trained_by_rows(self.embeddings):
            return penalty_of(self.embeddings)
        return self.embeddings_regularizer(embeddings)

    def _initialize(self, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        return self._fill(clone_initializer(self.embeddings_initializer), shape, dtype)

    def draw(self, seed: int) -> Tensor:
        """Rows as a new table has them, drawn from a seed.

        Args:
            seed: An integer, instead of the initializer's own seed.
        """
        initializer = seed_initializer(self.embeddings_initializer, seed)
        return self._fill(initializer, self.embeddings.shape, self.embeddings.dtype)

    def _fill(self, initializer: Any, shape: tuple[int, ...], dtype: Any) -> Tensor:
        values = initializer(shape, dtype=dtype)
        # Not `where`, which would make two more tensors of the table's size.
        padding = np.array([[rows.start] for rows in self.rows.values()], "int32")
        zeros = ops.zeros((len(padding), shape[1]), dtype=values.dtype)
        return ops.scatter_update(values, padding, zeros)

    def call(self, inputs: Tensor) -> Tensor:
        """Look up the rows."""
        rows = self.rows
        sizes = np.array([self.table_sizes[name] for name in self.columns], "int32")
        offsets = np.array([rows[name].start for name in self.columns], "int32")
        is_valid = ops.logical_and(ops.greater_equal(inputs, 0), ops.less(inputs, sizes))
        # Offsets first: Keras makes a bias of what is added on TensorFlow, and LiteRT has none of
        # integers.
        indices = ops.where(is_valid, ops.add(offsets, ops.cast(inputs, "int32")), 0)
        embeddings = ops.cast(look_up(self.embeddings, indices), self.compute_dtype)
        not_a_number = ops.cast(float("nan"), self.compute_dtype)
        learns, is_valid = (
            ops.expand_dims(mask, -1) for mask in (ops.not_equal(inputs, 0), is_valid)
        )
        embeddings = ops.where(learns, embeddings, ops.stop_gradient(embeddings))
        return ops.where(is_valid, embeddings, not_a_number)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the looked-up rows."""
        return (*input_shape, self.embedding_dim)

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "table_sizes": self.table_sizes,
            "columns": self.columns,
            "embedding_dim": self.embedding_dim,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": keras.regularizers.serialize(self.embeddings_regularizer),
        }
