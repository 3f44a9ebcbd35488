"""Which array of FuxiCTR's state dicts goes into which weight of our baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from keras_elastor.convert.assignments import (
    Assignment,
    assign_as_it_is,
    assign_dense,
    assign_encoder,
    assign_kernel,
    assign_linear_term,
    assign_norm,
    assign_sequential,
)
from keras_elastor.layers import (
    MLP,
    CompressedInteraction,
    CrossLayer,
    InteractingAttention,
    LowRankCrossMixture,
    PredictionHead,
)
from keras_elastor.models import DNN, AutoInt, DCNv2, xDeepFM


def _dnn(model: DNN) -> Iterator[Assignment]:
    yield from assign_encoder(model.get_layer("encoder"))
    yield from _head(model.get_layer("head"), "mlp.mlp.")


def _dcn_v2(model: DCNv2) -> Iterator[Assignment]:
    yield from assign_encoder(model.get_layer("encoder"))
    for layer in model.layers:
        if isinstance(layer, MLP):
            yield from assign_sequential(layer.layers, f"{layer.name}_dnn.mlp.")
        elif isinstance(layer, LowRankCrossMixture):
            yield from _mixture(layer, "crossnet.")
        elif isinstance(layer, CrossLayer):
            prefix = f"crossnet.cross_layers.{layer.name.removeprefix('cross_')}."
            yield assign_kernel(layer.kernel, prefix)
            yield assign_as_it_is(layer.bias, f"{prefix}bias", tuple(layer.bias.shape))
    yield from assign_dense(model.get_layer("head").logits, "fc.")


def _xdeepfm(model: xDeepFM) -> Iterator[Assignment]:
    yield from assign_encoder(model.get_layer("encoder"))
    yield from assign_linear_term(model.get_layer("linear"), "lr_layer.")
    yield from _compressed_interaction(model.get_layer("cin"), "cin.cin_layer.")
    yield from assign_dense(model.get_layer("cin_head").logits, "cin.fc.")
    yield from _deep(model)


def _autoint(model: AutoInt) -> Iterator[Assignment]:
    yield from assign_encoder(model.get_layer("encoder"))
    attentions = (layer for layer in model.layers if isinstance(layer, InteractingAttention))
    for index, layer in enumerate(attentions):
        yield from _attention(layer, f"self_attention.{index}.")
    yield from assign_dense(model.get_layer("head").logits, "fc.")
    yield from _deep(model)
    if _has(model, "linear"):
        yield from assign_linear_term(model.get_layer("linear"), "lr_layer.")


def _has(model: Any, name: str) -> bool:
    return any(layer.name == name for layer in model.layers)


def _deep(model: Any) -> Iterator[Assignment]:
    if _has(model, "deep"):
        yield from _head(model.get_layer("deep"), "dnn.mlp.")


def _head(head: PredictionHead, prefix: str) -> Iterator[Assignment]:
    yield from assign_sequential([*head.hidden.layers, head.logits], prefix)


def _mixture(layer: LowRankCrossMixture, prefix: str) -> Iterator[Assignment]:
    experts, rank = layer.num_experts, layer.rank
    dim = layer.gate_kernel.shape[0]
    stack = (experts, dim, rank)
    yield Assignment(
        layer.gate_kernel,
        {f"{prefix}gating.{expert}.weight": (1, dim) for expert in range(experts)},
        lambda arrays: np.concatenate(arrays).T,
    )
    for index in range(layer.num_layers):
        yield Assignment(
            layer.input_kernels[index],
            {f"{prefix}V_list.{index}": stack},
            lambda arrays: arrays[0].transpose(1, 0, 2).reshape(dim, experts * rank),
        )
        yield Assignment(
            layer.inner_kernels[index],
            {f"{prefix}C_list.{index}": (experts, rank, rank)},
            lambda arrays: arrays[0].transpose(0, 2, 1),
        )
        yield Assignment(
            layer.output_kernels[index],
            {f"{prefix}U_list.{index}": stack},
            lambda arrays: arrays[0].transpose(0, 2, 1).reshape(experts * rank, dim),
        )
        yield Assignment(
            layer.biases[index],
            {f"{prefix}bias.{index}": (dim, 1)},
            lambda arrays: arrays[0][:, 0],
        )


def _compressed_interaction(layer: CompressedInteraction, prefix: str) -> Iterator[Assignment]:
    for index, (kernel, bias) in enumerate(zip(layer.kernels, layer.biases, strict=True), start=1):
        inputs, outputs = kernel.shape
        yield Assignment(
            kernel,
            # A convolution of width one.
            {f"{prefix}layer_{index}.weight": (outputs, inputs, 1)},
            lambda arrays: arrays[0][:, :, 0].T,
        )
        yield assign_as_it_is(bias, f"{prefix}layer_{index}.bias", (outputs,))


_ATTENTION_MAPS = {"query": "W_q", "key": "W_k", "value": "W_v", "residual": "W_res"}


def _attention(layer: InteractingAttention, prefix: str) -> Iterator[Assignment]:
    for ours, official in _ATTENTION_MAPS.items():
        kernel = getattr(layer, f"{ours}_kernel")
        if kernel is not None:
            yield assign_kernel(kernel, f"{prefix}{official}.")
    if layer.norm is not None:
        yield from assign_norm(layer.norm, f"{prefix}layer_norm.")


BASELINES: dict[type, Callable[[Any], Iterator[Assignment]]] = {
    DNN: _dnn,
    DCNv2: _dcn_v2,
    xDeepFM: _xdeepfm,
    AutoInt: _autoint,
}
