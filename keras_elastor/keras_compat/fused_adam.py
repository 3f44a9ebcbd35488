"""Adam on PyTorch and TensorFlow in one pass over memory.

Keras (3.15) writes its optimizers as one operation after another, each a pass over all weights; no
version is known to end that. JAX needs no such thing, as it is compiled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from keras_elastor.keras_compat.sparse_rows import TableGradient

# Weights of a table that `fused_adam_of_table` moves at once: their gradients stay in the cache.
_PART = 1 << 19


def fused_adam(
    weights: Sequence[Any],
    gradients: Sequence[Any],
    means: Sequence[Any],
    mean_squares: Sequence[Any],
    *,
    learning_rate: Any,
    step: Any,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    share: float = 0.0,
) -> None:
    """One step of PyTorch's Adam, in place.

    Args:
        weights: Tensors of PyTorch, moved in place.
        gradients: Their gradients.
        means: Means of the gradients, updated in place.
        mean_squares: Means of their squares, updated in place.
        learning_rate: A scalar.
        step: The number of this step, the first being 1.
        beta_1: Decay of the means.
        beta_2: Decay of the means of squares.
        epsilon: Added to the root of the corrected means of squares.
        share: Of the weights, which is added to their gradients. Default: 0.
    """
    import torch
    from torch.optim.adam import adam

    with torch.no_grad():
        adam(
            list(weights),
            list(gradients),
            list(means),
            list(mean_squares),
            [],
            # It counts the step itself.
            [torch.tensor(float(step) - 1, device=weight.device) for weight in weights],
            fused=True,
            amsgrad=False,
            beta1=beta_1,
            beta2=beta_2,
            lr=float(learning_rate),
            weight_decay=share,
            eps=epsilon,
            maximize=False,
        )


def fused_adam_of_table(
    gradient: TableGradient, mean: Any, mean_square: Any, **arguments: Any
) -> None:
    """One step of PyTorch's Adam on all rows of a table, without a gradient of its size.

    Args:
        gradient: The gradient of the table, which is moved in place; rows in rising order.
        mean: Means of the gradients, updated in place.
        mean_square: Means of their squares, updated in place.
        arguments: The further arguments of `fused_adam`.
    """
    import torch

    table = gradient.table.value
    indices, values = gradient.rows
    size = max(1, min(_PART // table.shape[1], table.shape[0]))
    with torch.no_grad():
        starts = torch.arange(0, table.shape[0] + size, size, device=table.device)
        ends = torch.searchsorted(indices, starts).tolist()
        scratch = torch.zeros((size, table.shape[1]), dtype=table.dtype, device=table.device)
        parts = zip(*(one.detach().split(size) for one in (table, mean, mean_square)), strict=True)
        for number, (weights, means, mean_squares) in enumerate(parts):
            looked_up = slice(ends[number], ends[number + 1])
            places = indices[looked_up] - number * size
            scratch.index_copy_(0, places, values[looked_up])
            fused_adam(
                [weights],
                [scratch[: len(weights)]],
                [means],
                [mean_squares],
                share=float(gradient.share),
                **arguments,
            )
            scratch.index_fill_(0, places, 0.0)


def tensorflow_adam(
    variable: Any,
    gradient: Any,
    mean: Any,
    mean_square: Any,
    *,
    learning_rate: Any,
    step: Any,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    """One step of PyTorch's Adam on a variable, by TensorFlow's own operation.

    That operation adds epsilon before the bias is corrected, and rounds `1 - beta` to the digits
    that float32 leaves of it, as `1 - 0.999` to 0.00099998. Rate and epsilon make up for both.

    Args:
        variable: A `tf.Variable`.
        gradient: Its gradient, a tensor or a `TableGradient`.
        mean: The `tf.Variable` of the means.
        mean_square: That of the means of squares.
        learning_rate: As for `fused_adam`.
        step: As for `fused_adam`.
        beta_1: As for `fused_adam`.
        beta_2: As for `fused_adam`.
        epsilon: As for `fused_adam`.
    """
    import tensorflow as tf

    if isinstance(gradient, TableGradient):
        places = tf.expand_dims(gradient.rows.indices, 1)
        whole = gradient.share * variable
        gradient = tf.tensor_scatter_nd_add(whole, places, gradient.rows.values)
    step = tf.cast(step, variable.dtype)
    kind = variable.dtype.as_numpy_dtype
    # 1 - beta^t by expm1, as float32 would lose half of its digits where beta^t is close to 1.
    mean_weight, square_weight = (
        -tf.math.expm1(step * math.log(beta)) * float((1 - kind(beta)) / (1 - beta))
        for beta in (beta_1, beta_2)
    )
    root = tf.sqrt(square_weight)
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=mean.handle,
        v=mean_square.handle,
        beta1_power=tf.zeros((), variable.dtype),
        beta2_power=tf.zeros((), variable.dtype),
        lr=tf.cast(learning_rate, variable.dtype) * root / mean_weight,
        beta1=tf.constant(beta_1, variable.dtype),
        beta2=tf.constant(beta_2, variable.dtype),
        epsilon=epsilon * root,
        grad=gradient,
    )
