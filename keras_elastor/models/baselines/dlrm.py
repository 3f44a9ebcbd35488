"""DLRM: dot products between embeddings and one vector of all numbers."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_elastor.layers import MLP, DotProductInteraction, PredictionHead
from keras_elastor.models.encoder_template import EncoderLike, encoder_template, with_schema
from keras_elastor.models.hidden_stages import hidden_stages
from keras_elastor.models.ranking_model import RankingModel, make_inputs, select_features
from keras_elastor.models.registry import register_model
from keras_elastor.schema import FeatureSchema, Numeric
from keras_elastor.utils.types import (
    ActivationLike,
    NormalizationLike,
    RateLike,
    UnitsLike,
)


@register_model("dlrm")
class DLRM(RankingModel):
    """Deep learning recommendation model.

        z = activation(MLP_bottom(numeric features) W + b)
        logits = MLP_top([all dot products of two of e_1, ..., e_F, z; z])

    The map to z has no norm, as in FuxiCTR. Without numeric features there is no z.

    Args:
        schema: A `FeatureSchema`.
        embedding_dim: Width of each embedding and of z, short for `encoder`'s. Default: None, 10.
        bottom_units: Widths of the bottom MLP before its last layer. Default: (400, 400).
        hidden_units: Widths of the top MLP. Default: (400, 400).
        activation: Elementwise function of both MLPs, or a layer. Default: "relu".
        normalization: Norm before each hidden activation, see `MLP`. Default: None.
        dropout: Rate after each activation of the top MLP. Default: 0.
        encoder: How features become embeddings: settings of a `FeatureEncoder`, such as
            `{"embeddings_regularizer": "l2"}`, or one without schema. Default: None.
        dtype: Dtype policy of every layer. Default: None, the global one.
        kwargs: `name` and `trainable`.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Numeric("price")])
    >>> ke.models.DLRM(schema, bottom_units=[8], hidden_units=[16]).stage_names
    ['encoder', 'bottom_hidden_0', 'bottom', 'interaction', 'head_hidden_0']

    Raises:
        ValueError: If there are fewer than two vectors to multiply.

    Reference: Naumov et al., Deep Learning Recommendation Model (arXiv 1906.00091); FuxiCTR, model
    `DLRM`.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        embedding_dim: int | None = None,
        bottom_units: UnitsLike = (400, 400),
        hidden_units: UnitsLike = (400, 400),
        activation: ActivationLike = "relu",
        normalization: NormalizationLike = None,
        dropout: RateLike = 0.0,
        encoder: EncoderLike = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        encoder = encoder_template(encoder, embedding_dim)
        numeric = [f.name for f in schema.features if isinstance(f, Numeric)]
        others = [name for name in schema.names if name not in numeric]
        inputs = make_inputs(schema)
        vectors, stages = [], {}
        if others:
            embed = with_schema(encoder, select_features(schema, others), dtype)
            stages["encoder"] = embed({name: inputs[name] for name in others})
            vectors.append(stages["encoder"])
        if numeric:
            bottom = MLP(
                bottom_units,
                encoder.embedding_dim,
                activation,
                normalization,
                output_activation=activation,
                dtype=dtype,
                name="bottom",
            )
            numbers = ops.stack([inputs[name] for name in numeric], axis=1)
            vector = bottom(numbers)
            stages |= {**hidden_stages(bottom, numbers), "bottom": vector}
            vectors.append(keras.layers.Reshape((1, encoder.embedding_dim), dtype=dtype)(vector))
        fields = (
            vectors[0]
            if len(vectors) == 1
            else keras.layers.Concatenate(axis=1, dtype=dtype)(vectors)
        )
        products = DotProductInteraction(dtype=dtype, name="interaction")(fields)
        stages["interaction"] = products
        if numeric:
            products = keras.layers.Concatenate(dtype=dtype)([products, stages["bottom"]])
        head = PredictionHead(
            schema.num_tasks,
            "flatten",
            hidden_units,
            activation,
            normalization,
            dropout,
            dtype=dtype,
            name="head",
        )
        logits = head(products)
        stages |= hidden_stages(head, products)
        super().__init__(schema, inputs, logits, stages, **kwargs)
