"""Wukong: stacked factorization machines that scale."""

from __future__ import annotations

from typing import Any

from keras_elastor.layers import PredictionHead, WukongBlock
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


@register_model("wukong")
class Wukong(RankingModel):
    """Blocks of second-order interactions; each doubles the order that is reached.

        X_0 = encoder(features);   X_l = WukongBlock(X_{l-1});   logits = MLP(vec X_L)

    Args:
        schema: A `FeatureSchema`.
        embedding_dim: Width of each field's embedding, short for `encoder`'s. Default: None, 10.
        num_blocks: Number of blocks L. Default: 3.
        interaction_tokens: See `WukongBlock`. Default: 40.
        linear_tokens: See `WukongBlock`. Default: 40.
        rank: See `WukongBlock`. Default: 8.
        block_units: Widths of the hidden layers in each block. Default: (512, 256).
        hidden_units: Widths of the MLP on the last block, or layers. Default: (400, 400).
        activation: Elementwise function of that MLP, or a layer. Default: "relu".
        normalization: Norm before each activation of that MLP, see `MLP`. Default: None.
        dropout: Rate after each activation of that MLP. Default: 0.
        encoder: How features become embeddings: settings of a `FeatureEncoder`, such as
            `{"embeddings_regularizer": "l2"}`, or one without schema. Default: None.
        dtype: Dtype policy of every layer. Default: None, the global one.
        kwargs: `name` and `trainable`.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Numeric("price")])
    >>> model = ke.models.Wukong(schema, num_blocks=2, block_units=[16], hidden_units=[8])
    >>> model.stage_names
    ['encoder', 'block_0', 'block_1', 'head_hidden_0']

    Reference: Zhang et al., Wukong (ICML 2024, arXiv 2403.02545); FuxiCTR, model `WuKong`.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        embedding_dim: int | None = None,
        num_blocks: int = 3,
        interaction_tokens: int = 40,
        linear_tokens: int = 40,
        rank: int = 8,
        block_units: UnitsLike = (512, 256),
        hidden_units: UnitsLike = (400, 400),
        activation: ActivationLike = "relu",
        normalization: NormalizationLike = None,
        dropout: RateLike = 0.0,
        encoder: EncoderLike = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        encoder = encoder_template(encoder, embedding_dim)
        inputs, embeddings = encode(schema, encoder, dtype)
        stages = {"encoder": embeddings}
        tokens = embeddings
        for index in range(num_blocks):
            block = WukongBlock(
                interaction_tokens,
                linear_tokens,
                rank,
                block_units,
                dtype=dtype,
                name=f"block_{index}",
            )
            tokens = stages[f"block_{index}"] = block(tokens)
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
        logits = head(tokens)
        stages |= hidden_stages(head, tokens)
        super().__init__(schema, inputs, logits, stages, **kwargs)
