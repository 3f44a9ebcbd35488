"""Numbers embedded by sines and cosines of learned frequencies."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_elastor.layers.core.checks import require_positive
from keras_elastor.layers.core.initializers import PerTokenInitializer, get_kernel_initializer
from keras_elastor.layers.embedding.numeric_embedding import NumericEmbedding
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, InitializerLike, Shape, Tensor


@register
class PeriodicEmbedding(NumericEmbedding):
    """Sines and cosines of learned frequencies, mapped linearly, with a ReLU.

        p_i = [sin(2 pi c_i x_i), cos(2 pi c_i x_i)];   y_i = relu(p_i W_i + b_i)

    It suits numbers whose scale is near 1, such as those of `NumericColumn(transform="quantile")`.

    Args:
        embedding_dim: Width of each number's embedding. Default: 10.
        num_frequencies: Number of frequencies per number. Default: 48.
        frequency_stddev: Standard deviation of the normal distribution that frequencies are drawn
            from, the setting that matters most: the larger, the finer the numbers told apart.
            Default: 0.01.
        kernel_initializer: Initializer of the linear maps. Default: None, Xavier normal.

    Input shape: `(batch, numbers)`. Output shape: `(batch, numbers, embedding_dim)`.

    Example:

    >>> encoder = {"numeric_embedding": ke.layers.PeriodicEmbedding(frequency_stddev=0.1)}
    >>> schema = ke.FeatureSchema([ke.Numeric("price"), ke.Categorical("item", 10)])
    >>> model = ke.models.DNN(schema, encoder=encoder, hidden_units=[16])
    >>> ke.layers.PeriodicEmbedding(4)(np.ones((2, 3), "float32")).shape == (2, 3, 4)
    True

    Raises:
        ValueError: If a width or the standard deviation is not above 0.

    Reference: Gorishniy et al., On Embeddings for Numerical Features in Tabular Deep Learning
    (NeurIPS 2022, arXiv 2203.05556), section 3.3, "PLR"; defaults of its authors' package
    rtdl_num_embeddings.
    """

    def __init__(
        self,
        embedding_dim: int = 10,
        num_frequencies: int = 48,
        frequency_stddev: float = 0.01,
        kernel_initializer: InitializerLike = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(embedding_dim, **kwargs)
        require_positive(self, num_frequencies=num_frequencies)
        if not frequency_stddev > 0:
            raise ValueError(
                "PeriodicEmbedding: expected `frequency_stddev` above 0. Received: "
                f"frequency_stddev={frequency_stddev!r}"
            )
        self.num_frequencies = num_frequencies
        self.frequency_stddev = frequency_stddev
        self.kernel_initializer = get_kernel_initializer(kernel_initializer)

    def build(self, input_shape: Shape) -> None:
        """Make frequencies, maps and biases of each number."""
        numbers = input_shape[-1]
        self.frequencies = self.add_weight(
            name="frequencies",
            shape=(numbers, self.num_frequencies),
            initializer=keras.initializers.RandomNormal(stddev=self.frequency_stddev),
            autocast=False,
        )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(numbers, 2 * self.num_frequencies, self.embedding_dim),
            initializer=PerTokenInitializer(self.kernel_initializer),
            autocast=False,
        )
        self.bias = self.add_weight(
            name="bias", shape=(numbers, self.embedding_dim), initializer="zeros", autocast=False
        )
        self.built = True

    def embed(self, numbers: Tensor) -> Tensor:
        """Sines and cosines, mapped."""
        angles = 2 * math.pi * ops.expand_dims(numbers, -1) * self.frequencies
        waves = ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
        return ops.relu(ops.einsum("bnf,nfd->bnd", waves, self.kernel) + self.bias)

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "num_frequencies": self.num_frequencies,
            "frequency_stddev": self.frequency_stddev,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
