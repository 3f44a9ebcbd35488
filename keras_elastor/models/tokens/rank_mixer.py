"""RankMixer: parameter-free token mixing and per-token feed-forward nets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_elastor.layers import (
    MixerBlock,
    PerTokenFFN,
    PerTokenMoE,
    Residual,
    RMSNormalization,
    SharedTokenizer,
    TokenMixing,
)
from keras_elastor.models.encoder_template import EncoderLike, encoder_template
from keras_elastor.models.registry import register_model
from keras_elastor.models.tokens.token_model import TokenModel, repeat_block, require_unset
from keras_elastor.models.tokens.wide import WideLike
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.types import NormalizationLike


@register_model("rank_mixer")
class RankMixer(TokenModel):
    """RankMixer (Zhu et al., CIKM 2025).

        e = encoder(features);  X_0 = tokenizer(e)
        A_l = RMSNorm(LN(X_{l-1} + mix(X_{l-1})));  X_l = A_l + FFN_l(A_l)
        logits = MLP(vec X_L)

    By default every layer is as in the baseline of RankElastor's official code; each can be
    replaced. The published form, with per-token slices, a norm after the FFN and mean pooling, is
    in the presets `rank_mixer_100m` and `rank_mixer_1b`; with sparse experts, of which 1/2, 1/4 or
    1/8 shall be active, in `rank_mixer_1b_moe_2`, `_moe_4` and `_moe_8`. Any `block` whose `ffn` is
    `Residual(PerTokenMoE(...))` is such a model.

    Args:
        schema: A `FeatureSchema`.
        embedding_dim: Width of each field's embedding, short for `encoder`'s. Default: None, 10.
        num_tokens: Number of tokens T; must divide fields * embedding_dim. Default: the number of
            fields.
        token_dim: Width of a token D; T must divide it. Default: the smallest multiple of T that is
            at least embedding_dim.
        num_blocks: Number of blocks L. Default: 2, or the length of a list of blocks.
        per_token_units: Hidden widths of each per-token network. Default: (4 * token_dim,).
        tokenizer: A `Tokenizer` for the default `SharedTokenizer(num_tokens, token_dim)`; it
            decides `num_tokens`, `token_dim` and `dropout`.
        block: A `MixerBlock` for the default one, repeated, or a list of blocks; it decides
            `per_token_units`.
        head: A layer from tokens to logits, for the default official head.
        encoder: How features become embeddings: settings of a `FeatureEncoder`, such as
            `{"embeddings_regularizer": "l2"}`, or one without schema. Default: None.
        dtype: Dtype policy of every layer. Default: None, the global one.
        dropout: Rate after the hidden layer of the default tokenizer. Default: 0.1.
        wide: What is added to the logits beside the tokens: "linear" (a `LinearTerm` of the
            features), "fm" (a `FactorizationMachine` of the field embeddings), a layer from
            `(batch, fields, embedding_dim)` to logits, or a list of these. Default: None, nothing.
        kwargs: `name` and `trainable`.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Categorical("item", 50)])
    >>> model = ke.models.RankMixer(schema, embedding_dim=8, num_blocks=1)
    >>> model.stage_names
    ['encoder', 'tokenizer', 'mixing_0', 'ffn_0']
    >>> model.predict({"user": np.array([1, 2]), "item": np.array([3, 4])}, verbose=0).shape
    (2, 1)

    Raises:
        ValueError: If an argument is given that a layer decides, or the shapes do not fit.

    Reference: Zhu et al., RankMixer (CIKM 2025, arXiv 2507.15551), section 3; RankElastor's
    official code, experiments `*_base`.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        embedding_dim: int | None = None,
        num_tokens: int | None = None,
        token_dim: int | None = None,
        num_blocks: int | None = None,
        per_token_units: Sequence[int] | None = None,
        tokenizer: Any | None = None,
        block: Any | None = None,
        head: Any | None = None,
        encoder: EncoderLike = None,
        dtype: Any = None,
        dropout: float | None = None,
        wide: WideLike = None,
        **kwargs: Any,
    ) -> None:
        encoder = encoder_template(encoder, embedding_dim)
        if tokenizer is None:
            tokens = len(schema.features) if num_tokens is None else num_tokens
            nearest_width = -(-encoder.embedding_dim // tokens) * tokens
            tokenizer = SharedTokenizer(
                tokens,
                nearest_width if token_dim is None else token_dim,
                dropout=0.1 if dropout is None else dropout,
            )
        else:
            require_unset(
                "the tokenizer", num_tokens=num_tokens, token_dim=token_dim, dropout=dropout
            )
        if block is None:
            default_units = (4 * tokenizer.token_dim,)
            block = official_block(default_units if per_token_units is None else per_token_units)
        else:
            require_unset("the block", per_token_units=per_token_units)
        super().__init__(
            schema,
            tokenizer,
            repeat_block(block, num_blocks, default_num_blocks=2),
            head,
            encoder,
            dtype,
            wide,
            **kwargs,
        )


def block_transpose() -> Residual:
    """RankMixer's mixing sublayer: the block transpose, a residual, a norm of the sum.

    The epsilon is PyTorch's; Keras' own default is a hundred times larger.
    """
    return Residual(TokenMixing(), post_norm=keras.layers.LayerNormalization(epsilon=1e-5))


def official_block(
    per_token_units: Sequence[int],
    activation: str = "gelu",
    normalization: NormalizationLike = None,
    dropout: float = 0.0,
) -> MixerBlock:
    """RankMixer's block as in the baseline of RankElastor's official code.

    Args:
        per_token_units: Hidden widths of the per-token network.
        activation: Elementwise function of the per-token network.
        normalization: The norm before each activation, see `PerTokenFFN`.
        dropout: Rate after each activation.
    """
    return MixerBlock(
        mixing=block_transpose(),
        norm=RMSNormalization(),
        ffn=Residual(PerTokenFFN(per_token_units, activation, normalization, dropout)),
    )


def published_block(per_token_units: Sequence[int]) -> MixerBlock:
    """RankMixer's block as published, a norm after each sublayer's sum.

    Args:
        per_token_units: Hidden widths of the per-token network.
    """
    return _post_norm_block(PerTokenFFN(per_token_units))


def sparse_block(expert_units: Sequence[int], num_experts: int, target_active: float) -> MixerBlock:
    """RankMixer's published block with sparse experts for its per-token networks.

    Args:
        expert_units: Hidden widths of each expert.
        num_experts: Number of experts of each token.
        target_active: Share of the experts that shall be active.
    """
    experts = PerTokenMoE(PerTokenFFN(expert_units), num_experts, target_active=target_active)
    return _post_norm_block(experts)


def _post_norm_block(per_token: Any) -> MixerBlock:
    norm = keras.layers.LayerNormalization(epsilon=1e-5)
    return MixerBlock(mixing=block_transpose(), ffn=Residual(per_token, post_norm=norm))
