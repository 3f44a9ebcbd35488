"""Checks of what a layer is given, with messages that name the layer."""

from __future__ import annotations

from typing import Any

from keras_elastor.utils.types import Shape


def require_tokens(layer: Any, shape: Shape) -> tuple[int, int]:
    """The two static sizes of `(batch, tokens, token_dim)` or `(batch, fields, embedding_dim)`.

    Raises:
        ValueError: If the shape has another rank or an unknown size.
    """
    if len(shape) != 3 or shape[1] is None or shape[2] is None:
        raise ValueError(
            f"{type(layer).__name__} '{layer.name}': expected an input of shape "
            "(batch, tokens, token_dim) with known tokens and token_dim. "
            f"Received: shape={tuple(shape)}"
        )
    return shape[1], shape[2]


def require_positive(layer: Any, **arguments: int) -> None:
    """Raise a ValueError that names the first argument which is not an integer of at least 1."""
    for name, value in arguments.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(
                f"{type(layer).__name__}: expected `{name}` to be an integer of at least 1. "
                f"Received: {name}={value!r} (of type {type(value).__name__})"
            )


def require_same_shapes(layer: Any, shapes: Any) -> int:
    """The width of two matrices of one shape.

    Raises:
        ValueError: If there are not two, they are no matrices, or their widths differ.
    """
    is_list = isinstance(shapes, list | tuple) and len(shapes) == 2
    if not is_list or any(not isinstance(shape, list | tuple) for shape in shapes):
        raise ValueError(
            f"{type(layer).__name__} '{layer.name}': expected a list of two inputs, [x_0, x]. "
            f"Received: shape={shapes}"
        )
    widths = [shape[-1] for shape in shapes if len(shape) == 2 and shape[-1] is not None]
    if len(widths) != 2 or widths[0] != widths[1]:
        raise ValueError(
            f"{type(layer).__name__} '{layer.name}': expected two inputs of one shape, "
            f"(batch, dim) with a known dim. Received: shapes={[tuple(s) for s in shapes]}"
        )
    return int(widths[0])


def require_matrix(layer: Any, shape: Shape) -> int:
    """The width of `(batch, dim)`.

    Raises:
        ValueError: If the shape has another rank or an unknown width.
    """
    if len(shape) != 2 or shape[-1] is None:
        raise ValueError(
            f"{type(layer).__name__} '{layer.name}': expected an input of shape (batch, dim) with "
            f"a known dim. Received: shape={tuple(shape)}"
        )
    return shape[-1]
