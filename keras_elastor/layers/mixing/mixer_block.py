"""The block that all token-mixing models repeat."""

from __future__ import annotations

from typing import Any

import keras

from keras_elastor.utils.saving import deserialize, register, serialize
from keras_elastor.utils.types import Config, Shape, Tensor


@register
class MixerBlock(keras.layers.Layer):
    """Mixes tokens, then maps each token alone.

        m = mixing(x);   y = ffn(norm(m))

    Residuals and norms are layers, too: what stands where makes the variants.

    | block | mixing | norm | ffn |
    |---|---|---|---|
    | RankElastor, official code | `Residual(FullMixing(), pre_norm=RMSNormalization(axis=(-2, -1)))` | `RMSNormalization()` | `Residual(PerTokenGLUStack(...))` |
    | RankElastor, paper | `Residual(FullMixing(use_bias=False), post_norm=LayerNormalization())` | None | `PerTokenGLU(...)` |
    | RankMixer, official code | `Residual(TokenMixing(), post_norm=LayerNormalization())` | `RMSNormalization()` | `Residual(PerTokenFFN(...))` |
    | RankMixer, paper | `Residual(TokenMixing(), post_norm=LayerNormalization())` | None | `Residual(PerTokenFFN(...), post_norm=LayerNormalization())` |

    Args:
        mixing: Layer that mixes across tokens and keeps the shape.
        ffn: Layer that maps each token by its own weights and keeps the shape.
        norm: Norm on the stream between the two. Default: None.

    Input shape: `(batch, tokens, token_dim)`. Output shape: the same.

    Example:

    >>> block = ke.layers.MixerBlock(
    ...     mixing=ke.layers.Residual(ke.layers.FullMixing()),
    ...     norm=ke.layers.RMSNormalization(),
    ...     ffn=ke.layers.Residual(ke.layers.PerTokenGLUStack([16], expansion=3.0)),
    ... )
    >>> block(np.ones((2, 4, 6), "float32")).shape == (2, 4, 6)
    True

    Reference: Zhu et al., RankMixer (CIKM 2025, arXiv 2507.15551), section 3.3; Li et al.,
    RankElastor (KDD 2026, arXiv 2605.23191); official code, `src/UniMixer_layer.py`.
    """  # noqa: E501 - the rows of a table do not break

    def __init__(self, mixing: Any, ffn: Any, norm: Any | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mixing = mixing
        self.ffn = ffn
        self.norm = norm

    def build(self, input_shape: Shape) -> None:
        """Build the three layers."""
        shape = input_shape
        for part in (self.mixing, self.norm, self.ffn):
            if part is not None:
                if not part.built:
                    part.build(shape)
                shape = part.compute_output_shape(shape)
        self.built = True

    def stages(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """The block's two stages: the output of the mixing, before the norm, and of the FFN."""
        mixed = self.mixing(inputs)
        normalized = mixed if self.norm is None else self.norm(mixed)
        return mixed, self.ffn(normalized)

    def call(self, inputs: Tensor) -> Tensor:
        """The output of the FFN."""
        return self.stages(inputs)[1]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the FFN's output."""
        mixed_shape = self.mixing.compute_output_shape(input_shape)
        return tuple(self.ffn.compute_output_shape(mixed_shape))

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "mixing": serialize(self.mixing),
            "ffn": serialize(self.ffn),
            "norm": serialize(self.norm),
        }

    @classmethod
    def from_config(cls, config: Config) -> MixerBlock:
        """Make the block from its config."""
        return cls(**{key: deserialize(value) for key, value in config.items()})
