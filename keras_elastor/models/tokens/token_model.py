"""The graph of all token-mixing models: encoder, tokenizer, blocks, head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_elastor.layers import FeatureEncoder, MixerBlock, PredictionHead
from keras_elastor.models.ranking_model import RankingModel, encode
from keras_elastor.models.tokens.wide import WideInputs, WideLike, add_wide
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.saving import clone_layer
from keras_elastor.utils.types import Tensor


class TokenModel(RankingModel):
    """Base of `RankMixer` and `RankElastor`: the same graph with other layers plugged in.

    The layers given are templates: the model holds clones of them.

    Args:
        schema: The schema of the inputs.
        tokenizer: Layer from field embeddings to tokens.
        blocks: The blocks, first to last.
        head: Layer from tokens to logits; its `units` must be the schema's number of tasks.
            None is the official head: all tokens side by side, one hidden ReLU layer of
            2 * tokens * token_dim, one linear map.
        encoder: A `FeatureEncoder` without schema.
        dtype: Dtype policy of every layer; None leaves each layer its own.
        wide: What is added to the logits, see `RankMixer`; None: nothing.
        kwargs: `name` and `trainable` of the model.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        tokenizer: Any,
        blocks: Sequence[MixerBlock],
        head: Any | None,
        encoder: FeatureEncoder,
        dtype: Any,
        wide: WideLike = None,
        **kwargs: Any,
    ) -> None:
        if head is None:
            width = 2 * tokenizer.num_tokens * tokenizer.token_dim
            head = PredictionHead(schema.num_tasks, hidden_units=(width,))
        check_head(head, schema)
        inputs, embeddings = encode(schema, encoder, dtype)
        stages = {"encoder": embeddings}
        stages["tokenizer"] = clone_layer(tokenizer, "tokenizer", dtype)(stages["encoder"])
        tokens = apply_blocks(stages["tokenizer"], blocks, dtype, stages)
        logits = clone_layer(head, "head", dtype)(tokens)
        read = WideInputs(schema, inputs, embeddings, encoder, dtype)
        logits = add_wide(logits, wide, read, stages)
        super().__init__(schema, inputs, logits, stages, **kwargs)


def check_head(head: Any, schema: FeatureSchema) -> None:
    """Raise a ValueError unless a head gives one logit per label of the schema."""
    if head.units != schema.num_tasks:
        raise ValueError(
            f"Expected a head with units={schema.num_tasks}, one per label of the schema "
            f"({', '.join(schema.labels)}). Received: units={head.units}"
        )


def apply_blocks(
    tokens: Tensor, blocks: Sequence[MixerBlock], dtype: Any, stages: dict[str, Tensor]
) -> Tensor:
    """The tokens behind clones of the blocks; `stages` gets what each gives.

    The parts of a block are layers of the model, not of one layer: each is a stage.
    """
    for index, block in enumerate(blocks):
        part = MixerBlock(
            mixing=clone_layer(block.mixing, f"mixing_{index}", dtype),
            norm=clone_layer(block.norm, f"norm_{index}", dtype),
            ffn=clone_layer(block.ffn, f"ffn_{index}", dtype),
        )
        stages[f"mixing_{index}"], tokens = part.stages(tokens)
        stages[f"ffn_{index}"] = tokens
    return tokens


def repeat_block(block: Any, num_blocks: int | None, default_num_blocks: int) -> list[Any]:
    """The blocks of a model: one template `num_blocks` times, or a list as it is.

    Raises:
        ValueError: If `num_blocks` is below 1 or contradicts the list.
    """
    if isinstance(block, MixerBlock):
        count = default_num_blocks if num_blocks is None else num_blocks
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError(
                f"Expected `num_blocks` to be an integer of at least 1. Received: {num_blocks!r}"
            )
        return [block] * count
    blocks = list(block)
    if not blocks or num_blocks not in (None, len(blocks)):
        raise ValueError(
            "Expected `num_blocks` to be None or the length of the list of blocks. "
            f"Received: num_blocks={num_blocks} with {len(blocks)} blocks"
        )
    return blocks


def require_unset(because: str, **arguments: Any) -> None:
    """Raise a ValueError that names the arguments which are set although a layer decides them."""
    given = [name for name, value in arguments.items() if value is not None]
    if given:
        raise ValueError(
            f"Expected {' and '.join(f'`{name}`' for name in given)} to be left out: {because} "
            f"decides. Received: {', '.join(f'{name}={arguments[name]!r}' for name in given)}"
        )
