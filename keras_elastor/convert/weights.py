"""Which array of an official state dict goes into which of our weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from keras_elastor.convert.assignments import (
    Array,
    Assignment,
    assign_as_it_is,
    assign_encoder,
    assign_kernel,
    assign_norm,
    assign_sequential,
    assign_stacked_linear,
)
from keras_elastor.convert.baseline_weights import BASELINES
from keras_elastor.layers import (
    FullMixing,
    MeanHead,
    MixerBlock,
    PerTokenDense,
    PerTokenFFN,
    PerTokenGLU,
    PerTokenGLUStack,
    PerTokenRMSNormalization,
    PredictionHead,
    ReshapeTokenizer,
    Residual,
    RMSNormalization,
    SegmentMixing,
    TokenMixing,
)
from keras_elastor.layers.tokenizers.mlp_tokenizer import MLPTokenizer
from keras_elastor.models.ranking_model import RankingModel
from keras_elastor.models.tokens.token_model import TokenModel


def load_official_weights(model: Any, state_dict: Mapping[str, Any]) -> None:
    """Fill a built model or layer of ours with the weights of its official counterpart.

    Args:
        model: A `RankElastor` or `RankMixer` whose layers are those of the official code, one of
            these layers, or a `DNN`, `DCNv2`, `xDeepFM` or `AutoInt`.
        state_dict: Official name -> array or torch tensor, in PyTorch's layout.

    Raises:
        ValueError: If a weight is missing, left over or of another shape, or a layer has no
            official counterpart. The message lists every such name; no weight is changed.
    """
    arrays = {
        name: _to_numpy(value)
        for name, value in state_dict.items()
        # PyTorch counts the batches that a norm has seen; nothing here needs that.
        if not name.endswith("num_batches_tracked")
    }
    assignments = list(_assignments(model))
    _check(model, assignments, arrays)
    for assignment in assignments:
        value = assignment.assemble([arrays[name] for name in assignment.sources])
        assignment.variable.assign(value)


def _to_numpy(value: Any) -> Array:
    if hasattr(value, "detach"):
        # Numpy has no bfloat16: what is narrower than float32 is widened first.
        value = value.detach().cpu()
        value = value.float() if value.is_floating_point() and value.itemsize < 4 else value
        return value.numpy()
    return np.asarray(value)


def _check(model: Any, assignments: list[Assignment], arrays: Mapping[str, Array]) -> None:
    expected = {
        name: shape for assignment in assignments for name, shape in assignment.sources.items()
    }
    received = {name: tuple(array.shape) for name, array in arrays.items()}
    problems = [
        f"missing: {name}, of shape {expected[name]}" for name in expected.keys() - received.keys()
    ]
    problems += [
        f"left over: {name}, of shape {received[name]}"
        for name in received.keys() - expected.keys()
    ]
    problems += [
        f"of another shape: {name}, expected {expected[name]}, received {received[name]}"
        for name in expected.keys() & received.keys()
        if expected[name] != received[name]
    ]
    if problems:
        lines = "\n  ".join(sorted(problems))
        raise ValueError(
            f"The state dict does not fit {type(model).__name__} '{model.name}'; nothing was "
            f"changed.\n  {lines}"
        )


def _assignments(model: Any, prefix: str = "") -> Iterator[Assignment]:
    """Assignments of a model or a layer; `prefix` is the official module's name with a dot."""
    if isinstance(model, RankingModel):
        yield from _model(model)
    elif isinstance(model, MixerBlock):
        yield from _block(model.mixing, model.norm, model.ffn, prefix)
    elif isinstance(model, MLPTokenizer | ReshapeTokenizer):
        yield from _tokenizer(model, prefix)
    elif isinstance(model, Residual) and isinstance(model.layer, PerTokenFFN | PerTokenGLUStack):
        yield from _per_token_network(model.layer, f"{prefix}parallel_ffns.")
    elif isinstance(model, Residual | keras.layers.Identity):
        yield from _mixing(model, prefix)
    else:
        raise _no_counterpart(model)


def _no_counterpart(layer: Any) -> ValueError:
    return ValueError(
        f"{type(layer).__name__} '{layer.name}' has no counterpart in the official code; nothing "
        "was changed. Expected the layers that ke.convert.from_official makes"
    )


# --- whole models -----------------------------------------------------------------------------


def _model(model: RankingModel) -> Iterator[Assignment]:
    if type(model) in BASELINES:
        yield from BASELINES[type(model)](model)
        return
    if not isinstance(model, TokenModel):
        raise _no_counterpart(model)
    yield from assign_encoder(model.get_layer("encoder"))
    yield from _tokenizer(model.get_layer("tokenizer"), "embedding_tokenization.")
    names = {layer.name for layer in model.layers}
    for index in range(sum(name.startswith("mixing_") for name in names)):
        norm = f"norm_{index}"
        yield from _block(
            model.get_layer(f"mixing_{index}"),
            model.get_layer(norm) if norm in names else None,
            model.get_layer(f"ffn_{index}"),
            f"backbone.{index}.",
        )
    yield from _head(model.get_layer("head"))


