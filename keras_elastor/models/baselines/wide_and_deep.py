"""Wide & Deep: a linear model and a deep network."""

from __future__ import annotations

from typing import Any

from keras_elastor.layers import LinearTerm, LogitSum, PredictionHead
from keras_elastor.models.encoder_template import EncoderLike, encoder_template
from keras_elastor.models.hidden_stages import hidden_stages
from keras_elastor.models.ranking_model import RankingModel, encode
from keras_elastor.models.registry import register_model
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.types import (
    ActivationLike,
    NormalizationLike,
    RateLike,
    UnitsLike,
)


@register_model("wide_and_deep")
class WideAndDeep(RankingModel):
    """A linear term that memorizes beside a deep network that generalizes.

        logits = linear(features) + MLP(vec(encoder(features)))

    Crossed features, which the paper feeds to the wide part, are features of the schema here.

    Args:
        schema: A `FeatureSchema`.
        embedding_dim: Width of each field's embedding, short for `encoder`'s. Default: None, 10.
        hidden_units: Widths of the MLP, or layers, see `MLP`. Default: (400, 400).
        activation: Elementwise function of the MLP, or a layer. Default: "relu".
        normalization: Norm before each activation, see `MLP`. Default: None.
        dropout: Rate after each activation, or one per layer, see `MLP`. Default: 0.
        encoder: How features become embeddings: settings of a `FeatureEncoder`, such as
            `{"embeddings_regularizer": "l2"}`, or one without schema. The regularizer holds for the
            linear term's weights, too. Default: None.
        dtype: Dtype policy of every layer. Default: None, the global one.
        kwargs: `name` and `trainable`.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Numeric("price")])
    >>> ke.models.WideAndDeep(schema, hidden_units=[16]).stage_names
    ['encoder', 'linear', 'deep_hidden_0']

    Reference: Cheng et al., Wide & Deep Learning (DLRS 2016, arXiv 1606.07792); FuxiCTR, model
    `WideDeep`.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        embedding_dim: int | None = None,
        hidden_units: UnitsLike = (400, 400),
        activation: ActivationLike = "relu",
        normalization: NormalizationLike = None,
        dropout: RateLike = 0.0,
        encoder: EncoderLike = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        encoder = encoder_template(encoder, embedding_dim)
        tasks = schema.num_tasks
        linear = LinearTerm(
            schema,
            tasks,
            embeddings_regularizer=encoder.embeddings_regularizer,
            dtype=dtype,
            name="linear",
        )
        deep = PredictionHead(
            tasks,
            "flatten",
            hidden_units,
            activation,
            normalization,
            dropout,
            dtype=dtype,
            name="deep",
        )
        inputs, embeddings = encode(schema, encoder, dtype)
        stages = {"encoder": embeddings, "linear": linear(inputs)}
        logits = LogitSum(dtype=dtype)([stages["linear"], deep(embeddings)])
        stages |= hidden_stages(deep, embeddings)
        super().__init__(schema, inputs, logits, stages, **kwargs)
