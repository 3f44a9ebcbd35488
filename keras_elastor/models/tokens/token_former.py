"""TokenFormer: fields, events and the candidate in one stream."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_elastor.layers import (
    MLP,
    PerTokenDense,
    PredictionHead,
    RMSNormalization,
    SliceTokenizer,
    TaskTokens,
    UnifiedInteraction,
)
from keras_elastor.layers.embedding.event_encoder import EventEncoder
from keras_elastor.models.encoder_template import EncoderLike, encoder_template
from keras_elastor.models.ranking_model import RankingModel, make_inputs
from keras_elastor.models.registry import register_model
from keras_elastor.models.tokens.token_model import check_head, require_unset
from keras_elastor.models.tokens.wide import WideInputs, WideLike, add_wide
from keras_elastor.schema import Categorical, FeatureSchema
from keras_elastor.schema import Sequence as History
from keras_elastor.utils.saving import clone_layer
from keras_elastor.utils.types import Shape, Tensor

WINDOWS = (32, 16)


@register_model("token_former")
class TokenFormer(RankingModel):
    """TokenFormer (Zhou et al., 2026).

        X_0 = [x^F_1..x^F_M, <sep>, b_1..b_n, <sep>, x^V_1..x^V_K]
        X_l = UnifiedInteraction_l(X_{l-1});   logits = head(RMSNorm(last token of X_L))

    The stream holds one token per field that is not the candidate's, one per event of the
    histories, all their columns side by side through an MLP, and one per field of the candidate.
    The first blocks see the whole stream up to each token; the others see a window that shrinks
    from block to block, and from the first of them on the fields' tokens and their separator are
    gone. Positions are 0 for fields, 1 to n for the n events that are there, wherever the padding
    stands, and n_max + 1 behind them.

    Only the candidate's impression is supervised. The paper publishes neither widths nor heads;
    what else is ours is said at the arguments and in `UnifiedInteraction`. With histories shorter
    than the windows, these change nothing but that the fields are gone.

    Args:
        schema: A `FeatureSchema` with a `Sequence`, oldest event first.
        embedding_dim: Width of each field's embedding, short for `encoder`'s. Default: None, 10.
        token_dim: Width of a token D. Default: 32.
        num_full_blocks: Number of blocks that see the whole stream, at least 1. Default: 2.
        windows: Windows of the blocks behind them, each smaller than the one before. Default:
            None, (32, 16) as in the paper, but none longer than the stream that it sees.
        histories: Names of the `Sequence` features that are the columns of the events; others are
            pooled and fields. Default: None, all.
        candidate: Names of the candidate's features. Default: None, the `Categorical` ones that
            read the table of a column of the events.
        joint_candidate: Whether the candidate is one token, made of its embeddings side by side,
            instead of one per feature. Default: False.
        event_units: Hidden widths of the events' MLP. Default: None, (token_dim,).
        block: A `UnifiedInteraction` for the default one; its window is left to `windows`.
        head: A layer from `(batch, token_dim)` to logits. Default: None, a linear map.
        encoder: How features become embeddings: settings of a `FeatureEncoder`, such as
            `{"embeddings_regularizer": "l2"}`, or one without schema. Default: None.
        dtype: Dtype policy of every layer. Default: None, the global one.
        wide: What is added to the logits beside the tokens: "linear" (a `LinearTerm` of the
            features), "fm" (a `FactorizationMachine` of the fields that
            are no events), a layer from
            `(batch, fields, embedding_dim)` to logits, or a list of these. Default: None, nothing.
        kwargs: `name` and `trainable`.

    Example:

    >>> schema = ke.FeatureSchema([
    ...     ke.Categorical("user", 100),
    ...     ke.Categorical("item", 50),
    ...     ke.Sequence("clicked", 50, max_length=20, table="item"),
    ... ])
    >>> model = ke.models.TokenFormer(schema, embedding_dim=8, token_dim=16)
    >>> model.stage_names
    ['encoder', 'tokenizer', 'block_0', 'block_1', 'block_2', 'block_3']
    >>> [model.get_layer(f"block_{index}").window for index in range(4)]
    [None, None, 22, 16]

    Raises:
        ValueError: If there is no history or no candidate, lengths of histories differ, or windows
            do not shrink or are longer than the stream.

    Reference: Zhou et al., TokenFormer (arXiv 2604.13737).
    """

    def __init__(
        self,
        schema: FeatureSchema,
        embedding_dim: int | None = None,
        token_dim: int = 32,
        num_full_blocks: int = 2,
        windows: Sequence[int] | None = None,
        histories: Sequence[str] | None = None,
        candidate: Sequence[str] | None = None,
        joint_candidate: bool = False,
        event_units: Sequence[int] | None = None,
        block: UnifiedInteraction | None = None,
        head: Any | None = None,
        encoder: EncoderLike = None,
        dtype: Any = None,
        wide: WideLike = None,
        **kwargs: Any,
    ) -> None:
        template = encoder_template(encoder, embedding_dim)
        events = _event_histories(schema, histories)
        settings = {**template.get_config(), "name": "encoder"}
        if dtype is not None:
            settings["dtype"] = dtype
        settings |= {"schema": schema, "event_histories": events}
        embed = EventEncoder.from_config(settings)
        target = _candidate(schema, events, candidate)
        head = PredictionHead(schema.num_tasks) if head is None else head
        check_head(head, schema)
        block = UnifiedInteraction() if block is None else block
        if block.window is not None:
            require_unset("`windows`", window=block.window)

        inputs = make_inputs(schema)
        fields, behaviours, present = embed(inputs)
        names = embed.field_names
        others = [index for index, name in enumerate(names) if name not in target]
        chosen = [names.index(name) for name in target]
        maps = _Maps(token_dim, event_units, joint_candidate, dtype)
        before = maps.fields(ops.take(fields, others, axis=1)) if others else None
        behind = maps.candidate(ops.take(fields, chosen, axis=1), maps.events(behaviours))
        num_before = len(others) + 1 if others else 0
        num_behind = behind.shape[1] - behaviours.shape[1]
        place = _StreamPositions(num_before, num_behind, dtype=dtype, name="positions")
        positions = place(present)
        stream = behind if before is None else ops.concatenate([before, behind], axis=1)
        stages = {"encoder": fields, "tokenizer": stream}
        widths = _windows(windows, behind.shape[1], num_full_blocks)
        for index, window in enumerate(widths):
            if window is not None and stream.shape[1] > behind.shape[1]:
                start = stream.shape[1] - behind.shape[1]
                stream, positions = stream[:, start:], positions[:, start:]
            layer = clone_layer(block, f"block_{index}", dtype)
            layer.window = window
            stream = layer([stream, positions])
            stages[f"block_{index}"] = stream
        norm = RMSNormalization(epsilon=1e-6, dtype=dtype, name="final_norm")
        logits = clone_layer(head, "head", dtype)(norm(stream[:, -1]))
        read = WideInputs(schema, inputs, fields, template, dtype)
        logits = add_wide(logits, wide, read, stages)
        super().__init__(schema, inputs, logits, stages, **kwargs)


def _event_histories(schema: FeatureSchema, histories: Sequence[str] | None) -> list[str]:
    if histories is not None:
        return list(histories)
    return [feature.name for feature in schema.features if isinstance(feature, History)]


def _candidate(
    schema: FeatureSchema, events: Sequence[str], candidate: Sequence[str] | None
) -> list[str]:
    """The candidate's features, in the order of the schema."""
    if candidate is None:
        columns = [f for f in schema.features if isinstance(f, History) and f.name in events]
        tables = {column.table_name for column in columns}
        candidate = [
            f.name for f in schema.features if isinstance(f, Categorical) and f.table_name in tables
        ]
    known = [name for name in schema.names if name not in events]
    if not candidate or not set(candidate) <= set(known):
        raise ValueError(
            "TokenFormer: expected `candidate` to name features of the candidate among "
            f"{', '.join(known) or 'none'}; by default these are the Categorical features that "
            f"share a table with the events. Received: {list(candidate) or 'none'}"
        )
    return [name for name in known if name in set(candidate)]


