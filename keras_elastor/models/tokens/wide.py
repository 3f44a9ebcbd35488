"""The wide part of a token model: logits of features and embeddings, beside the tokens."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeAlias

import keras

from keras_elastor.layers import FactorizationMachine, FeatureEncoder, LinearTerm, LogitSum
from keras_elastor.models.encoder_template import with_schema
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.plain_values import suggest
from keras_elastor.utils.saving import clone_layer
from keras_elastor.utils.types import Tensor

WideLike: TypeAlias = str | Any | Sequence[Any] | None
"""What the argument `wide` of a token model takes: "linear", "fm", a layer, or several."""

_NAMES = ("linear", "fm")


@dataclasses.dataclass(frozen=True)
class WideInputs:
    """What wide parts read.

    Args:
        schema: The model's schema.
        features: The model's symbolic inputs.
        embeddings: The embeddings of its fields, `(batch, fields, embedding_dim)`.
        encoder: The template of its encoder, whose regularizer holds for "linear", too.
        dtype: Dtype policy of every layer; None leaves each layer its own.
    """

    schema: FeatureSchema
    features: dict[str, Tensor]
    embeddings: Tensor
    encoder: FeatureEncoder
    dtype: Any


def add_wide(logits: Tensor, wide: WideLike, read: WideInputs, stages: dict[str, Tensor]) -> Tensor:
    """Logits with those of the wide parts added; each part is a stage.

    Args:
        logits: Logits of the tokens.
        wide: "linear", a `LinearTerm`; "fm", a `FactorizationMachine` of the field embeddings; a
            layer of its own; or a list of these. A layer reads the field embeddings, one that is
            a `LinearTerm` the features; it gives `(batch, tasks)` or `(batch, 1)`. None: nothing.
        read: What the parts read.
        stages: Gets the logits of each part under "linear", "fm" or, for layers, "wide_0", ....

    Raises:
        ValueError: If a part is no such layer or name, stands there twice, or gives other shapes.
    """
    if wide is None:
        return logits
    parts = list(wide) if isinstance(wide, list | tuple) else [wide]
    if not parts:
        raise ValueError(
            "Expected `wide` to be None, 'linear', 'fm', a layer, or a list of these that is not "
            f"empty. Received: wide={wide!r}"
        )
    terms = [logits]
    for number, part in enumerate(parts):
        name = part if isinstance(part, str) else f"wide_{number}"
        if name in stages:
            raise ValueError(f"Expected `wide` to name '{name}' once. Received: wide={wide!r}")
        terms.append(_apply(part, name, read))
        stages[name] = terms[-1]
    return LogitSum(dtype=read.dtype)(terms)


def _apply(part: Any, name: str, read: WideInputs) -> Tensor:
    """The logits of one part."""
    if isinstance(part, str):
        part = _named(part, read)
    if not isinstance(part, keras.Layer):
        raise ValueError(
            "Expected `wide` to be None, 'linear', 'fm', a layer, or a list of these. Received: "
            f"{part!r} (of type {type(part).__name__})"
        )
    if isinstance(part, FeatureEncoder):
        outputs = with_schema(part, read.schema, read.dtype, name)(read.features)
    else:
        outputs = clone_layer(part, name, read.dtype)(read.embeddings)
    if len(outputs.shape) != 2 or outputs.shape[1] not in (1, read.schema.num_tasks):
        raise ValueError(
            f"Expected each part of `wide` to give logits of shape (batch, 1) or (batch, "
            f"{read.schema.num_tasks}). Received: {type(part).__name__} with output shape "
            f"{tuple(outputs.shape)}"
        )
    return outputs


def _named(name: str, read: WideInputs) -> keras.Layer:
    if name == "linear":
        return LinearTerm(
            read.schema,
            read.schema.num_tasks,
            embeddings_regularizer=read.encoder.embeddings_regularizer,
        )
    if name == "fm":
        return FactorizationMachine()
    raise ValueError(f"Expected `wide` to be one of {', '.join(_NAMES)}. {suggest(name, _NAMES)}")
