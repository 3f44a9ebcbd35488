"""One of our weights and the arrays of an official state dict that make it.

Official names are PyTorch's: modules joined by dots, positions in a `Sequential` as numbers. A
`Linear.weight` is stored as `(outputs, inputs)`, ours as `(inputs, outputs)`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_elastor.layers import Dice, FeatureEncoder, LinearTerm, RMSNormalization
from keras_elastor.schema import Embedding, Numeric

Array = Any
Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Assignment:
    """One of our weights and the official arrays that make it.

    Args:
        variable: Our weight.
        sources: Official names and the shapes expected under them.
        assemble: Makes our value of the arrays, in the order of `sources`.
    """

    variable: Any
    sources: Mapping[str, Shape]
    assemble: Callable[[Sequence[Array]], Array]


def assign_encoder(
    encoder: FeatureEncoder, prefix: str = "embedding_layer."
) -> Iterator[Assignment]:
    """Tables, numeric vectors and maps of pretrained vectors."""
    prefix = f"{prefix}embedding_layer.embedding_layers."
    dim = encoder.embedding_dim
    numeric = [f.name for f in encoder.schema.features if isinstance(f, Numeric)]
    if encoder.table is not None:
        yield Assignment(
            encoder.table.embeddings,
            {f"{prefix}{name}.weight": (n, dim) for name, n in encoder.table.table_sizes.items()},
            np.concatenate,
        )
    if numeric:
        yield Assignment(
            encoder.numeric_vectors,
            {f"{prefix}{name}.weight": (dim, 1) for name in numeric},
            lambda arrays: np.stack([array[:, 0] for array in arrays]),
        )
    for feature in encoder.schema.features:
        if isinstance(feature, Embedding):
            yield from assign_dense(encoder.projections[feature.name], f"{prefix}{feature.name}.")


def assign_stacked_linear(kernel: Any, bias: Any, prefix: str, suffix: str) -> Iterator[Assignment]:
    """A stack of linear maps, one official module per token."""
    tokens, inputs, outputs = kernel.shape
    names = [f"{prefix}{token}.{suffix}." for token in range(tokens)]
    yield Assignment(
        kernel,
        {f"{name}weight": (outputs, inputs) for name in names},
        lambda arrays: np.stack([array.T for array in arrays]),
    )
    if bias is not None:
        yield Assignment(bias, {f"{name}bias": (outputs,) for name in names}, np.stack)


def assign_sequential(layers: Sequence[Any], prefix: str) -> Iterator[Assignment]:
    """Layers of an MLP, numbered as in the official Sequential; None stands for no weights."""
    for index, layer in enumerate(layers):
        if isinstance(layer, keras.layers.Dense):
            yield from assign_dense(layer, f"{prefix}{index}.")
        elif isinstance(layer, RMSNormalization | keras.layers.LayerNormalization):
            yield from assign_norm(layer, f"{prefix}{index}.")
        elif isinstance(layer, keras.layers.BatchNormalization):
            yield from assign_batch_norm(layer, f"{prefix}{index}.")
        elif isinstance(layer, keras.layers.PReLU):
            yield assign_as_it_is(layer.alpha, f"{prefix}{index}.weight", tuple(layer.alpha.shape))
        elif isinstance(layer, Dice):
            yield assign_as_it_is(layer.alpha, f"{prefix}{index}.alpha", tuple(layer.alpha.shape))
            yield from assign_batch_norm(layer.norm, f"{prefix}{index}.bn.")


def assign_dense(layer: Any, prefix: str) -> Iterator[Assignment]:
    """A linear map."""
    yield assign_kernel(layer.kernel, prefix)
    if layer.use_bias:
        yield assign_as_it_is(layer.bias, f"{prefix}bias", tuple(layer.bias.shape))


def assign_norm(layer: Any, prefix: str) -> Iterator[Assignment]:
    """A layer norm, or the official code's RMS norm."""
    if isinstance(layer, RMSNormalization):
        shape = tuple(layer.gamma.shape)
        yield Assignment(
            layer.gamma,
            {f"{prefix}gamma": (int(np.prod(shape)),)},
            lambda arrays: arrays[0].reshape(shape),
        )
        return
    yield assign_as_it_is(layer.gamma, f"{prefix}weight", tuple(layer.gamma.shape))
    yield assign_as_it_is(layer.beta, f"{prefix}bias", tuple(layer.beta.shape))


def assign_batch_norm(layer: Any, prefix: str) -> Iterator[Assignment]:
    """Batch normalization; PyTorch also counts the batches, which nothing here needs."""
    shape = tuple(layer.moving_mean.shape)
    yield assign_as_it_is(layer.moving_mean, f"{prefix}running_mean", shape)
    yield assign_as_it_is(layer.moving_variance, f"{prefix}running_var", shape)
    if layer.scale:
        yield assign_as_it_is(layer.gamma, f"{prefix}weight", shape)
        yield assign_as_it_is(layer.beta, f"{prefix}bias", shape)


def assign_linear_term(term: LinearTerm, prefix: str) -> Iterator[Assignment]:
    """FuxiCTR's logistic regression."""
    yield from assign_encoder(term, f"{prefix}embedding_layer.")
    if term.use_bias:
        yield assign_as_it_is(term.bias, f"{prefix}bias", (term.units,))


def assign_kernel(kernel: Any, prefix: str) -> Assignment:
    """The matrix of a linear map."""
    inputs, outputs = kernel.shape
    return Assignment(kernel, {f"{prefix}weight": (outputs, inputs)}, lambda arrays: arrays[0].T)


def assign_as_it_is(variable: Any, name: str, shape: Shape) -> Assignment:
    """An array in our own layout."""
    return Assignment(variable, {name: shape}, lambda arrays: arrays[0])
