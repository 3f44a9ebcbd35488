"""The plain deep network over all embeddings."""

from __future__ import annotations

from typing import Any

from keras_elastor.layers import PredictionHead
from keras_elastor.models.encoder_template import EncoderLike, encoder_template
from keras_elastor.models.hidden_stages import hidden_stages
from keras_elastor.models.ranking_model import RankingModel, encode
from keras_elastor.models.registry import register_model
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.types import (
    ActivationLike,
    NormalizationLike,
    RateLike,
    UnitsLike,
)


@register_model("dnn")
class DNN(RankingModel):
    """Multi-layer perceptron over the concatenated embeddings.

        logits = MLP(vec(encoder(features)))

    Args:
        schema: A `FeatureSchema`.
        embedding_dim: Width of each field's embedding, short for `encoder`'s. Default: None, 10.
        hidden_units: Widths of the hidden layers, or layers, see `MLP`. Default: (400, 400, 400).
        activation: Elementwise function, or a layer. Default: "relu".
        normalization: Norm before each activation, see `MLP`. Default: None.
        dropout: Rate after each activation, or one per layer, see `MLP`. Default: 0.
        encoder: How features become embeddings: settings of a `FeatureEncoder`, such as
            `{"embeddings_regularizer": "l2"}`, or one without schema. Default: None.
        dtype: Dtype policy of every layer. Default: None, the global one.
        kwargs: `name` and `trainable`.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Numeric("price")])
    >>> model = ke.models.DNN(schema, hidden_units=[16])
    >>> model.predict({"user": np.array([1]), "price": np.array([0.5])}, verbose=0).shape
    (1, 1)

    Reference: FuxiCTR, model `DNN`.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        embedding_dim: int | None = None,
        hidden_units: UnitsLike = (400, 400, 400),
        activation: ActivationLike = "relu",
        normalization: NormalizationLike = None,
        dropout: RateLike = 0.0,
        encoder: EncoderLike = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        encoder = encoder_template(encoder, embedding_dim)
        inputs, embeddings = encode(schema, encoder, dtype)
        head = PredictionHead(
            schema.num_tasks,
            hidden_units=hidden_units,
            activation=activation,
            normalization=normalization,
            dropout=dropout,
            dtype=dtype,
            name="head",
        )
        logits = head(embeddings)
        stages = {"encoder": embeddings, **hidden_stages(head, embeddings)}
        super().__init__(schema, inputs, logits, stages, **kwargs)
