"""FinalMLP: two gated streams and a bilinear fusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_elastor.layers import MLP, BilinearFusion, ContextGate, FeatureEncoder
from keras_elastor.models.encoder_template import EncoderLike, encoder_template
from keras_elastor.models.hidden_stages import hidden_stages
from keras_elastor.models.ranking_model import RankingModel, encode, select_features
from keras_elastor.models.registry import register_model
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.types import (
    ActivationLike,
    NormalizationLike,
    RateLike,
    UnitsLike,
)


@register_model("final_mlp")
class FinalMLP(RankingModel):
    """Two MLPs, each on the features that its own context selects, fused by a bilinear form.

        e = vec(encoder(features))
        x = MLP_1(e * 2 sigmoid(MLP(c_1)));   y = MLP_2(e * 2 sigmoid(MLP(c_2)))
        logits = x w_x + y w_y + b + sum_h x_h^T W_h y_h

    A context is made of embeddings of its own, or, where no features are named for it, learned.

    Args:
        schema: A `FeatureSchema`.
        embedding_dim: Width of each field's embedding, in the contexts, too; short for
            `encoder`'s. Default: None, 10.
        first_units: Widths of the first MLP. Default: (400, 400).
        second_units: Widths of the second MLP. Default: (400, 400).
        num_heads: Heads of the fusion; divides the last width of both MLPs. Default: 1.
        gate_units: Widths of the gates' hidden layers; None leaves the gates out. Default: (64,).
        first_context: Names of the features of the first gate's context. Default: ().
        second_context: Names of the features of the second gate's context. Default: ().
        activation: Elementwise function of the MLPs, or a layer. Default: "relu".
        normalization: Norm before each activation of the MLPs, see `MLP`. Default: None.
        first_dropout: Rate after each activation of the first MLP. Default: 0.
        second_dropout: Rate after each activation of the second MLP. Default: 0.
        encoder: How features become embeddings: settings of a `FeatureEncoder`, such as
            `{"embeddings_regularizer": "l2"}`, or one without schema. Default: None.
        dtype: Dtype policy of every layer. Default: None, the global one.
        kwargs: `name` and `trainable`.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Categorical("item", 50)])
    >>> ke.models.FinalMLP(schema, first_units=[8], second_units=[4]).stage_names
    ['encoder', 'gate_1', 'gate_2', 'stream_1', 'stream_2']

    Raises:
        ValueError: If a context names no feature of the schema, or the heads do not divide a width.

    Reference: Mao et al., FinalMLP (AAAI 2023, arXiv 2304.00902); FuxiCTR, model `FinalMLP`.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        embedding_dim: int | None = None,
        first_units: UnitsLike = (400, 400),
        second_units: UnitsLike = (400, 400),
        num_heads: int = 1,
        gate_units: UnitsLike | None = (64,),
        first_context: Sequence[str] = (),
        second_context: Sequence[str] = (),
        activation: ActivationLike = "relu",
        normalization: NormalizationLike = None,
        first_dropout: RateLike = 0.0,
        second_dropout: RateLike = 0.0,
        encoder: EncoderLike = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        encoder = encoder_template(encoder, embedding_dim)
        inputs, embeddings = encode(schema, encoder, dtype)
        stages = {"encoder": embeddings}
        flat = keras.layers.Flatten(dtype=dtype)(embeddings)

        def gated(units: UnitsLike, names: Sequence[str], index: int) -> Any:
            if not names:
                gate = ContextGate(units, encoder.embedding_dim, dtype=dtype, name=f"gate_{index}")
                return gate(flat)
            embed = FeatureEncoder(
                _context_schema(schema, names),
                encoder.embedding_dim,
                embeddings_regularizer=encoder.embeddings_regularizer,
                dtype=dtype,
                name=f"context_{index}",
            )
            context = embed({name: inputs[name] for name in embed.schema.names})
            context = keras.layers.Flatten(dtype=dtype)(context)
            return ContextGate(units, dtype=dtype, name=f"gate_{index}")([flat, context])

        streams = [flat, flat]
        if gate_units is not None:
            streams = [gated(gate_units, first_context, 1), gated(gate_units, second_context, 2)]
            stages.update(zip(("gate_1", "gate_2"), streams, strict=True))
        towers = [(first_units, first_dropout), (second_units, second_dropout)]
        for index, (units, dropout) in enumerate(towers):
            name = f"stream_{index + 1}"
            mlp = MLP(units, None, activation, normalization, dropout, dtype=dtype, name=name)
            output = mlp(streams[index])
            stages |= {**hidden_stages(mlp, streams[index]), name: output}
            streams[index] = output
        fusion = BilinearFusion(schema.num_tasks, num_heads, dtype=dtype, name="head")
        super().__init__(schema, inputs, fusion(streams), stages, **kwargs)


def _context_schema(schema: FeatureSchema, names: Sequence[str]) -> FeatureSchema:
    unknown = [name for name in names if name not in schema.names]
    if unknown:
        raise ValueError(
            f"FinalMLP: expected a context of features of the schema, {', '.join(schema.names)}. "
            f"Received: {', '.join(unknown)}"
        )
    return select_features(schema, names)
