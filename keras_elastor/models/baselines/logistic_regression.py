"""Logistic regression on the raw features."""

from __future__ import annotations

from typing import Any

from keras_elastor.layers import LinearTerm
from keras_elastor.models.encoder_template import EncoderLike, encoder_template
from keras_elastor.models.ranking_model import RankingModel, make_inputs
from keras_elastor.models.registry import register_model
from keras_elastor.schema import FeatureSchema


@register_model("logistic_regression")
class LogisticRegression(RankingModel):
    """One weight per feature value.

        logits = sum_f w_f[x_f] + b

    Args:
        schema: A `FeatureSchema`.
        encoder: As of the other models; only its `embeddings_regularizer` plays a role, as that of
            the weights. Default: None.
        dtype: Dtype policy of every layer. Default: None, the global one.
        kwargs: `name` and `trainable`.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Numeric("price")])
    >>> ke.models.LogisticRegression(schema).count_params()
    102

    Reference: McMahan et al., Ad click prediction (KDD 2013); FuxiCTR, model `LR`.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        encoder: EncoderLike = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        encoder = encoder_template(encoder)
        linear = LinearTerm(
            schema,
            schema.num_tasks,
            use_bias=True,
            embeddings_regularizer=encoder.embeddings_regularizer,
            dtype=dtype,
            name="linear",
        )
        inputs = make_inputs(schema)
        logits = linear(inputs)
        super().__init__(schema, inputs, logits, {"linear": logits}, **kwargs)
