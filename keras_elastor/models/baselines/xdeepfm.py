"""xDeepFM: a compressed interaction network, a deep network and a linear term."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_elastor.layers import CompressedInteraction, LinearTerm, LogitSum, PredictionHead
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


@register_model("xdeepfm")
class xDeepFM(RankingModel):  # noqa: N801 - its name in the literature
    """Vector-wise interactions beside a deep network.

        logits = linear(features) + CIN(e) w + b + MLP(vec e),   e = encoder(features)

    Args:
        schema: A `FeatureSchema`.
        embedding_dim: Width of each field's embedding, short for `encoder`'s. Default: None, 10.
        cin_units: Number of maps after each step of the `CompressedInteraction`. Default: (16, 16).
        hidden_units: Widths of the MLP; empty leaves it out. Default: (400, 400, 400).
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
    >>> ke.models.xDeepFM(schema, cin_units=[4], hidden_units=[16]).stage_names
    ['encoder', 'cin', 'deep_hidden_0']

    Reference: Lian et al., xDeepFM (KDD 2018, arXiv 1803.05170); FuxiCTR, model `xDeepFM`.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        embedding_dim: int | None = None,
        cin_units: Sequence[int] = (16, 16),
        hidden_units: UnitsLike = (400, 400, 400),
        activation: ActivationLike = "relu",
        normalization: NormalizationLike = None,
        dropout: RateLike = 0.0,
        encoder: EncoderLike = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        encoder = encoder_template(encoder, embedding_dim)
        tasks = schema.num_tasks
        inputs, embeddings = encode(schema, encoder, dtype)
        stages = {"encoder": embeddings}
        stages["cin"] = CompressedInteraction(cin_units, dtype=dtype, name="cin")(embeddings)
        linear = LinearTerm(
            schema,
            tasks,
            embeddings_regularizer=encoder.embeddings_regularizer,
            dtype=dtype,
            name="linear",
        )
        cin_head = PredictionHead(tasks, dtype=dtype, name="cin_head")
        parts = [linear(inputs), cin_head(stages["cin"])]
        if hidden_units:
            deep = PredictionHead(
                tasks,
                hidden_units=hidden_units,
                activation=activation,
                normalization=normalization,
                dropout=dropout,
                dtype=dtype,
                name="deep",
            )
            parts.append(deep(embeddings))
            stages |= hidden_stages(deep, embeddings)
        logits = LogitSum(dtype=dtype)(parts)
        super().__init__(schema, inputs, logits, stages, **kwargs)
