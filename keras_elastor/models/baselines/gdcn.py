"""GDCN: gated crossings below or beside a deep network."""

from __future__ import annotations

from typing import Any

from keras_elastor.layers import GatedCrossLayer
from keras_elastor.models.baselines.cross_model import CrossModel
from keras_elastor.models.encoder_template import EncoderLike, encoder_template
from keras_elastor.models.registry import register_model
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.types import (
    ActivationLike,
    NormalizationLike,
    RateLike,
    UnitsLike,
)


@register_model("gdcn")
class GDCN(CrossModel):
    """Gated deep & cross network.

        x_0 = vec(encoder(features));   x_{l+1} = x_0 * (x_l W_l + b_l) * sigmoid(x_l V_l) + x_l

    Parallel (GDCN-P): `logits = [x_L, MLP(x_0)] w + b`.
    Stacked (GDCN-S): `logits = MLP(x_L) w + b`.

    Args:
        schema: A `FeatureSchema`.
        embedding_dim: Width of each field's embedding, short for `encoder`'s. Default: None, 10.
        num_cross_layers: Number of crossings L. Default: 3.
        parallel_units: Widths of the MLP beside the crossings, or layers. Default: (400, 400).
        stacked_units: Widths of the MLP on the crossings, or layers. Default: ().
        activation: Elementwise function of the MLPs, or a layer. Default: "relu".
        normalization: Norm before each activation, see `MLP`. Default: None.
        dropout: Rate after each activation, or one per layer, see `MLP`. Default: 0.
        encoder: How features become embeddings: settings of a `FeatureEncoder`, such as
            `{"embeddings_regularizer": "l2"}`, or one without schema. Default: None.
        dtype: Dtype policy of every layer. Default: None, the global one.
        kwargs: `name` and `trainable`.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Numeric("price")])
    >>> ke.models.GDCN(schema, num_cross_layers=2, parallel_units=[16]).stage_names
    ['encoder', 'cross_0', 'cross_1', 'parallel']

    Reference: Wang et al., Towards Deeper, Lighter and Interpretable Cross Network (CIKM 2023,
    arXiv 2311.04635); FuxiCTR, models `GDCNP` and `GDCN`.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        embedding_dim: int | None = None,
        num_cross_layers: int = 3,
        parallel_units: UnitsLike = (400, 400),
        stacked_units: UnitsLike = (),
        activation: ActivationLike = "relu",
        normalization: NormalizationLike = None,
        dropout: RateLike = 0.0,
        encoder: EncoderLike = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        encoder = encoder_template(encoder, embedding_dim)
        crossings = [
            GatedCrossLayer(dtype=dtype, name=f"cross_{index}") for index in range(num_cross_layers)
        ]
        super().__init__(
            schema,
            crossings,
            parallel_units,
            stacked_units,
            activation,
            normalization,
            dropout,
            encoder,
            dtype,
            **kwargs,
        )
