"""RankElastor: learned full mixing and gated per-token networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_elastor.layers import (
    FullMixing,
    MixerBlock,
    PerTokenGLUStack,
    Residual,
    RMSNormalization,
    SharedTokenizer,
)
from keras_elastor.models.encoder_template import EncoderLike, encoder_template
from keras_elastor.models.registry import register_model
from keras_elastor.models.tokens.token_model import TokenModel, repeat_block, require_unset
from keras_elastor.models.tokens.wide import WideLike
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.types import NormalizationLike


@register_model("rank_elastor")
class RankElastor(TokenModel):
    """RankElastor (Li et al., KDD 2026): "expand more, shrink less".

        e = encoder(features);  X_0 = tokenizer(e)
        A_l = RMSNorm(X_{l-1} + W_l RMSNorm(vec X_{l-1}) + b_l);  X_l = A_l + GLU-FFN_l(A_l)
        logits = MLP(vec X_L)

    By default every layer is as in the official code; each can be replaced. The paper's own form is
    in the presets `rank_elastor_paper_criteo` and `rank_elastor_paper_avazu`.

    Args:
        schema: A `FeatureSchema`.
        embedding_dim: Width of each field's embedding, short for `encoder`'s. Default: None, 10.
        num_tokens: Number of tokens T; must divide fields * embedding_dim. Default: the number of
            fields.
        token_dim: Width of a token D. Default: 2 * embedding_dim.
        num_blocks: Number of blocks L. Default: 1, or the length of a list of blocks.
        per_token_units: Widths after the gated units of each per-token network. Default:
            (token_dim,).
        expansion: Gated width over the unit's width. Default: 3.
        tokenizer: A `Tokenizer` for the default `SharedTokenizer(num_tokens, token_dim)`; it
            decides `num_tokens`, `token_dim` and `dropout`.
        block: A `MixerBlock` for the default one, repeated, or a list of blocks; it decides
            `per_token_units` and `expansion`.
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
    >>> model = ke.models.RankElastor(schema, embedding_dim=8, num_blocks=2)
    >>> model.stage_names
    ['encoder', 'tokenizer', 'mixing_0', 'ffn_0', 'mixing_1', 'ffn_1']
    >>> model.predict({"user": np.array([1, 2]), "item": np.array([3, 4])}, verbose=0).shape
    (2, 1)

    Raises:
        ValueError: If an argument is given that a layer decides, or the shapes do not fit.

    Reference: Li et al., Expand More, Shrink Less (KDD 2026, arXiv 2605.23191), section 3; official
    code github.com/vasile-paskardlgm/RankElastor.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        embedding_dim: int | None = None,
        num_tokens: int | None = None,
        token_dim: int | None = None,
        num_blocks: int | None = None,
        per_token_units: Sequence[int] | None = None,
        expansion: float | None = None,
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
            tokenizer = SharedTokenizer(
                len(schema.features) if num_tokens is None else num_tokens,
                2 * encoder.embedding_dim if token_dim is None else token_dim,
                normalization="rms",
                dropout=0.1 if dropout is None else dropout,
            )
        else:
            require_unset(
                "the tokenizer", num_tokens=num_tokens, token_dim=token_dim, dropout=dropout
            )
        if block is None:
            block = official_block(
                (tokenizer.token_dim,) if per_token_units is None else per_token_units,
                3.0 if expansion is None else expansion,
            )
        else:
            require_unset("the block", per_token_units=per_token_units, expansion=expansion)
        super().__init__(
            schema,
            tokenizer,
            repeat_block(block, num_blocks, default_num_blocks=1),
            head,
            encoder,
            dtype,
            wide,
            **kwargs,
        )


def official_block(
    per_token_units: Sequence[int],
    expansion: float,
    normalization: NormalizationLike = "rms",
    dropout: float = 0.0,
    mixing: Any | None = None,
) -> MixerBlock:
    """RankElastor's block as in the official code.

    Args:
        per_token_units: Widths after the gated units.
        expansion: Gated width over the unit's width.
        normalization: The norm before each gated unit, see `PerTokenGLUStack`.
        dropout: Rate after each gated unit.
        mixing: The mixing sublayer with its residual, for the default full mixing.
    """
    return MixerBlock(
        mixing=mixing or Residual(FullMixing(), pre_norm=RMSNormalization(axis=(-2, -1))),
        norm=RMSNormalization(),
        ffn=Residual(
            PerTokenGLUStack(
                per_token_units, expansion, normalization=normalization, dropout=dropout
            )
        ),
    )
