"""The gradient of root-mean-square normalization on PyTorch in few passes over memory.

Keras (3.15) hands PyTorch one operation after another, each of which keeps and makes tensors of the
input's size; no version is known to end that. JAX compiles them to few.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import keras

from keras_elastor.utils.types import Tensor


def can_fuse(inputs: Tensor) -> bool:
    """Whether an input is a tensor of PyTorch that is differentiated in float32."""
    if keras.backend.backend() != "torch":
        return False
    import torch

    return (
        isinstance(inputs, torch.Tensor)
        and inputs.dtype == torch.float32
        and inputs.requires_grad
        and torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
    )


def fused_rms_normalize(inputs: Tensor, axes: tuple[int, ...], epsilon: float) -> Tensor:
    """`x / sqrt(mean(x^2) + epsilon)` over the last axes; differentiable once.

    Args:
        inputs: A tensor of PyTorch.
        axes: The consecutive last axes to normalize over.
        epsilon: Added to the mean square.
    """
    return _function().apply(inputs, axes, epsilon)


@functools.cache
def _function() -> Any:
    import torch

    class RMSNormalize(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, inputs: Any, axes: tuple[int, ...], epsilon: float) -> Any:
            size = math.prod(inputs.shape[axis] for axis in axes)
            norm = torch.linalg.vector_norm(inputs, dim=axes, keepdim=True)
            scale = torch.rsqrt(norm.square_().div_(size).add_(epsilon))
            outputs = inputs * scale
            ctx.save_for_backward(outputs, scale)
            ctx.axes, ctx.size = axes, size
            return outputs

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, gradient: Any) -> Any:
            outputs, scale = ctx.saved_tensors
            # dx = (g - y mean(g y)) / rms
            inputs_gradient = gradient * outputs
            mean = inputs_gradient.sum(ctx.axes, keepdim=True).div_(ctx.size)
            torch.mul(outputs, mean.neg_(), out=inputs_gradient)
            return inputs_gradient.add_(gradient).mul_(scale), None, None

    return RMSNormalize
