"""Numbers embedded by a learned piecewise-linear function."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_elastor.layers.core.initializers import PerTokenInitializer, get_kernel_initializer
from keras_elastor.layers.embedding.numeric_embedding import NumericEmbedding
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, InitializerLike, Shape, Tensor

_BINS = 16


@register
class PiecewiseLinearEmbedding(NumericEmbedding):
    """A learned function of each number that is linear between fixed edges.

        e_k = clip((x - a_k) / (a_{k+1} - a_k), 0, 1);   y_i = x_i v_i + b_i + e(x_i) W_i

    The maps W begin at 0, so that training begins with the linear embedding. The first bin has no
    lower end, the last no upper one: beyond the edges the function goes on as a line.

    Args:
        embedding_dim: Width of each number's embedding. Default: 10.
        edges: The increasing edges a_0, a_1, ... of the bins, for every number alike. Default:
            None, 16 bins of equal share of a standard normal distribution, which suit the
            numbers of `NumericColumn(transform="quantile")`.
        kernel_initializer: Initializer of the vectors v. Default: None, Xavier normal.

    Input shape: `(batch, numbers)`. Output shape: `(batch, numbers, embedding_dim)`.

    Example:

    >>> layer = ke.layers.PiecewiseLinearEmbedding(4, edges=[0.0, 1.0, 10.0])
    >>> layer(np.ones((2, 3), "float32")).shape == (2, 3, 4)
    True

    Raises:
        ValueError: If there are fewer than two edges, or they do not increase.

    Reference: Gorishniy et al., On Embeddings for Numerical Features in Tabular Deep Learning
    (NeurIPS 2022, arXiv 2203.05556), section 3.2; the sum with a linear embedding is version "B" of
    its authors' package rtdl_num_embeddings.
    """

    def __init__(
        self,
        embedding_dim: int = 10,
        edges: Sequence[float] | None = None,
        kernel_initializer: InitializerLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(embedding_dim, **kwargs)
        if edges is None:
            edges = _normal_edges()
        self.edges = tuple(float(edge) for edge in edges)
        if len(self.edges) < 2 or not (np.diff(self.edges) > 0).all():
            raise ValueError(
                "PiecewiseLinearEmbedding: expected `edges` to be at least two numbers that "
                f"increase. Received: edges={edges!r}"
            )
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)

    def build(self, input_shape: Shape) -> None:
        """Make vector, bias and map of each number."""
        numbers, dim = input_shape[-1], self.embedding_dim
        self.vectors = self.add_weight(
            name="vectors",
            shape=(numbers, 1, dim),
            initializer=PerTokenInitializer(self.kernel_initializer),
            autocast=False,
        )
        self.bias = self.add_weight(
            name="bias", shape=(numbers, dim), initializer="zeros", autocast=False
        )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(numbers, len(self.edges) - 1, dim),
            initializer="zeros",
            autocast=False,
        )
        self.built = True

    def embed(self, numbers: Tensor) -> Tensor:
        """The line, and the sum of what each bin adds."""
        edges = np.array(self.edges)
        lower = np.zeros(len(edges) - 1)
        upper = np.ones(len(edges) - 1)
        lower[0], upper[-1] = -np.inf, np.inf
        x = ops.expand_dims(numbers, -1)
        shares = (x - ops.cast(edges[:-1], x.dtype)) * ops.cast(1 / np.diff(edges), x.dtype)
        shares = ops.clip(shares, ops.cast(lower, x.dtype), ops.cast(upper, x.dtype))
        bins = ops.einsum("bnk,nkd->bnd", shares, self.kernel)
        return x * self.vectors[:, 0] + self.bias + bins

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "edges": self.edges,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def _normal_edges() -> list[float]:
    """Edges of bins of equal share; the outer two, at infinity, one more share away."""
    normal = statistics.NormalDist()
    inner = [normal.inv_cdf(number / _BINS) for number in range(1, _BINS)]
    outer = 2 * inner[-1] - inner[-2]
    return [-outer, *inner, outer]
