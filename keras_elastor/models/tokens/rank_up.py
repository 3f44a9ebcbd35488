"""RankUp: RankMixer's backbone with richer tokens and a token for every task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_elastor.layers import (
    GlobalToken,
    MixerBlock,
    PermutationTokenizer,
    PerTokenGLU,
    Residual,
    SliceTokenizer,
    TaskTokens,
    TaskTowers,
    TokenMixing,
)
from keras_elastor.layers.core.initializers import get_kernel_initializer
from keras_elastor.models.encoder_template import EncoderLike, encoder_template
from keras_elastor.models.ranking_model import RankingModel, make_inputs
from keras_elastor.models.registry import register_model
from keras_elastor.models.tokens.token_inventory import EmbeddingSets, TokenInventory
from keras_elastor.models.tokens.token_model import (
    apply_blocks,
    check_head,
    repeat_block,
    require_unset,
)
from keras_elastor.models.tokens.wide import WideInputs, WideLike, add_wide
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.saving import clone_layer
from keras_elastor.utils.types import Tensor


@register_model("rank_up")
class RankUp(RankingModel):
    """RankUp (Chen et al., 2026).

        H_0 = [g; s_1..s_T; dense; crosses; histories; x_task^1..x_task^K]
        A_l = mix(LN(H_{l-1})) + H_{l-1};   H_l = SwiGLU_per_token(LN(A_l)) + A_l
        logit_k = Tower_k([x_task^k behind the last block, mean_t H_L])

    The tokens are

    - g: one global token of all categorical features, `GlobalToken`;
    - s_1..s_T: the categorical features in T shuffled groups, `PermutationTokenizer`;
    - dense: one token of all numeric features and vectors that are not crossed;
    - crosses: a linear map of the product of two pretrained vectors each, user o item;
    - histories: one token per pooled `Sequence`;
    - x_task: one learned token per label, `TaskTokens`.

    Kinds without features are left out. Each of the five parts of the paper can be: the shuffled
    groups by `tokenizer=SliceTokenizer(...)`, the further tables by `embedding_sets={}`, the global
    token by `global_token=None`, the crosses by `crosses=()`, the tasks' tokens by
    `task_tokens=False`.

    The paper gives no sizes but "32 sparse tokens, 32 tasks, 2 blocks", and neither which tables
    feed which tokens, nor func of the global token, norms, expansion, pooling and towers: the
    defaults are ours.

    Args:
        schema: A `FeatureSchema` with `Categorical` features.
        embedding_dim: Width of each field's embedding, short for `encoder`'s. Default: None, 10.
        num_tokens: Number of groups T of the categorical features. Default: half of their number.
        token_dim: Width of a token D; the number of all tokens must divide it. Default: the
            smallest multiple of that number that is at least embedding_dim.
        num_blocks: Number of blocks L. Default: 2, or the length of a list of blocks.
        expansion: Width of each SwiGLU over the token's. Default: 2.
        seed: What the groups are drawn from. Default: 0.
        embedding_sets: Which independent set of embedding tables feeds which tokens: a dict from
            some of "sparse", "global", "dense", "sequence" to the number of a set or to several
            numbers, whose embeddings go side by side. What is not named reads set 0. Default: None,
            `{"global": 1}`.
        global_token: A layer from `(batch, fields, embedding_dim)` to `(batch, token_dim)`,
            "mean" for `GlobalToken(token_dim)`, or None for no such token. Default: "mean".
        crosses: Pairs of names of pretrained vectors, each pair of one width. Default: ().
        task_tokens: Whether each task has a token. Default: True.
        tokenizer: A `Tokenizer` of the categorical features for the default
            `PermutationTokenizer(num_tokens, token_dim, seed)`; it decides `num_tokens`,
            `token_dim` and `seed`.
        block: A `MixerBlock` for the default one, repeated, or a list of blocks; it decides
            `expansion`.
        final_norm: A norm layer behind the last block. Default: None.
        head: A layer from tokens to logits, for the default
            `TaskTowers(tasks, (token_dim,), pooling="mean", task_tokens=task_tokens)`.
        encoder: How features become embeddings: settings of a `FeatureEncoder`, such as
            `{"embeddings_regularizer": "l2"}`, or one without schema. Default: None.
        dtype: Dtype policy of every layer. Default: None, the global one.
        wide: What is added to the logits beside the tokens: "linear" (a `LinearTerm` of the
            features), "fm" (a `FactorizationMachine` of the embeddings
            of set 0), a layer from
            `(batch, fields, embedding_dim)` to logits, or a list of these. Default: None, nothing.
        kwargs: `name` and `trainable`.

    Example:

    >>> schema = ke.FeatureSchema(
    ...     [ke.Categorical(f"field_{index}", 100) for index in range(6)], ("click", "like")
    ... )
    >>> model = ke.models.RankUp(schema, embedding_dim=8, num_blocks=1)
    >>> model.stage_names
    ['encoder', 'encoder_1', 'tokenizer', 'mixing_0', 'ffn_0']
    >>> model.get_layer("mixing_0").output.shape  # 1 global, 3 sparse and 2 task tokens
    (None, 6, 12)

    Raises:
        ValueError: If an argument is given that a layer decides, or the shapes do not fit.

    Reference: Chen et al., RankUp (arXiv 2604.17878).
    """

    def __init__(
        self,
        schema: FeatureSchema,
        embedding_dim: int | None = None,
        num_tokens: int | None = None,
        token_dim: int | None = None,
        num_blocks: int | None = None,
        expansion: float | None = None,
        seed: int | None = None,
        embedding_sets: EmbeddingSets | None = None,
        global_token: Any = "mean",
        crosses: Sequence[Sequence[str]] = (),
        task_tokens: bool = True,
        tokenizer: Any | None = None,
        block: Any | None = None,
        final_norm: Any | None = None,
        head: Any | None = None,
        encoder: EncoderLike = None,
        dtype: Any = None,
        wide: WideLike = None,
        **kwargs: Any,
    ) -> None:
        encoder = encoder_template(encoder, embedding_dim)
        sets = {"global": 1} if embedding_sets is None else embedding_sets
        inventory = TokenInventory(schema, crosses, sets)
        if global_token is None:
            inventory.without("global")
        if tokenizer is not None:
            because = "the tokenizer"
            require_unset(because, num_tokens=num_tokens, token_dim=token_dim, seed=seed)
            num_tokens, token_dim = tokenizer.num_tokens, tokenizer.token_dim
        elif num_tokens is None:
            num_tokens = -(-len(inventory.features["sparse"]) // 2)
        counts = _count_tokens(inventory, num_tokens, len(crosses), task_tokens)
        if token_dim is None:
            token_dim = -(-encoder.embedding_dim // sum(counts.values())) * sum(counts.values())
        if block is None:
            _check_width(token_dim, counts)
            block = _default_block(2.0 if expansion is None else expansion)
        else:
            require_unset("the block", expansion=expansion)
        if head is None:
            head = TaskTowers(
                schema.num_tasks, (token_dim,), pooling="mean", task_tokens=task_tokens
            )
        check_head(head, schema)

        inputs = make_inputs(schema)
        stages, families = inventory.embed(encoder, inputs, dtype)
        read = WideInputs(schema, inputs, next(iter(stages.values())), encoder, dtype)
        parts = {
            "global_token": global_token,
            "tokenizer": tokenizer or PermutationTokenizer(num_tokens, token_dim, seed or 0),
        }
        tokens = _make_tokens(families, parts, token_dim, dtype)
        vectors = [[inputs[name] for name in pair] for pair in crosses]
        tokens[3:3] = [_cross(pair, index, token_dim, dtype) for index, pair in enumerate(vectors)]
        stream = ops.concatenate([token for token in tokens if token is not None], axis=1)
        if task_tokens:
            stream = TaskTokens(schema.num_tasks, dtype=dtype, name="task_tokens")(stream)
        stages["tokenizer"] = stream
        blocks = repeat_block(block, num_blocks, default_num_blocks=2)
        stream = apply_blocks(stream, blocks, dtype, stages)
        if final_norm is not None:
            stream = clone_layer(final_norm, "final_norm", dtype)(stream)
            stages["final_norm"] = stream
        logits = add_wide(clone_layer(head, "head", dtype)(stream), wide, read, stages)
        super().__init__(schema, inputs, logits, stages, **kwargs)


def _count_tokens(
    inventory: TokenInventory, num_tokens: int, num_crosses: int, task_tokens: bool
) -> dict[str, int]:
    """How many tokens of each kind there are."""
    features = inventory.features
    return {
        "global": int(bool(features["global"])),
        "sparse": num_tokens,
        "dense": int(bool(features["dense"])),
        "cross": num_crosses,
        "sequence": len(features["sequence"]),
        "task": inventory.schema.num_tasks if task_tokens else 0,
    }


def _check_width(token_dim: int, counts: dict[str, int]) -> None:
    total = sum(counts.values())
    if token_dim % total:
        listed = " + ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        raise ValueError(
            f"RankUp: expected a `token_dim` that the number of all tokens divides, {listed} = "
            f"{total}, such as {-(-token_dim // total) * total}. Received: token_dim={token_dim}"
        )


def _default_block(expansion: float) -> MixerBlock:
    """The pre-norm block of token mixing and SwiGLU."""
    unit = PerTokenGLU(
        expansion,
        "silu",
        gate_skip=False,
        learned_residual=False,
        output_projection=True,
        use_bias=False,
    )
    return MixerBlock(
        mixing=Residual(TokenMixing(), pre_norm=_layer_norm()),
        ffn=Residual(unit, pre_norm=_layer_norm()),
    )


def _layer_norm() -> Any:
    return keras.layers.LayerNormalization(epsilon=1e-5)


def _make_tokens(
    families: dict[str, Tensor], parts: dict[str, Any], token_dim: int, dtype: Any
) -> list[Tensor | None]:
    """The global, the sparse, the dense and the histories' tokens; None where there are none."""
    made: list[Tensor | None] = []
    for family in ("global", "sparse", "dense", "sequence"):
        fields = families.get(family)
        if fields is None:
            made.append(None)
        elif family == "global":
            layer = parts["global_token"]
            layer = GlobalToken(token_dim) if layer == "mean" else layer
            token = clone_layer(layer, "global_token", dtype)(fields)
            if token.shape != (None, token_dim):
                raise ValueError(
                    f"RankUp: expected `global_token` to give tokens of shape (batch, {token_dim})."
                    f" Received: {type(layer).__name__} with output shape {token.shape}"
                )
            made.append(ops.expand_dims(token, 1))
        else:
            count = fields.shape[1] if family == "sequence" else 1
            layer = parts["tokenizer"] if family == "sparse" else SliceTokenizer(count, token_dim)
            name = "tokenizer" if family == "sparse" else f"{family}_tokens"
            made.append(clone_layer(layer, name, dtype)(fields))
    return made


def _cross(pair: list[Tensor], index: int, token_dim: int, dtype: Any) -> Tensor:
    """The token of two pretrained vectors."""
    product = keras.layers.Multiply(dtype=dtype)(pair)
    token = keras.layers.Dense(
        token_dim,
        kernel_initializer=get_kernel_initializer(None),
        dtype=dtype,
        name=f"cross_{index}",
    )(product)
    return ops.expand_dims(token, 1)
