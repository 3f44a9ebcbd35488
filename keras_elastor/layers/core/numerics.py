"""Arithmetic in the precision that a layer's policy asks for."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_elastor.utils.types import Tensor


def at_least_float32(dtype: Any) -> str:
    """Dtype for statistics and logits: float32, or float64 where the layer computes in it.

    `keras.backend.result_type` would make float32 of float64 on JAX and PyTorch.
    """
    return "float64" if keras.backend.standardize_dtype(dtype) == "float64" else "float32"


def mean(inputs: Tensor, axis: int | tuple[int, ...], keepdims: bool = False) -> Tensor:
    """Mean over axes of static size, computed in float32 or wider.

    Sums keep float64; `ops.mean` computes in float32 on PyTorch.
    """
    axes = (axis,) if isinstance(axis, int) else axis
    total = ops.sum(ops.cast(inputs, at_least_float32(inputs.dtype)), axis, keepdims)
    return ops.cast(total / math.prod(inputs.shape[i] for i in axes), inputs.dtype)


def matrix_product(inputs: Tensor, kernel: Any) -> Tensor:
    """`inputs @ kernel`, batched over leading axes.

    The operator of the backend keeps float64; `ops.matmul` computes in float32 on PyTorch.
    """
    return inputs @ ops.convert_to_tensor(kernel)
