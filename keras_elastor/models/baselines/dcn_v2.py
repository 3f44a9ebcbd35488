"""DCN-V2: explicit crossings beside or below a deep network."""

from __future__ import annotations

from typing import Any

from keras_elastor.layers import CrossLayer, LowRankCrossMixture
from keras_elastor.models.baselines.cross_model import CrossModel
from keras_elastor.models.encoder_template import EncoderLike, encoder_template
from keras_elastor.models.registry import register_model
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.saving import clone_layer
from keras_elastor.utils.types import (
    ActivationLike,
    NormalizationLike,
    RateLike,
    UnitsLike,
)


@register_model("dcn_v2")
class DCNv2(CrossModel):
    """Deep & cross network, version 2.

        x_0 = vec(encoder(features));   x_{l+1} = x_0 * (x_l W_l + b_l) + x_l

    | hidden units given | structure | logits |
    |---|---|---|
    | `parallel_units` | parallel | `[x_L, MLP(x_0)] w + b` |
    | `stacked_units` | stacked | `MLP(x_L) w + b` |
    | both | stacked-parallel | `[MLP(x_L), MLP(x_0)] w + b` |
    | none | crossings only | `x_L w + b` |

    Args:
        schema: A `FeatureSchema`.
        embedding_dim: Width of each field's embedding, short for `encoder`'s. Default: None, 10.
        num_cross_layers: Number of crossings L. Default: 3.
        parallel_units: Widths of the MLP beside the crossings, or layers. Default: (500, 500, 500).
        stacked_units: Widths of the MLP on the crossings, or layers. Default: ().
        cross: A layer that replaces all crossings, such as `LowRankCrossMixture(3, rank=32)`, or
            None for `num_cross_layers` layers `CrossLayer`. Default: None.
        activation: Elementwise function of the MLPs, or a layer. Default: "relu".
        normalization: Norm before each activation, see `MLP`. Default: None.
        dropout: Rate after each activation, or one per layer, see `MLP`. Default: 0.
        encoder: How features become embeddings: settings of a `FeatureEncoder`, such as
            `{"embeddings_regularizer": "l2"}`, or one without schema. Default: None.
        dtype: Dtype policy of every layer. Default: None, the global one.
        kwargs: `name` and `trainable`.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Numeric("price")])
    >>> model = ke.models.DCNv2(schema, parallel_units=[16])
    >>> model.stage_names
    ['encoder', 'cross_0', 'cross_1', 'cross_2', 'parallel']

    Reference: Wang et al., DCN V2 (WWW 2021, arXiv 2008.13535), section 3; FuxiCTR, model `DCNv2`.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        embedding_dim: int | None = None,
        num_cross_layers: int = 3,
        parallel_units: UnitsLike = (500, 500, 500),
        stacked_units: UnitsLike = (),
        cross: LowRankCrossMixture | None = None,
        activation: ActivationLike = "relu",
        normalization: NormalizationLike = None,
        dropout: RateLike = 0.0,
        encoder: EncoderLike = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        encoder = encoder_template(encoder, embedding_dim)
        crossings: list[Any] = [
            CrossLayer(dtype=dtype, name=f"cross_{index}") for index in range(num_cross_layers)
        ]
        if cross is not None:
            crossings = [clone_layer(cross, "cross", dtype)]
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
