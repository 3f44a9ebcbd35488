"""Factorization machine."""

from __future__ import annotations

from typing import Any

from keras_elastor.layers import FactorizationMachine, LinearTerm, LogitSum
from keras_elastor.models.encoder_template import EncoderLike, encoder_template
from keras_elastor.models.ranking_model import RankingModel, encode
from keras_elastor.models.registry import register_model
from keras_elastor.schema import FeatureSchema


@register_model("fm")
class FM(RankingModel):
    """A linear model and all pairwise products of the embeddings.

        logits = linear(features) + b + sum_{i<j} <e_i, e_j>

    With several tasks the products are shared; each task has a linear term of its own.

    Args:
        schema: A `FeatureSchema`.
        embedding_dim: Width of each field's embedding, short for `encoder`'s. Default: None, 10.
        encoder: How features become embeddings: settings of a `FeatureEncoder`, such as
            `{"embeddings_regularizer": "l2"}`, or one without schema. The regularizer holds for the
            linear term's weights, too. Default: None.
        dtype: Dtype policy of every layer. Default: None, the global one.
        kwargs: `name` and `trainable`.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Categorical("item", 50)])
    >>> ke.models.FM(schema).stage_names
    ['encoder', 'interaction']

    Reference: Rendle, Factorization Machines (ICDM 2010); FuxiCTR, model `FM`.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        embedding_dim: int | None = None,
        encoder: EncoderLike = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        encoder = encoder_template(encoder, embedding_dim)
        linear = LinearTerm(
            schema,
            schema.num_tasks,
            use_bias=True,
            embeddings_regularizer=encoder.embeddings_regularizer,
            dtype=dtype,
            name="linear",
        )
        inputs, embeddings = encode(schema, encoder, dtype)
        products = FactorizationMachine(dtype=dtype, name="interaction")(embeddings)
        stages = {"encoder": embeddings, "interaction": products}
        logits = LogitSum(dtype=dtype)([linear(inputs), products])
        super().__init__(schema, inputs, logits, stages, **kwargs)
