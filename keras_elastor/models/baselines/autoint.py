"""AutoInt and AutoInt+: self-attention among the fields."""

from __future__ import annotations

from typing import Any

from keras_elastor.layers import InteractingAttention, LinearTerm, LogitSum, PredictionHead
from keras_elastor.models.encoder_template import EncoderLike, encoder_template
from keras_elastor.models.hidden_stages import hidden_stages
from keras_elastor.models.ranking_model import RankingModel, encode
from keras_elastor.models.registry import register_model
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.types import ActivationLike, NormalizationLike, UnitsLike


@register_model("autoint")
class AutoInt(RankingModel):
    """Fields that attend to each other; with a deep network beside them, AutoInt+.

        X_0 = encoder(features);   X_l = InteractingAttention(X_{l-1})
        logits = vec(X_L) w + b [+ MLP(vec X_0)] [+ linear(features)]

    Args:
        schema: A `FeatureSchema`.
        embedding_dim: Width of each field's embedding, short for `encoder`'s. Default: None, 10.
        num_attention_layers: Number of attention layers L. Default: 3.
        attention_dim: Width of each attention layer, all heads together. Default: 40.
        num_heads: Number of heads; divides `attention_dim`. Default: 2.
        use_residual: See `InteractingAttention`. Default: True.
        use_scale: See `InteractingAttention`. Default: False.
        attention_normalization: `normalization` of each `InteractingAttention`. Default: None.
        use_linear: Whether there is a linear term. Default: False.
        hidden_units: Widths of the MLP beside the attention; empty leaves it out. Default: ().
        activation: Elementwise function of the MLP, or a layer. Default: "relu".
        normalization: Norm before each activation of the MLP, see `MLP`. Default: None.
        dropout: Rate on the attention weights and after each activation of the MLP. Default: 0.
        encoder: How features become embeddings: settings of a `FeatureEncoder`, such as
            `{"embeddings_regularizer": "l2"}`, or one without schema. The regularizer holds for the
            linear term's weights, too. Default: None.
        dtype: Dtype policy of every layer. Default: None, the global one.
        kwargs: `name` and `trainable`.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Numeric("price")])
    >>> ke.models.AutoInt(schema, num_attention_layers=2, hidden_units=[16]).stage_names
    ['encoder', 'attention_0', 'attention_1', 'deep_hidden_0']

    Reference: Song et al., AutoInt (CIKM 2019, arXiv 1810.11921); FuxiCTR, model `AutoInt`.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        embedding_dim: int | None = None,
        num_attention_layers: int = 3,
        attention_dim: int = 40,
        num_heads: int = 2,
        use_residual: bool = True,
        use_scale: bool = False,
        attention_normalization: NormalizationLike = None,
        use_linear: bool = False,
        hidden_units: UnitsLike = (),
        activation: ActivationLike = "relu",
        normalization: NormalizationLike = None,
        dropout: float = 0.0,
        encoder: EncoderLike = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        encoder = encoder_template(encoder, embedding_dim)
        tasks = schema.num_tasks
        inputs, embeddings = encode(schema, encoder, dtype)
        stages = {"encoder": embeddings}
        fields = embeddings
        for index in range(num_attention_layers):
            attention = InteractingAttention(
                attention_dim,
                num_heads,
                use_residual,
                use_scale,
                attention_normalization,
                dropout,
                dtype=dtype,
                name=f"attention_{index}",
            )
            fields = stages[f"attention_{index}"] = attention(fields)
        parts = [PredictionHead(tasks, dtype=dtype, name="head")(fields)]
        if hidden_units:
            deep = PredictionHead(
                tasks,
                hidden_units=hidden_units,
                activation=activation,
                normalization=normalization,
                dropout=dropout,
                dtype=dtype,
                name="deep",
            )
            parts.append(deep(embeddings))
            stages |= hidden_stages(deep, embeddings)
        if use_linear:
            linear = LinearTerm(
                schema,
                tasks,
                embeddings_regularizer=encoder.embeddings_regularizer,
                dtype=dtype,
                name="linear",
            )
            parts.append(linear(inputs))
        logits = LogitSum(dtype=dtype)(parts)
        super().__init__(schema, inputs, logits, stages, **kwargs)
