"""MMoE: shared experts, a gate and a tower for every task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_elastor.layers import TaskExperts, TaskTowers
from keras_elastor.models.encoder_template import EncoderLike, encoder_template
from keras_elastor.models.ranking_model import RankingModel, encode
from keras_elastor.models.registry import register_model
from keras_elastor.models.tokens.token_model import check_head
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.saving import clone_layer
from keras_elastor.utils.types import ActivationLike


@register_model("mmoe")
class MMoE(RankingModel):
    """Multi-gate mixture of experts (Ma et al., KDD 2018).

        e = vec(encoder(features))
        y_k = sum_j softmax(e W_k)_j MLP_j(e);   logit_k = Tower_k(y_k)

    Args:
        schema: A `FeatureSchema`; each label is a task.
        embedding_dim: Width of each field's embedding, short for `encoder`'s. Default: None, 10.
        num_experts: Number of experts. Default: 4.
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
    >>> model = ke.models.MMoE(schema, expert_units=[16], tower_units=[8])
    >>> model.predict({"user": np.array([1, 2, 3])}, verbose=0).shape
    (3, 2)

    Reference: Ma et al., Modeling Task Relationships in Multi-task Learning with Multi-gate
    Mixture-of-Experts (KDD 2018). Widths and number of experts are ours.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        embedding_dim: int | None = None,
        num_experts: int = 4,
        expert_units: Sequence[int] = (256, 128),
        tower_units: Sequence[int] = (64,),
        activation: ActivationLike = "relu",
        dropout: float = 0.0,
        head: Any | None = None,
        encoder: EncoderLike = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        inputs, embeddings = encode(schema, encoder_template(encoder, embedding_dim), dtype)
        if head is None:
            head = tower_head(schema, tower_units, activation, dropout)
        check_head(head, schema)
        experts = TaskExperts(
            schema.num_tasks,
            expert_units,
            num_experts,
            activation=activation,
            dropout=dropout,
            dtype=dtype,
            name="experts",
        )
        mixed = experts(keras.layers.Flatten(dtype=dtype)(embeddings))
        logits = clone_layer(head, "head", dtype)(mixed)
        stages = {"encoder": embeddings, "experts": mixed}
        super().__init__(schema, inputs, logits, stages, **kwargs)


def tower_head(
    schema: FeatureSchema, tower_units: Sequence[int], activation: Any, dropout: float
) -> TaskTowers:
    """Towers each of which reads the row of its task alone."""
    return TaskTowers(
        schema.num_tasks,
        tower_units,
        activation,
        pooling=None,
        task_tokens=True,
        dropout=dropout,
    )
