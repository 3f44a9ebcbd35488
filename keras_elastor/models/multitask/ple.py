"""PLE: shared experts and experts of each task, in layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_elastor.layers import TaskExperts
from keras_elastor.layers.core.checks import require_positive
from keras_elastor.models.encoder_template import EncoderLike, encoder_template
from keras_elastor.models.multitask.mmoe import tower_head
from keras_elastor.models.ranking_model import RankingModel, encode
from keras_elastor.models.registry import register_model
from keras_elastor.models.tokens.token_model import check_head
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.saving import clone_layer
from keras_elastor.utils.types import ActivationLike


@register_model("ple")
class PLE(RankingModel):
    """Progressive layered extraction (Tang et al., RecSys 2020).

        y^0 = (e, ..., e);   y^l = TaskExperts_l(y^{l-1});   logit_k = Tower_k(y_k^L)

    Each layer has experts that all tasks share and experts of each task; a task's gate sees its own
    and the shared ones, and the gate of the shared stream, which the last layer has none of, all.

    Args:
        schema: A `FeatureSchema`; each label is a task.
        embedding_dim: Width of each field's embedding, short for `encoder`'s. Default: None, 10.
        num_layers: Number of layers of experts. Default: 2.
        num_shared: Number of shared experts in each layer. Default: 2.
        num_own: Number of experts of each task in each layer. Default: 2.
        expert_units: Widths of the layers of each expert. Default: (256, 128).
        tower_units: Widths of the hidden layers of each tower. Default: (64,).
        activation: Elementwise function of experts and towers. Default: "relu".
        dropout: Rate after each activation. Default: 0.
        head: A layer from `(batch, tasks, expert_units[-1])` to logits, such as a `ChainedHead`,
            for the default `TaskTowers(tasks, tower_units, pooling=None, task_tokens=True)`.
        encoder: How features become embeddings: settings of a `FeatureEncoder`, such as
            `{"embeddings_regularizer": "l2"}`, or one without schema. Default: None.
        dtype: Dtype policy of every layer. Default: None, the global one.
        kwargs: `name` and `trainable`.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100)], ("click", "like"))
    >>> model = ke.models.PLE(schema, expert_units=[16], tower_units=[8])
    >>> model.stage_names
    ['encoder', 'experts_0', 'experts_1']

    Raises:
        ValueError: If there is no layer or no expert.

    Reference: Tang et al., Progressive Layered Extraction (RecSys 2020). Widths and numbers of
    layers and experts are ours.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        embedding_dim: int | None = None,
        num_layers: int = 2,
        num_shared: int = 2,
        num_own: int = 2,
        expert_units: Sequence[int] = (256, 128),
        tower_units: Sequence[int] = (64,),
        activation: ActivationLike = "relu",
        dropout: float = 0.0,
        head: Any | None = None,
        encoder: EncoderLike = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        require_positive(self, num_layers=num_layers)
        inputs, embeddings = encode(schema, encoder_template(encoder, embedding_dim), dtype)
        if head is None:
            head = tower_head(schema, tower_units, activation, dropout)
        check_head(head, schema)
        stages = {"encoder": embeddings}
        mixed = keras.layers.Flatten(dtype=dtype)(embeddings)
        for index in range(num_layers):
            experts = TaskExperts(
                schema.num_tasks,
                expert_units,
                num_shared,
                num_own,
                shared_output=index < num_layers - 1,
                activation=activation,
                dropout=dropout,
                dtype=dtype,
                name=f"experts_{index}",
            )
            mixed = experts(mixed)
            stages[experts.name] = mixed
        logits = clone_layer(head, "head", dtype)(mixed)
        super().__init__(schema, inputs, logits, stages, **kwargs)
