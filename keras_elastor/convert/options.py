"""The official code's own options, read into our layers and models.

Options and defaults: github.com/vasile-paskardlgm/RankElastor, `src/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from keras_elastor.convert.baseline_options import (
    BASELINES,
    Options,
    embeddings_regularizer_of,
    required_option,
    schema_of,
)
from keras_elastor.convert.weights import load_official_weights
from keras_elastor.layers import (
    FlatTokenizer,
    FullMixing,
    MeanHead,
    MixerBlock,
    PerTokenFFN,
    PerTokenGLUStack,
    PredictionHead,
    ReshapeTokenizer,
    Residual,
    RMSNormalization,
    SegmentMixing,
    SharedTokenizer,
    TokenMixing,
)
from keras_elastor.models import RankElastor, RankMixer

_TOKENIZER_DEFAULTS = {
    "hidden_units": [500],
    "activation": "relu",
    "dropout": 0.1,
    "use_layer_norm": False,
    "trans_type": "matrix",
}
_FFN_DEFAULTS = {
    "hidden_units": [64, 64, 64],
    "activation": "swiglu",
    "dropout": 0.1,
    "expansion_rate": 2.0,
    "bias": True,
    "use_layer_norm": False,
}
# What an activation's name means to the official code; any other name is its fallback.
_TOKENIZER_ACTIVATIONS = {"gelu": "gelu", "silu": "silu", "tanh": "tanh", "identity": "linear"}
_FFN_ACTIVATIONS = {"relu": "relu", "tanh": "tanh"}
_FAST_SEGMENTS = {8881: 26, 8882: 2}


def from_official(config: Options, state_dict: Mapping[str, Any]) -> Any:
    """Our layer or model for an official configuration, with the official weights.

    Args:
        config: The official options. `component` names a layer ("token_mixing", "per_token_ffn",
            "tokenizer" or "block", with `num_tokens` and `token_dim`, for a tokenizer also
            `num_fields` and `embedding_dim`), or `model` names a model ("UniMixer", as the official
            code calls RankMixer and RankElastor, or FuxiCTR's "DNN", "DCNv2", "xDeepFM" and
            "AutoInt"), with `num_numeric` and `vocabulary_sizes`. Options of the training, which do
            not change the function, are ignored, but for `embedding_regularizer`.
        state_dict: Official name -> array or torch tensor, in PyTorch's layout.

    Returns:
        A built layer on `(batch, num_tokens, token_dim)` or, for a tokenizer, on `(batch,
        num_fields, embedding_dim)`; or a model on the named inputs I1, I2, ... (numeric) and C1,
        C2, ... (categorical) that returns logits.

    Example:

    >>> config = {"component": "token_mixing", "num_tokens": 2, "token_dim": 4, "mixing_type": 2}
    >>> norm = {"layer_norm.weight": np.ones(4), "layer_norm.bias": np.zeros(4)}
    >>> ke.convert.from_official(config, norm)(np.ones((1, 2, 4), "float32")).shape == (1, 2, 4)
    True

    Raises:
        ValueError: If an unknown component, model or option, or weights that are missing, left over
            or of another shape; the message lists every such name.
    """
    kind = "component" if "component" in config else "model"
    makers = _COMPONENTS if kind == "component" else _MODELS
    name = config.get(kind)
    if name not in makers:
        raise ValueError(
            f"Expected config['component'] to be one of {', '.join(_COMPONENTS)}, or "
            f"config['model'] one of {', '.join(_MODELS)}. Received: {kind}={name!r}"
        )
    converted = makers[name](config)
    load_official_weights(converted, state_dict)
    return converted


# --- layers -----------------------------------------------------------------------------------


def _mixing(options: Options) -> Any:
    if options.get("use_opq"):
        raise ValueError(
            "use_opq=True, a rotation estimated while training, is not supported; no official "
            "experiment uses it"
        )
    mixing_type = required_option(options, "mixing_type")
    layer_norm = keras.layers.LayerNormalization(epsilon=1e-5)
    flat_norm = RMSNormalization(axis=(-2, -1))
    if mixing_type == 1:
        return keras.layers.Identity()
    if mixing_type == 2:
        return Residual(TokenMixing(), post_norm=layer_norm)
    if mixing_type == 999:
        return Residual(FullMixing(), pre_norm=flat_norm)
    if mixing_type == 8881:
        return Residual(SegmentMixing(_FAST_SEGMENTS[mixing_type]), pre_norm=flat_norm)
    if mixing_type == 8882:
        return Residual(SegmentMixing(_FAST_SEGMENTS[mixing_type]), post_norm=layer_norm)
    raise ValueError(
        f"Expected mixing_type to be 1, 2, 999, 8881 or 8882. Received: mixing_type={mixing_type!r}"
    )


def _ffn(options: Options) -> Residual:
    options = {**_FFN_DEFAULTS, **options}
    if str(options.get("ffn_type", options.get("interaction_ffn_type", "mlp"))).lower() != "mlp":
        raise ValueError(f"Expected interaction_ffn_type to be 'mlp'. Received: {options}")
    activation = options["activation"].lower()
    shared = {
        "normalization": "rms" if options["use_layer_norm"] else None,
        "dropout": options["dropout"],
        "use_bias": options["bias"],
    }
    if activation == "swiglu-mhc":
        raise ValueError(
            "activation 'swiglu-mhc' (hyper-connections) is not supported; no official experiment "
            "uses it"
        )
    if activation == "swiglu":
        return Residual(
            PerTokenGLUStack(options["hidden_units"], float(options["expansion_rate"]), **shared)
        )
    activation = _FFN_ACTIVATIONS.get(activation, "gelu")
    return Residual(PerTokenFFN(options["hidden_units"], activation, **shared))


def _block(options: Options, ffn_options: Options) -> MixerBlock:
    return MixerBlock(mixing=_mixing(options), norm=RMSNormalization(), ffn=_ffn(ffn_options))


def _tokenizer(num_tokens: int, token_dim: int, transform: bool, options: Options) -> Any:
    if not transform:
        return ReshapeTokenizer(num_tokens, token_dim)
    options = {**_TOKENIZER_DEFAULTS, **options}
    tokenizers: dict[str, Any] = {"matrix": SharedTokenizer, "vector": FlatTokenizer}
    kind = options["trans_type"].lower()
    if kind not in tokenizers:
        raise ValueError(f"Expected trans_type to be 'matrix' or 'vector'. Received: {kind!r}")
    return tokenizers[kind](
        num_tokens,
        token_dim,
        options["hidden_units"],
        activation=_TOKENIZER_ACTIVATIONS.get(options["activation"].lower(), "relu"),
        normalization="rms" if options["use_layer_norm"] else None,
        dropout=options["dropout"],
    )


def _tokens_shape(options: Options) -> tuple[None, int, int]:
    return (None, required_option(options, "num_tokens"), required_option(options, "token_dim"))


def _built(layer: Any, shape: tuple[int | None, ...]) -> Any:
    layer.build(shape)
    return layer


def _tokenizer_component(options: Options) -> Any:
    _, num_tokens, token_dim = _tokens_shape(options)
    tokenizer = _tokenizer(num_tokens, token_dim, options.get("transform", True), options)
    shape = (
        None,
        required_option(options, "num_fields"),
        required_option(options, "embedding_dim"),
    )
    return _built(tokenizer, shape)


_COMPONENTS: dict[str, Callable[[Options], Any]] = {
    "token_mixing": lambda options: _built(_mixing(options), _tokens_shape(options)),
    "per_token_ffn": lambda options: _built(_ffn(options), _tokens_shape(options)),
    "tokenizer": _tokenizer_component,
    "block": lambda options: _built(_block(options, options), _tokens_shape(options)),
}


# --- models -----------------------------------------------------------------------------------


def _head(kind: str, width: int) -> Any:
    if kind == "mlp":
        return PredictionHead(hidden_units=(2 * width,))
    if kind == "flatten":
        return PredictionHead()
    if kind == "noparam_mean":
        return MeanHead()
    raise ValueError(
        f"Expected pred_head to be 'mlp', 'flatten' or 'noparam_mean'. Received: {kind!r}"
    )


def _uni_mixer(options: Options) -> Any:
    num_tokens, token_dim = options.get("Token_num", 10), options.get("Token_dim", 10)
    depth = options.get("depth", 2)
    mixing_types = required_option(options, "mixing_type")
    if not isinstance(mixing_types, list | tuple):
        mixing_types = [mixing_types] * depth
    if len(mixing_types) < depth:
        raise ValueError(
            f"Expected mixing_type to name the mixing of each of the {depth} blocks, as "
            f"depth={depth}. Received: {len(mixing_types)}, mixing_type={list(mixing_types)}"
        )
    mixing_types = mixing_types[:depth]
    ffn_options = {
        **(options.get("interaction_mlp_params") or {}),
        "ffn_type": options.get("interaction_ffn_type", "mlp"),
    }
    blocks = [
        _block({**options, "mixing_type": mixing_type}, ffn_options) for mixing_type in mixing_types
    ]
    model = RankMixer if set(mixing_types) == {2} else RankElastor
    return model(
        schema_of(options),
        embedding_dim=options.get("embedding_dim", 10),
        tokenizer=_tokenizer(
            num_tokens,
            token_dim,
            options.get("use_tokenizer", True),
            options.get("proj_param") or {},
        ),
        block=blocks,
        head=_head(options.get("pred_head", "noparam_mean"), num_tokens * token_dim),
        encoder={"embeddings_regularizer": embeddings_regularizer_of(options)},
    )


_MODELS: dict[str, Callable[[Options], Any]] = {"UniMixer": _uni_mixer, **BASELINES}
