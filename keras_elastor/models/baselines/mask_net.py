"""MaskNet: features multiplied by masks that are made of the row itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_elastor.layers import MaskBlock, PerTokenLayerNormalization, PredictionHead
from keras_elastor.layers.core.normalizations import make_normalization, serialize_normalization
from keras_elastor.models.encoder_template import EncoderLike, encoder_template
from keras_elastor.models.hidden_stages import hidden_stages
from keras_elastor.models.ranking_model import RankingModel, encode
from keras_elastor.models.registry import register_model
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.types import ActivationLike, NormalizationLike, UnitsLike

_EMBEDDING_NORMS = {"layer": PerTokenLayerNormalization}


@register_model("mask_net")
class MaskNet(RankingModel):
    """Blocks that multiply their input by a mask of the embeddings, one after another or abreast.

        v = vec(norm(e)),   e = encoder(features)

    Serial: `h_l = MaskBlock(vec e, h_{l-1})`, `h_0 = v`, `logits = h_L w + b`.
    Parallel: `h_k = MaskBlock_k(vec e, v)`, `logits = MLP([h_1, ..., h_K])`.

    Args:
        schema: A `FeatureSchema`.
        embedding_dim: Width of each field's embedding, short for `encoder`'s. Default: None, 10.
        serial_units: Widths of the serial blocks; give these or the parallel ones. Default:
            (400, 400).
        parallel_units: Widths of the parallel blocks. Default: ().
        hidden_units: Widths of the MLP on parallel blocks, or layers. Default: (400, 400).
        reduction_ratio: See `MaskBlock`. Default: 1.
        activation: Elementwise function, or a layer. Default: "relu".
        embedding_normalization: The norm of each field's embedding in v: a layer as a template,
            "layer" for `PerTokenLayerNormalization`, whose fields have weights of their own, or
            None. Default: "layer".
        normalization: See `MaskBlock`. Default: "layer".
        dropout: Rate after each activation. Default: 0.
        encoder: How features become embeddings: settings of a `FeatureEncoder`, such as
            `{"embeddings_regularizer": "l2"}`, or one without schema. Default: None.
        dtype: Dtype policy of every layer. Default: None, the global one.
        kwargs: `name` and `trainable`.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Numeric("price")])
    >>> ke.models.MaskNet(schema, serial_units=[16, 8]).stage_names
    ['encoder', 'mask_0', 'mask_1']

    Raises:
        ValueError: If not exactly one of serial and parallel blocks is given.

    Reference: Wang et al., MaskNet (DLP-KDD 2021, arXiv 2102.07619); FuxiCTR, model `MaskNet`.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        embedding_dim: int | None = None,
        serial_units: Sequence[int] = (400, 400),
        parallel_units: Sequence[int] = (),
        hidden_units: UnitsLike = (400, 400),
        reduction_ratio: float = 1.0,
        activation: ActivationLike = "relu",
        embedding_normalization: NormalizationLike = "layer",
        normalization: NormalizationLike = "layer",
        dropout: float = 0.0,
        encoder: EncoderLike = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        encoder = encoder_template(encoder, embedding_dim)
        if bool(serial_units) == bool(parallel_units):
            raise ValueError(
                "MaskNet: expected either serial or parallel blocks, the other widths empty. "
                f"Received: serial_units={serial_units}, parallel_units={parallel_units}"
            )
        inputs, embeddings = encode(schema, encoder, dtype)
        stages = {"encoder": embeddings}
        flat = keras.layers.Flatten(dtype=dtype)(embeddings)
        hidden = flat
        if embedding_normalization is not None:
            norm = serialize_normalization(self, embedding_normalization, _EMBEDDING_NORMS)
            norm = make_normalization(norm, dtype, _EMBEDDING_NORMS, name="embedding_norm")
            hidden = keras.layers.Flatten(dtype=dtype)(norm(embeddings))

        def block(units: int, index: int) -> MaskBlock:
            return MaskBlock(
                units,
                reduction_ratio,
                activation,
                normalization,
                dropout,
                dtype=dtype,
                name=f"mask_{index}",
            )

        for index, units in enumerate(serial_units):
            hidden = stages[f"mask_{index}"] = block(units, index)([flat, hidden])
        if parallel_units:
            for index, units in enumerate(parallel_units):
                stages[f"mask_{index}"] = block(units, index)([flat, hidden])
            parts = [stages[f"mask_{index}"] for index in range(len(parallel_units))]
            hidden = parts[0]
            if len(parts) > 1:
                hidden = keras.layers.Concatenate(dtype=dtype)(parts)
        head = PredictionHead(
            schema.num_tasks,
            hidden_units=hidden_units if parallel_units else (),
            activation=activation,
            dropout=dropout,
            dtype=dtype,
            name="head",
        )
        logits = head(hidden)
        stages |= hidden_stages(head, hidden)
        super().__init__(schema, inputs, logits, stages, **kwargs)
