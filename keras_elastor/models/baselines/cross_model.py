"""The graph of the models that cross features explicitly: crossings, and MLPs on or beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_elastor.layers import MLP, FeatureEncoder, LowRankCrossMixture, PredictionHead
from keras_elastor.models.hidden_stages import hidden_stages
from keras_elastor.models.ranking_model import RankingModel, encode
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.types import (
    ActivationLike,
    NormalizationLike,
    RateLike,
    UnitsLike,
)


class CrossModel(RankingModel):
    """Base of `DCNv2` and `GDCN`: the same graph with other crossings plugged in.

    Args:
        schema: The schema of the inputs.
        crossings: Layers on `[x_0, x]`, first to last, or one `LowRankCrossMixture`.
        parallel_units: Widths of the MLP beside the crossings; empty leaves it out.
        stacked_units: Widths of the MLP on the crossings; empty leaves it out.
        activation: Elementwise function of the MLPs, or a layer.
        normalization: Norm before each activation, see `MLP`.
        dropout: Rate after each activation.
        encoder: A `FeatureEncoder` without schema.
        dtype: Dtype policy of every layer; None is the global one.
        kwargs: `name` and `trainable` of the model.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        crossings: Sequence[Any],
        parallel_units: UnitsLike,
        stacked_units: UnitsLike,
        activation: ActivationLike,
        normalization: NormalizationLike,
        dropout: RateLike,
        encoder: FeatureEncoder,
        dtype: Any,
        **kwargs: Any,
    ) -> None:
        def tower(units: UnitsLike, name: str, vector: Any) -> Any:
            mlp = MLP(units, None, activation, normalization, dropout, dtype=dtype, name=name)
            output = mlp(vector)
            stages.update({**hidden_stages(mlp, vector), name: output})
            return output

        inputs, embeddings = encode(schema, encoder, dtype)
        stages = {"encoder": embeddings}
        first = keras.layers.Flatten(dtype=dtype)(embeddings)
        crossed = first
        for layer in crossings:
            alone = isinstance(layer, LowRankCrossMixture)
            crossed = stages[layer.name] = layer(first if alone else [first, crossed])
        if stacked_units:
            crossed = tower(stacked_units, "stacked", crossed)
        if parallel_units:
            deep = tower(parallel_units, "parallel", first)
            crossed = keras.layers.Concatenate(dtype=dtype)([crossed, deep])
        logits = PredictionHead(schema.num_tasks, dtype=dtype, name="head")(crossed)
        super().__init__(schema, inputs, logits, stages, **kwargs)
