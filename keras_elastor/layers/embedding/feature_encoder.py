"""From named features to one embedding per field."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_positive
from keras_elastor.layers.core.initializers import get_kernel_initializer
from keras_elastor.layers.embedding.embedding_table import EmbeddingTable
from keras_elastor.layers.embedding.history_pooling import (
    HistoryPooling,
    check_poolings,
    pooling_of,
)
from keras_elastor.layers.embedding.mean_pooling import MeanPooling
from keras_elastor.layers.embedding.numeric_embedding import NumericEmbedding
from keras_elastor.schema import Categorical, Embedding, FeatureSchema, Numeric, Sequence
from keras_elastor.utils.saving import (
    clone_layer,
    deserialize,
    layer_name,
    register,
    serialize,
)
from keras_elastor.utils.types import Config, InitializerLike, RegularizerLike, Shape, Tensor


@register
class FeatureEncoder(keras.layers.Layer):
    """Makes one embedding per feature, in the order of the schema.

    | feature | embedding |
    |---|---|
    | `Categorical` | row of its table |
    | `Numeric` | value * learned vector, or what `numeric_embedding` makes of the value |
    | `Sequence` | its table's rows at the positions that are not padding (id 0), pooled; zero for an empty history |
    | `Embedding` | learned linear map of the vector, without bias |

    All tables are one `EmbeddingTable`, read by one gather. An id outside its vocabulary gives NaN.

    Args:
        schema: A `FeatureSchema`. Default: None, which makes a template for the argument `encoder`
            of a model.
        embedding_dim: Width of every field's embedding. Default: 10.
        embeddings_initializer: Initializer of the tables' rows. Default: None, normal with standard
            deviation 1e-4 and zero padding rows, as in FuxiCTR.
        numeric_initializer: Initializer of the numeric features' vectors. Default: None, normal
            with standard deviation sqrt(2 / (1 + embedding_dim)), the Xavier normal of FuxiCTR's
            `Linear(1, embedding_dim)`.
        embeddings_regularizer: Regularizer of the tables, the numeric vectors and the maps of
            pretrained vectors (FuxiCTR from version 2.3.7 on; before, of the tables alone).
            FuxiCTR's lambda is `keras.regularizers.L2(lambda / 2)`. Default: None.
        history_pooling: A `HistoryPooling` layer, such as `TargetAttention()`; each history has one
            of its own. Or a dict of such layers by the name of a history, of joint ones by that of
            the first; the others have the default. Default: None, `MeanPooling()`.
        numeric_embedding: A `NumericEmbedding` layer, such as `PeriodicEmbedding()`, that embeds the
            numeric features. Default: None, value * learned vector.
        joint_histories: Groups of names of histories that tell of the same events, such as item and
            category of each click. The rows of a group are pooled as one, side by side, at the
            positions that are not padding in its first history. Default: (), each history alone.
        embedding_dropout: Share of the fields' embeddings that training sets to zero, each as a
            whole, row by row; the others are scaled by 1 / (1 - embedding_dropout). Histories are
            pooled before. Default: 0.

    Input: a dict with one tensor per feature: `(batch,)` integers, `(batch,)` floats,
    `(batch, max_length)` integers or `(batch, dim)` floats.
    Output shape: `(batch, fields, embedding_dim)`.

    Example:

    >>> schema = ke.FeatureSchema([ke.Numeric("price"), ke.Categorical("item", 10)])
    >>> encoder = ke.layers.FeatureEncoder(schema, embedding_dim=4)
    >>> encoder({"price": np.ones(2, "float32"), "item": np.array([1, 2])}).shape == (2, 2, 4)
    True

    Raises:
        ValueError: If a pooling is no `HistoryPooling`, names no history, or looks at the candidate
            and no `Categorical` feature reads the history's table; a joint history is no `Sequence`, stands
            in two groups, or differs in length from the first of its group.

    Reference: FuxiCTR, `FeatureEmbedding`.
    """  # noqa: E501 - the rows of a table do not break

    def __init__(
        self,
        schema: FeatureSchema | None = None,
        embedding_dim: int = 10,
        embeddings_initializer: InitializerLike = None,
        numeric_initializer: InitializerLike = None,
        embeddings_regularizer: RegularizerLike = None,
        history_pooling: HistoryPooling | Mapping[str, HistoryPooling] | None = None,
        joint_histories: Iterable[Iterable[str]] = (),
        numeric_embedding: NumericEmbedding | None = None,
        embedding_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_positive(self, embedding_dim=embedding_dim)
        self.schema: Any = schema
        self.embedding_dim = embedding_dim
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.numeric_initializer = keras.initializers.get(numeric_initializer)
        self.embeddings_regularizer = keras.regularizers.get(embeddings_regularizer)
        self.joint_histories = tuple(tuple(group) for group in joint_histories)
        self._check_joint_histories()
        check_poolings(type(self).__name__, history_pooling, schema, self.joint_histories)
        self.history_pooling = serialize(history_pooling)
        if not isinstance(numeric_embedding, NumericEmbedding | None):
            raise ValueError(
                f"{type(self).__name__}: expected `numeric_embedding` to be None or a layer, as "
                "ke.layers.PeriodicEmbedding() is. Received: "
                f"numeric_embedding={numeric_embedding!r}"
            )
        self.numeric_embedding = serialize(numeric_embedding)
        if isinstance(embedding_dropout, bool) or not 0 <= embedding_dropout < 1:
            raise ValueError(
                f"{type(self).__name__}: expected `embedding_dropout` from 0 to below 1. "
                f"Received: embedding_dropout={embedding_dropout!r}"
            )
        self.embedding_dropout = embedding_dropout
        # Half precision would round large numbers and ids before they are looked at.
        self.autocast = False

    def _check_joint_histories(self) -> None:
        if self.schema is None:
            return
        histories = {feature.name: feature for feature in self._features(Sequence)}
        seen: set[str] = set()
        for group in self.joint_histories:
            for name in group:
                if name not in histories or name in seen:
                    raise ValueError(
                        f"{type(self).__name__}: expected groups of the Sequence features "
                        f"{', '.join(histories) or '(none)'}, each named once. Received: "
                        f"'{name}' in joint_histories={self.joint_histories}"
                    )
                seen.add(name)
                first, history = histories[group[0]], histories[name]
                if history.max_length != first.max_length:
                    raise ValueError(
                        f"Sequence feature '{name}': expected max_length={first.max_length} as of "
                        f"'{first.name}', the first of its group in `joint_histories`. Received: "
                        f"max_length={history.max_length}"
                    )

    def _history_groups(self) -> list[list[Sequence]]:
        """The histories that are pooled as one, each in one group."""
        histories = {feature.name: feature for feature in self._features(Sequence)}
        joint = {name for group in self.joint_histories for name in group}
        alone = [(name,) for name in histories if name not in joint]
        return [[histories[name] for name in group] for group in (*self.joint_histories, *alone)]

    def _features(self, kind: type) -> list[Any]:
        features = () if self.schema is None else self.schema.features
        return [feature for feature in features if isinstance(feature, kind)]

    def build(self, input_shape: dict[str, Shape]) -> None:
        """Make the tables, the numeric vectors and the maps of pretrained vectors."""
        if self.schema is None:
            raise ValueError(
                f"{type(self).__name__} '{self.name}' has no schema: it is a template for the "
                "argument `encoder` of a model. Give it one to call it"
            )
        columns = [feature.table_name for feature in self._features(Categorical)]
        for feature in self._features(Sequence):
            columns += [feature.table_name] * feature.max_length
        self.table = None
        if columns:
            self.table = EmbeddingTable(
                self.schema.table_sizes,
                columns,
                self.embedding_dim,
                self.embeddings_initializer,
                self.embeddings_regularizer,
                dtype=self.dtype_policy,
                name="table",
            )
            self.table.build((None, len(columns)))
        numeric = self._features(Numeric)
        if numeric and self.numeric_embedding is not None:
            self.numbers = self._make_numeric_embedding()
            self.numbers.build((None, len(numeric)))
        elif numeric:
            self.numeric_vectors = self.add_weight(
                name="numeric_vectors",
                shape=(len(numeric), self.embedding_dim),
                initializer=self.numeric_initializer or self._default_numeric_initializer(),
                regularizer=self.embeddings_regularizer,
                autocast=False,
            )
        self.poolings = {
            group[0].name: self._make_pooling(group) for group in self._history_groups()
        }
        self.projections = {
            feature.name: self._make_projection(feature) for feature in self._features(Embedding)
        }
        self.dropout = None
        if self.embedding_dropout > 0:
            fields = len(self._fields)
            self.dropout = keras.layers.Dropout(
                self.embedding_dropout,
                noise_shape=(None, fields, 1),
                dtype=self.dtype_policy,
                name="dropout",
            )
            self.dropout.build((None, fields, self.embedding_dim))
        self.built = True

    def _default_numeric_initializer(self) -> Any:
        return keras.initializers.RandomNormal(stddev=(2 / (1 + self.embedding_dim)) ** 0.5)

    def _make_numeric_embedding(self) -> Any:
        template = deserialize(self.numeric_embedding)
        template.embedding_dim = self.embedding_dim
        return clone_layer(template, "numbers", self.dtype_policy)

    def _make_pooling(self, group: list[Sequence]) -> Any:
        name = "_".join(layer_name(history.name) for history in group)
        template = pooling_of(group[0].name, deserialize(self.history_pooling)) or MeanPooling()
        pooling = clone_layer(template, f"{name}_pooling", self.dtype_policy)
        width = len(group) * self.embedding_dim
        rows, row = (None, group[0].max_length, width), (None, width)
        pooling.build([rows, rows[:2], row] if pooling.uses_target else [rows, rows[:2]])
        return pooling

    def _make_projection(self, feature: Embedding) -> Any:
        projection = keras.layers.Dense(
            self.embedding_dim,
            use_bias=False,
            kernel_initializer=get_kernel_initializer(None),
            kernel_regularizer=self.embeddings_regularizer,
            dtype=self.dtype_policy,
        )
        projection.build((None, feature.dim))
        return projection

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        """Embed every feature."""
        return self._embed_fields(inputs, *self._look_up(inputs))

    def _embed_fields(
        self, inputs: dict[str, Tensor], rows: Tensor, histories: dict[str, Tensor]
    ) -> Tensor:
        """One embedding per field, in the order of the schema."""
        blocks: dict[type, Tensor] = {
            Categorical: rows,
            Sequence: self._pool(inputs, rows, histories),
            Numeric: self._embed_numbers(inputs),
            Embedding: self._embed_vectors(inputs),
        }
        # Neighbours of one kind are one slice of their block.
        fields = []
        taken = dict.fromkeys(blocks, 0)
        for kind, run in itertools.groupby(self._fields, type):
            count = len(list(run))
            fields.append(blocks[kind][:, taken[kind] : taken[kind] + count])
            taken[kind] += count
        outputs = fields[0] if len(fields) == 1 else ops.concatenate(fields, axis=1)
        outputs = ops.cast(outputs, self.compute_dtype)
        return outputs if self.dropout is None else self.dropout(outputs)

    @property
    def _fields(self) -> tuple[Any, ...]:
        """The features that become one embedding each."""
        return tuple(self.schema.features)

    def _look_up(self, inputs: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The rows of all categorical features and those of each history, by one gather.

        Without a table there are none.
        """
        if self.table is None:
            return None, {}
        categorical = self._features(Categorical)
        columns = [ops.expand_dims(inputs[feature.name], 1) for feature in categorical]
        columns += [inputs[feature.name] for feature in self._features(Sequence)]
        rows = self.table(ops.concatenate(columns, axis=1))
        histories: dict[str, Tensor] = {}
        start = len(categorical)
        for feature in self._features(Sequence):
            histories[feature.name] = rows[:, start : start + feature.max_length]
            start += feature.max_length
        return rows[:, : len(categorical)], histories

    def _pool(
        self, inputs: dict[str, Tensor], rows: Tensor, histories: dict[str, Tensor]
    ) -> Tensor:
        """One embedding per pooled history; None without one."""
        targets: dict[str, Tensor] = {}
        for index, feature in enumerate(self._features(Categorical)):
            targets.setdefault(feature.table_name, rows[:, index])
        pooled: dict[str, Tensor] = {}
        for group in self._history_groups():
            parts = [side_by_side([histories[feature.name] for feature in group])]
            parts.append(ops.cast(ops.not_equal(inputs[group[0].name], 0), parts[0].dtype))
            pooling = self.poolings[group[0].name]
            if pooling.uses_target:
                parts.append(side_by_side([targets[feature.table_name] for feature in group]))
            width = self.embedding_dim
            outputs = pooling(parts)
            for index, feature in enumerate(group):
                pooled[feature.name] = outputs[:, index * width : (index + 1) * width]
        if not pooled:
            return None
        return ops.stack([pooled[name] for name in histories if name in pooled], axis=1)

    def _embed_numbers(self, inputs: dict[str, Tensor]) -> Tensor | None:
        numeric = self._features(Numeric)
        if not numeric:
            return None
        numbers = ops.stack([inputs[feature.name] for feature in numeric], axis=1)
        if self.numeric_embedding is not None:
            return self.numbers(numbers)
        numbers = ops.expand_dims(ops.cast(numbers, self.variable_dtype), -1)
        return ops.cast(numbers * self.numeric_vectors, self.compute_dtype)

    def _embed_vectors(self, inputs: dict[str, Tensor]) -> Tensor | None:
        if not self.projections:
            return None
        vectors = [
            projection(ops.cast(inputs[name], self.compute_dtype))
            for name, projection in self.projections.items()
        ]
        return ops.stack(vectors, axis=1)

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> Any:
        """Shape and dtype of the embeddings."""
        shapes = {name: tensor.shape for name, tensor in inputs.items()}
        return keras.KerasTensor(self.compute_output_shape(shapes), dtype=self.compute_dtype)

    def compute_output_shape(self, input_shape: dict[str, Shape]) -> Shape:
        """Shape of the embeddings."""
        batch = input_shape[self.schema.names[0]][0]
        return (batch, len(self._fields), self.embedding_dim)

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "schema": serialize(self.schema),
            "embedding_dim": self.embedding_dim,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
            "numeric_initializer": keras.initializers.serialize(self.numeric_initializer),
            "embeddings_regularizer": keras.regularizers.serialize(self.embeddings_regularizer),
            "history_pooling": self.history_pooling,
            "joint_histories": self.joint_histories,
            "numeric_embedding": self.numeric_embedding,
            "embedding_dropout": self.embedding_dropout,
        }

    @classmethod
    def from_config(cls, config: Config) -> FeatureEncoder:
        """Make the encoder from its config."""
        names = ("schema", "history_pooling", "numeric_embedding")
        nested = {name: deserialize(config.get(name)) for name in names}
        return cls(**{**config, **nested})


def side_by_side(tensors: list[Tensor]) -> Tensor:
    """Tensors along their last axis."""
    return tensors[0] if len(tensors) == 1 else ops.concatenate(tensors, axis=-1)
