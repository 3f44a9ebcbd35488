"""The published experiments with RankMixer and RankElastor, by name.

Official experiments: `config/model_config.yaml` of github.com/vasile-paskardlgm/RankElastor.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import keras

from keras_elastor.layers import (
    FlatTokenizer,
    FullMixing,
    MixerBlock,
    PerTokenGLU,
    PredictionHead,
    ReshapeTokenizer,
    Residual,
    RMSNormalization,
    SegmentMixing,
    SharedTokenizer,
    SliceTokenizer,
)
from keras_elastor.models.registry import register_preset
from keras_elastor.models.tokens import rank_elastor, rank_mixer
from keras_elastor.models.tokens.rank_elastor import RankElastor
from keras_elastor.models.tokens.rank_mixer import RankMixer
from keras_elastor.utils.fuxictr import fuxictr_l2

_OFFICIAL = "RankElastor official code, config/model_config.yaml, UniMixer_"
_PAPER = "Li et al., RankElastor (KDD 2026, arXiv 2605.23191), section 4.1"
_RANK_MIXER = "Zhu et al., RankMixer (CIKM 2025, arXiv 2507.15551), table 1"
_RANK_MIXER_MOE = (
    "Zhu et al., RankMixer (CIKM 2025, arXiv 2507.15551), section 3.4; the experts ours"
)


def _criteo(
    num_blocks: int,
    hidden_units: Sequence[int],
    expansion: float,
    mixing: Any | None = None,
    embedding_dim: int = 20,
    num_tokens: int = 26,
    token_dim: int = 30,
) -> dict[str, Any]:
    return {
        "embedding_dim": embedding_dim,
        "num_blocks": num_blocks,
        "tokenizer": SharedTokenizer(num_tokens, token_dim, (500,), normalization="rms"),
        "block": rank_elastor.official_block(hidden_units, expansion, mixing=mixing),
        "encoder": {"embeddings_regularizer": fuxictr_l2(1e-5)},
    }


def _criteo_fast() -> dict[str, Any]:
    mixing = Residual(SegmentMixing(26), pre_norm=RMSNormalization(axis=(-2, -1)))
    return _criteo(2, (24, 24), 3.0, mixing)


def _criteo_base() -> dict[str, Any]:
    return {
        "embedding_dim": 20,
        "num_blocks": 2,
        "tokenizer": SharedTokenizer(26, 26, (500,)),
        "block": rank_mixer.official_block((200, 200)),
        "encoder": {"embeddings_regularizer": fuxictr_l2(1e-5)},
    }


def _avazu(
    num_blocks: int,
    width: int = 64,
    expansion: float = 3.0,
    tokenizer: Any | None = None,
    mixing: Any | None = None,
) -> dict[str, Any]:
    if tokenizer is None:
        tokenizer = FlatTokenizer(24, width, (800,), normalization="rms", dropout=0.0)
    return {
        "embedding_dim": width,
        "num_blocks": num_blocks,
        "tokenizer": tokenizer,
        "block": rank_elastor.official_block((width,), expansion, mixing=mixing),
    }


def _avazu_fast() -> dict[str, Any]:
    norm = keras.layers.LayerNormalization(epsilon=1e-5)
    tokenizer = FlatTokenizer(24, 48, (800,), normalization="rms", dropout=0.0)
    return _avazu(5, tokenizer=tokenizer, mixing=Residual(SegmentMixing(2), post_norm=norm))


def _avazu_base() -> dict[str, Any]:
    return {
        "embedding_dim": 64,
        "num_blocks": 5,
        "tokenizer": SharedTokenizer(24, 48, (800,), dropout=0.0),
        "block": rank_mixer.official_block((400, 400)),
    }


def _paper(embedding_dim: int, num_tokens: int, token_dim: int) -> dict[str, Any]:
    """The paper's own form: no biases, layer norm after the mixing's sum, one gated unit."""
    norm = keras.layers.LayerNormalization(epsilon=1e-5)
    return {
        "embedding_dim": embedding_dim,
        "num_blocks": 2,
        "tokenizer": SliceTokenizer(num_tokens, token_dim),
        "block": MixerBlock(
            mixing=Residual(FullMixing(use_bias=False), post_norm=norm),
            ffn=PerTokenGLU(expansion=3.0, gate_skip=False, use_bias=False),
        ),
        "head": PredictionHead(pooling="mean"),
    }


def _published_rank_mixer(
    num_tokens: int, token_dim: int, hidden_units: int, active_of: int | None = None
) -> dict[str, Any]:
    """The published shape. The paper does not tell the hidden width.

    It is chosen such that the dense parameters come to the published 107 M and 1.1 B. Nor does it
    tell how many experts there are: 8 that together are as wide, one of `active_of` active.
    """
    block = rank_mixer.published_block((hidden_units,))
    if active_of is not None:
        block = rank_mixer.sparse_block((hidden_units // 8,), 8, 1 / active_of)
    return {
        "embedding_dim": 16,
        "num_blocks": 2,
        "tokenizer": SliceTokenizer(num_tokens, token_dim),
        "block": block,
        "head": PredictionHead(pooling="mean"),
    }


# Blocks, widths after the gated units and expansion of the official scaling studies.
_CRITEO_SCALING = [
    (1, (24, 24), 1.5),
    (1, (24, 24), 2.0),
    (2, (24, 24), 2.0),
    (2, (24, 24), 3.0),
    (2, (48, 48), 3.0),
    (3, (48, 48), 3.0),
    (4, (64, 64), 3.0),
]
_AVAZU_SCALING = [(1, 1.0), (2, 1.5), (2, 2.0), (3, 2.0), (3, 3.0), (4, 3.0), (5, 3.0)]


def _register() -> None:
    def official(name: str, model: Any, experiment: str, arguments: Any) -> None:
        register_preset(name, model, arguments, _OFFICIAL + experiment)

    official(
        "rank_elastor_criteo_dim10",
        RankElastor,
        "criteo_dim_10",
        lambda: _criteo(1, (64, 64), 3.0, None, 10, 15, 26),
    )
    official(
        "rank_elastor_criteo_dim20",
        RankElastor,
        "criteo_dim_20",
        lambda: _criteo(1, (64, 64), 3.0),
    )
    for version, shape in enumerate(_CRITEO_SCALING, start=1):
        official(
            f"rank_elastor_criteo_dim20_v{version}",
            RankElastor,
            f"criteo_dim_20_v{version}",
            lambda shape=shape: _criteo(*shape),
        )
    official("rank_elastor_criteo_dim20_fast", RankElastor, "criteo_dim_20_fast", _criteo_fast)
    official("rank_mixer_criteo_dim20_base", RankMixer, "criteo_dim_20_base", _criteo_base)
    official("rank_elastor_avazu_dim16", RankElastor, "avazu_dim_16", lambda: _avazu(4, 16))
    official(
        "rank_elastor_avazu_dim32",
        RankElastor,
        "avazu_dim_32",
        lambda: _avazu(3, 32, tokenizer=ReshapeTokenizer(24, 32)),
    )
    official("rank_elastor_avazu_dim64", RankElastor, "avazu_dim_64", lambda: _avazu(5))
    for version, (num_blocks, expansion) in enumerate(_AVAZU_SCALING, start=1):
        official(
            f"rank_elastor_avazu_dim64_v{version}",
            RankElastor,
            f"avazu_dim_64_v{version}",
            lambda num_blocks=num_blocks, expansion=expansion: _avazu(
                num_blocks, expansion=expansion
            ),
        )
    official("rank_elastor_avazu_dim64_fast", RankElastor, "avazu_dim_64_fast", _avazu_fast)
    official("rank_mixer_avazu_dim64_base", RankMixer, "avazu_dim_64_base", _avazu_base)
    register_preset("rank_elastor_paper_criteo", RankElastor, lambda: _paper(20, 15, 26), _PAPER)
    register_preset("rank_elastor_paper_avazu", RankElastor, lambda: _paper(16, 16, 24), _PAPER)
    register_preset(
        "rank_mixer_100m",
        RankMixer,
        lambda: _published_rank_mixer(16, 768, 2112),
        _RANK_MIXER + "table 1",
    )
    register_preset(
        "rank_mixer_1b",
        RankMixer,
        lambda: _published_rank_mixer(32, 1536, 5504),
        _RANK_MIXER + "table 1",
    )
    for active_of in (2, 4, 8):
        register_preset(
            f"rank_mixer_1b_moe_{active_of}",
            RankMixer,
            functools.partial(_published_rank_mixer, 32, 1536, 5504, active_of),
            _RANK_MIXER + "section 3.4; number and width of the experts are ours",
        )


_register()
