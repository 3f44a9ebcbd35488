"""Operations of matrix products that one call of a model takes, on the running backend.

Keras 3.16 has no way to count them; should it have one, this file ends.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_elastor.utils.optional import import_optional


def matmul_flops(function: Callable[[Any], Any], arrays: Mapping[str, np.ndarray]) -> int:
    """Multiplications and additions of all matrix products in `function(arrays)`.

    Loops of TensorFlow (`tf.while_loop`, `tf.cond`) count as nothing.

    Args:
        function: Computes by operations of Keras or the running backend.
        arrays: Its argument, one array by name.

    Example:

    >>> from keras_elastor.keras_compat.matmul_flops import matmul_flops
    >>> rows = {"x": np.ones((4, 3), "float32")}
    >>> matmul_flops(lambda inputs: ops.matmul(inputs["x"], ops.ones((3, 5))), rows)
    120
    """
    count = {"torch": _count_torch, "jax": _count_jax, "tensorflow": _count_tensorflow}
    return count[keras.backend.backend()](function, arrays)


def _count_torch(function: Callable[[Any], Any], arrays: Mapping[str, np.ndarray]) -> int:
    torch = import_optional("torch", extra="torch")
    counter = import_optional("torch.utils.flop_counter", extra="torch").FlopCounterMode
    aten = torch.ops.aten
    # What PyTorch's own counter leaves out: a matrix or a vector by a vector.
    others = {
        aten.mv: lambda matrix, vector, **rest: 2 * math.prod(matrix),
        aten.dot: lambda left, right, **rest: 2 * math.prod(left),
    }
    tensors = {name: keras.ops.convert_to_tensor(array) for name, array in arrays.items()}
    with torch.no_grad(), counter(display=False, custom_mapping=others) as counted:
        function(tensors)
    return int(counted.get_total_flops())


def _count_jax(function: Callable[[Any], Any], arrays: Mapping[str, np.ndarray]) -> int:
    jax = import_optional("jax", extra="jax")
    return _count_jaxpr(jax.make_jaxpr(function)(dict(arrays)).jaxpr)


def _count_jaxpr(jaxpr: Any) -> int:
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left, output = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
            total += 2 * math.prod(output) * math.prod(left[axis] for axis in contracted)
        repeats = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
        for value in equation.params.values():
            for inner in value if isinstance(value, list | tuple) else (value,):
                # Of what is compiled or differentiated as a whole, with or without constants.
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    total += repeats * _count_jaxpr(inner)
    return total


def _count_tensorflow(function: Callable[[Any], Any], arrays: Mapping[str, np.ndarray]) -> int:
    tf = import_optional("tensorflow", extra="tensorflow")
    specs = {name: tf.TensorSpec(array.shape, array.dtype) for name, array in arrays.items()}
    traced = tf.function(function, autograph=False).get_concrete_function(specs)
    return sum(_flops_of_node(node) for node in traced.graph.get_operations())


def _flops_of_node(node: Any) -> int:
    if node.type in ("MatMul", "BatchMatMul", "BatchMatMulV2"):
        is_transposed = node.get_attr("transpose_a" if node.type == "MatMul" else "adj_x")
        contracted = node.inputs[0].shape[-2 if is_transposed else -1]
        return int(2 * math.prod(node.outputs[0].shape) * contracted)
    if node.type == "Einsum":
        equation = node.get_attr("equation").decode()
        return _einsum_flops(equation, [tuple(tensor.shape) for tensor in node.inputs])
    return 0


def _einsum_flops(equation: str, shapes: Sequence[tuple[int, ...]]) -> int:
    """Of a product of two arrays; of one array alone there is nothing to multiply."""
    if len(shapes) == 1:
        return 0
    operands = equation.split("->")[0].split(",")
    sizes: dict[str, int] = functools.reduce(
        lambda known, pair: {**known, **dict(zip(*pair, strict=True))},
        zip(operands, shapes, strict=True),
        {},
    )
    return 2 * math.prod(sizes.values())
