"""The wide part: one weight per feature value."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.numerics import at_least_float32
from keras_elastor.layers.embedding.feature_encoder import FeatureEncoder
from keras_elastor.layers.embedding.sum_pooling import SumPooling
from keras_elastor.schema import Embedding, FeatureSchema, Numeric
from keras_elastor.utils.saving import deserialize, register
from keras_elastor.utils.types import Config, InitializerLike, RegularizerLike, Shape, Tensor


@register
class LinearTerm(FeatureEncoder):
    """A linear model on the raw features.

        y = sum_f w_f[id_f] + sum_g w_g x_g + sum_h sum_i w_h[id_hi] (+ b)

    over categorical features f, numeric features g and the items i of histories h. A history has
    weights of its own, even where it shares an embedding table.

    Args:
        schema: A `FeatureSchema`.
        units: Number of tasks. Default: 1.
        use_bias: Whether there is a bias. Default: False.
        embeddings_initializer: As for `FeatureEncoder`.
        numeric_initializer: As for `FeatureEncoder`.
        embeddings_regularizer: As for `FeatureEncoder`. Default: None.

    Input: as for `FeatureEncoder`. Output shape: `(batch, units)`, float32 under a half-precision
    policy.

    Example:

    >>> schema = ke.FeatureSchema([ke.Numeric("price"), ke.Categorical("item", 10)])
    >>> linear = ke.layers.LinearTerm(schema)
    >>> linear({"price": np.ones(2, "float32"), "item": np.array([1, 2])}).shape == (2, 1)
    True

    Reference: FuxiCTR, `LogisticRegression`.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        units: int = 1,
        use_bias: bool = False,
        embeddings_initializer: InitializerLike = None,
        numeric_initializer: InitializerLike = None,
        embeddings_regularizer: RegularizerLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            _without_sharing(schema),
            units,
            embeddings_initializer,
            numeric_initializer,
            embeddings_regularizer,
            SumPooling(),
            **kwargs,
        )
        self.units = units
        self.use_bias = use_bias

    def build(self, input_shape: dict[str, Shape]) -> None:
        """Make the weights and the bias."""
        super().build(input_shape)
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.units,), initializer="zeros", autocast=False
            )

    def call(self, inputs: dict[str, Tensor]) -> Tensor:
        """Add up the weights."""
        terms = ops.cast(super().call(inputs), at_least_float32(self.compute_dtype))
        total = ops.sum(terms, axis=1)
        return total + ops.cast(self.bias, total.dtype) if self.use_bias else total

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> Any:
        """Shape and dtype of the logits."""
        shapes = {name: tensor.shape for name, tensor in inputs.items()}
        dtype = at_least_float32(self.compute_dtype)
        return keras.KerasTensor(self.compute_output_shape(shapes), dtype=dtype)

    def compute_output_shape(self, input_shape: dict[str, Shape]) -> Shape:
        """Shape of the logits."""
        return (input_shape[self.schema.names[0]][0], self.units)

    def get_config(self) -> Config:
        """Constructor arguments."""
        config = {**super().get_config(), "units": self.units, "use_bias": self.use_bias}
        for name in ("embedding_dim", "history_pooling", "joint_histories", "embedding_dropout"):
            del config[name]
        return config

    @classmethod
    def from_config(cls, config: Config) -> LinearTerm:
        """Make the term from its config."""
        return cls(**{**config, "schema": deserialize(config["schema"])})


def _without_sharing(schema: FeatureSchema) -> FeatureSchema:
    features = tuple(
        feature
        if isinstance(feature, Numeric | Embedding)
        else dataclasses.replace(feature, table=None)
        for feature in schema.features
    )
    return dataclasses.replace(schema, features=features)