def _windows(windows: Sequence[int] | None, length: int, num_full_blocks: int) -> list[int | None]:
    """The window of each block; None for the whole stream."""
    if windows is None:
        chosen = [min(window, length) for window in WINDOWS]
    else:
        chosen = list(windows)
        shrinks = all(second < first for first, second in itertools.pairwise(chosen))
        if not shrinks or any(not 1 <= window <= length for window in chosen):
            raise ValueError(
                f"TokenFormer: expected `windows` that shrink from block to block, of at most "
                f"{length}, the events, the separator behind them and the candidate. "
                f"Received: windows={chosen}"
            )
    if num_full_blocks < 1:
        raise ValueError(
            "TokenFormer: expected at least one full block, as the others do not see the fields. "
            f"Received: num_full_blocks={num_full_blocks}"
        )
    return [None] * num_full_blocks + chosen


class _Maps:
    """The maps from embeddings to the tokens of the stream."""

    def __init__(
        self, token_dim: int, event_units: Sequence[int] | None, joint: bool, dtype: Any
    ) -> None:
        self.token_dim = token_dim
        self.event_units = (token_dim,) if event_units is None else event_units
        self.joint = joint
        self.dtype = dtype

    def fields(self, fields: Tensor) -> Tensor:
        """One token per field and the first separator."""
        dense = PerTokenDense(self.token_dim, dtype=self.dtype, name="field_tokens")
        return TaskTokens(1, dtype=self.dtype, name="first_separator")(dense(fields))

    def events(self, events: Tensor) -> Tensor:
        """One token per event and the second separator."""
        mlp = MLP(self.event_units, self.token_dim, "silu", dtype=self.dtype, name="event_tokens")
        return TaskTokens(1, dtype=self.dtype, name="second_separator")(mlp(events))

    def candidate(self, fields: Tensor, events: Tensor) -> Tensor:
        """The candidate's tokens behind the events."""
        options = {"dtype": self.dtype, "name": "candidate_tokens"}
        layer = PerTokenDense(self.token_dim, **options)
        if self.joint:
            layer = SliceTokenizer(1, self.token_dim, **options)
        return ops.concatenate([events, layer(fields)], axis=1)


class _StreamPositions(keras.layers.Layer):
    """Positions of a stream: 0 before the events, -1 at padding, max_length + 1 behind."""

    def __init__(self, num_before: int, num_behind: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_before = num_before
        self.num_behind = num_behind

    def call(self, present: Tensor) -> Tensor:
        """Positions of a batch whose events are 1 in `present`, behind their padding."""
        order = ops.where(present > 0, ops.cumsum(present, axis=1), -1)
        before = ops.zeros_like(present[:, :1])
        behind = before + present.shape[1] + 1
        # Not `repeat`: PyTorch's exporter would take the batch to be of one size.
        parts = [ops.tile(before, (1, self.num_before)), order]
        parts.append(ops.tile(behind, (1, self.num_behind)))
        return ops.cast(ops.concatenate(parts, axis=1), "int32")

    def compute_output_spec(self, present: Tensor) -> Any:
        """Shape and dtype of the positions."""
        return keras.KerasTensor(self.compute_output_shape(present.shape), dtype="int32")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the positions."""
        batch, length = input_shape
        return (batch, int(length or 0) + self.num_before + self.num_behind)
