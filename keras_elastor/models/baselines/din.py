"""DIN: histories seen through the eyes of the candidate."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from keras_elastor.layers import (
    Dice,
    FeatureEncoder,
    MeanPooling,
    PredictionHead,
    TargetAttention,
)
from keras_elastor.layers.embedding.history_pooling import candidate_tables
from keras_elastor.models.encoder_template import EncoderLike, encoder_template
from keras_elastor.models.hidden_stages import hidden_stages
from keras_elastor.models.ranking_model import RankingModel, encode
from keras_elastor.models.registry import register_model
from keras_elastor.schema import FeatureSchema
from keras_elastor.schema import Sequence as SequenceFeature
from keras_elastor.utils.saving import deserialize, serialize
from keras_elastor.utils.types import (
    ActivationLike,
    NormalizationLike,
    RateLike,
    UnitsLike,
)


@register_model("din")
class DIN(RankingModel):
    """Deep interest network: a deep network over embeddings and attended histories.

        logits = MLP([e_1, ..., e_F, TargetAttention(history, candidate), ...])

    The candidate of a history is the first `Categorical` feature that reads the history's table. A
    list without a candidate, such as an item's tags, is pooled by its mean, with a warning; a
    pooling of one's own is `encoder={"history_pooling": {"tags": ke.layers.SumPooling()}}`.

    Args:
        schema: A `FeatureSchema` with at least one `Sequence`.
        embedding_dim: Width of each field's embedding, short for `encoder`'s. Default: None, 10.
        attention_units: Widths of the attention's hidden layers. Default: (64,).
        attention_activation: Elementwise function, or a layer. Default: None, `Dice()`.
        use_softmax: See `TargetAttention`. Default: False.
        hidden_units: Widths of the MLP, or layers, see `MLP`. Default: (400, 400).
        activation: Elementwise function of the MLP, or a layer. Default: None, `Dice()`.
        normalization: Norm before each activation of the MLP, see `MLP`. Default: None.
        dropout: Rate after each activation of the MLP. Default: 0.
        attention_dropout: Rate after each activation of the attention, or one per layer.
            Default: 0.
        joint_histories: Groups of names of histories that are attended as one, see
            `FeatureEncoder`. Default: (), one by one.
        encoder: How features become embeddings: settings of a `FeatureEncoder`, such as
            `{"embeddings_regularizer": "l2"}`, or one without schema; its
            `joint_histories` are attended as one. Default: None.
        dtype: Dtype policy of every layer. Default: None, the global one.
        kwargs: `name` and `trainable`.

    Example:

    >>> history = ke.Sequence("history", 50, max_length=20, table="item")
    >>> schema = ke.FeatureSchema([ke.Categorical("item", 50), history])
    >>> ke.models.DIN(schema, hidden_units=[16]).stage_names
    ['encoder', 'head_hidden_0']

    Raises:
        ValueError: If the schema has no history, or no candidate for any.

    Reference: Zhou et al., Deep Interest Network (KDD 2018, arXiv 1706.06978); FuxiCTR, model
    `DIN`.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        embedding_dim: int | None = None,
        attention_units: UnitsLike = (64,),
        attention_activation: ActivationLike = None,
        use_softmax: bool = False,
        hidden_units: UnitsLike = (400, 400),
        activation: ActivationLike = None,
        normalization: NormalizationLike = None,
        dropout: RateLike = 0.0,
        attention_dropout: RateLike = 0.0,
        joint_histories: Sequence[Sequence[str]] = (),
        encoder: EncoderLike = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        if not any(isinstance(feature, SequenceFeature) for feature in schema.features):
            raise ValueError(
                "DIN attends to histories, so expected a schema with at least one Sequence. "
                f"Received: {', '.join(schema.names)}"
            )
        attention = TargetAttention(
            attention_units, attention_activation, attention_dropout, use_softmax
        )
        joint = {"joint_histories": joint_histories} if joint_histories else {}
        template = encoder_template(encoder, embedding_dim, **joint)
        pooling = _poolings(schema, template, attention)
        encoder = type(template).from_config({**template.get_config(), "history_pooling": pooling})
        inputs, embeddings = encode(schema, encoder, dtype)
        activation = Dice() if activation is None else activation
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
        logits = head(embeddings)
        stages = {"encoder": embeddings, **hidden_stages(head, embeddings)}
        super().__init__(schema, inputs, logits, stages, **kwargs)


def _poolings(schema: FeatureSchema, template: FeatureEncoder, attention: TargetAttention) -> Any:
    """The attention, or, where not every history has it, the pooling of each."""
    given = deserialize(template.history_pooling)
    if not isinstance(given, Mapping | None) and serialize(given) != serialize(attention):
        raise ValueError(
            "Expected `encoder` to name the histories that DIN shall pool in another way than by "
            "its attention, such as history_pooling={'tags': ke.layers.MeanPooling()}. Received: "
            f"history_pooling={given!r}"
        )
    own = given if isinstance(given, Mapping) else {}
    histories = {f.name: f for f in schema.features if isinstance(f, SequenceFeature)}
    joint = {name for group in template.joint_histories for name in group}
    groups = [*template.joint_histories, *((name,) for name in histories if name not in joint)]
    tables = candidate_tables(schema)
    left = [
        group[0]
        for group in groups
        if group[0] not in own
        and any(name in histories and histories[name].table_name not in tables for name in group)
    ]
    if not own and len(left) in (0, len(groups)):
        return attention
    if left:
        warnings.warn(
            f"DIN pools {', '.join(left)} by the mean, as no Categorical feature, the candidate, "
            "reads the same table. To choose the pooling, name it: encoder={'history_pooling': "
            f"{{'{left[0]}': ke.layers.MeanPooling()}}}}",
            stacklevel=3,
        )
    return {
        **{group[0]: attention for group in groups},
        **{name: MeanPooling() for name in left},
        **own,
    }