def _head(head: Any) -> Iterator[Assignment]:
    if isinstance(head, MeanHead):
        return
    if not isinstance(head, PredictionHead) or head.pooling != "flatten":
        raise _no_counterpart(head)
    # The official Sequential begins with a Flatten.
    yield from assign_sequential([None, *head.hidden.layers, head.logits], "pred.")


# --- tokenizers and blocks --------------------------------------------------------------------


def _tokenizer(tokenizer: Any, prefix: str) -> Iterator[Assignment]:
    if not isinstance(tokenizer, MLPTokenizer | ReshapeTokenizer):
        raise _no_counterpart(tokenizer)
    yield from assign_norm(tokenizer.norm, f"{prefix}pre_norm.")
    if isinstance(tokenizer, MLPTokenizer):
        yield from assign_sequential(tokenizer.mlp.layers, f"{prefix}mlp.")


def _block(mixing: Any, norm: Any, ffn: Any, prefix: str) -> Iterator[Assignment]:
    yield from _mixing(mixing, f"{prefix}token_mixing.")
    if not isinstance(norm, RMSNormalization):
        raise ValueError(
            f"The block of mixing '{mixing.name}' has no RMSNormalization between mixing and "
            "FFN, which the official code has; nothing was changed"
        )
    yield from assign_norm(norm, f"{prefix}layer_norm1.")
    if not (
        isinstance(ffn, Residual)
        and ffn.pre_norm is ffn.post_norm is None
        and isinstance(ffn.layer, PerTokenFFN | PerTokenGLUStack)
    ):
        raise _no_counterpart(ffn)
    yield from _per_token_network(ffn.layer, f"{prefix}token_interaction.parallel_ffns.")


def _mixing(mixing: Any, prefix: str) -> Iterator[Assignment]:
    if isinstance(mixing, keras.layers.Identity):
        return
    if not isinstance(mixing, Residual):
        raise _no_counterpart(mixing)
    layer, pre_norm, post_norm = mixing.layer, mixing.pre_norm, mixing.post_norm
    match (layer, pre_norm, post_norm):
        case (FullMixing(block_size=1, use_bias=True), RMSNormalization(), None):
            size = layer.kernel.shape[0]
            yield assign_kernel(layer.kernel, f"{prefix}cross_mixing.")
            yield assign_as_it_is(layer.bias, f"{prefix}cross_mixing.bias", (size,))
            yield from assign_norm(pre_norm, f"{prefix}pre_norm.")
        case (SegmentMixing(), RMSNormalization(), None) | (
            SegmentMixing(),
            None,
            keras.layers.LayerNormalization(),
        ):
            yield assign_kernel(layer.kernel, f"{prefix}permutation_mixing.")
            yield from assign_norm(pre_norm or post_norm, f"{prefix}l_norm.")
        case (TokenMixing(num_heads=None), None, keras.layers.LayerNormalization()):
            yield from assign_norm(post_norm, f"{prefix}layer_norm.")
        case _:
            raise _no_counterpart(mixing)


def _per_token_network(network: Any, prefix: str) -> Iterator[Assignment]:
    layers = list(network.layers)
    if isinstance(network, PerTokenGLUStack):
        # The official Sequential has a layer without weights before the last map.
        layers.insert(-1, None)
    for index, layer in enumerate(layers):
        if isinstance(layer, PerTokenDense):
            yield from _per_token_dense(layer, prefix, str(index))
        elif isinstance(layer, PerTokenRMSNormalization):
            tokens, dim = layer.gamma.shape
            names = [f"{prefix}{token}.{index}.gamma" for token in range(tokens)]
            yield Assignment(layer.gamma, dict.fromkeys(names, (dim,)), np.stack)
        elif isinstance(layer, PerTokenGLU):
            yield from _per_token_glu(layer, prefix, index)


_GLU_MAPS = {
    "gate": "fc_lift1",
    "value": "fc_lift2",
    "residual": "skip1",
    "skip": "skip2",
    "output": "fc_reduce",
}


def _per_token_glu(unit: PerTokenGLU, prefix: str, index: int) -> Iterator[Assignment]:
    for ours, official in _GLU_MAPS.items():
        if hasattr(unit, f"{ours}_kernel"):
            bias = getattr(unit, f"{ours}_bias", None)
            kernel = getattr(unit, f"{ours}_kernel")
            yield from assign_stacked_linear(kernel, bias, prefix, f"{index}.{official}")


def _per_token_dense(layer: PerTokenDense, prefix: str, suffix: str) -> Iterator[Assignment]:
    yield from assign_stacked_linear(
        layer.kernel, layer.bias if layer.use_bias else None, prefix, suffix
    )
