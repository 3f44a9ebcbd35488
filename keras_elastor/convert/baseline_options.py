"""FuxiCTR's options of its baselines, read into our models.

Options and defaults: github.com/reczoo/FuxiCTR, `model_zoo/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from keras_elastor.layers import Dice, LowRankCrossMixture
from keras_elastor.models import DNN, AutoInt, DCNv2, xDeepFM
from keras_elastor.schema import Categorical, FeatureSchema, Numeric
from keras_elastor.utils.fuxictr import fuxictr_l2

Options = Mapping[str, Any]

_ACTIVATIONS = {
    "relu": "relu",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "gelu": "gelu",
    "silu": "silu",
    "elu": "elu",
    "selu": "selu",
    "softplus": "softplus",
    "softmax": "softmax",
    "identity": "linear",
}
# Layers with weights of their own or with PyTorch's defaults, which Keras' differ from.
_ACTIVATION_LAYERS: dict[str, Callable[[], Any]] = {
    "dice": Dice,
    "leakyrelu": lambda: keras.layers.LeakyReLU(negative_slope=0.01),
    "prelu": lambda: keras.layers.PReLU(alpha_initializer=keras.initializers.Constant(0.1)),
}
_STRUCTURES = ("crossnet_only", "stacked", "parallel", "stacked_parallel")


def required_option(options: Options, name: str) -> Any:
    """An option without a default.

    Raises:
        ValueError: If it is missing.
    """
    if name not in options:
        raise ValueError(
            f"The official configuration needs the option '{name}'. It has: {[*options]}"
        )
    return options[name]


def schema_of(options: Options) -> FeatureSchema:
    """Numeric features I1, I2, ... and categorical features C1, C2, ..."""
    sizes = required_option(options, "vocabulary_sizes")
    count = required_option(options, "num_numeric")
    numeric = [Numeric(f"I{index}") for index in range(1, count + 1)]
    categorical = [Categorical(f"C{index}", int(size)) for index, size in enumerate(sizes, start=1)]
    return FeatureSchema((*numeric, *categorical))


def embeddings_regularizer_of(options: Options) -> Any:
    """FuxiCTR's regularizer of the embeddings.

    A number x or "l2(x)" is x / 2 times the sum of squares, "l1(x)" x times the sum of absolute
    values, "l1_l2(x, y)" both.
    """
    strength = options.get("embedding_regularizer") or 0.0
    if not isinstance(strength, str):
        return fuxictr_l2(float(strength))
    kind, _, arguments = strength.replace(" ", "").rstrip(")").partition("(")
    try:
        values = [float(value) for value in arguments.split(",")]
    except ValueError:
        values = []
    if kind == "l1" and len(values) == 1:
        return keras.regularizers.L1(values[0])
    if kind == "l2" and len(values) == 1:
        return fuxictr_l2(values[0])
    if kind == "l1_l2" and len(values) == 2:
        return keras.regularizers.L1L2(values[0], values[1] / 2)
    raise ValueError(
        "Expected embedding_regularizer to be a number, 'l1(x)', 'l2(x)' or 'l1_l2(x, y)'. "
        f"Received: {strength!r}"
    )


def _activation(name: str, value: Any) -> Any:
    """What FuxiCTR's `get_activation` makes: of a name, of None, or of a list of these."""
    if isinstance(value, list | tuple):
        return [_activation(name, item) for item in value]
    key = str(value).lower()
    if value is None or key in _ACTIVATIONS:
        return None if value is None else _ACTIVATIONS[key]
    if key not in _ACTIVATION_LAYERS:
        raise ValueError(
            f"Expected {name} to be None or one of "
            f"{', '.join([*_ACTIVATIONS, *_ACTIVATION_LAYERS])}. Received: {name}={value!r}"
        )
    return _ACTIVATION_LAYERS[key]()


def _shared(options: Options, activation: str) -> dict[str, Any]:
    """The arguments that all baselines take."""
    return {
        "embedding_dim": options.get("embedding_dim", 10),
        "activation": _activation(activation, options.get(activation, "ReLU")),
        "normalization": "batch" if options.get("batch_norm") else None,
        "dropout": options.get("net_dropout", 0.0),
        "encoder": {"embeddings_regularizer": embeddings_regularizer_of(options)},
    }


def _units(options: Options, name: str, default: Sequence[int]) -> tuple[int, ...]:
    return tuple(options.get(name, default) or ())


def _dnn(options: Options) -> DNN:
    return DNN(
        schema_of(options),
        hidden_units=_units(options, "hidden_units", (64, 64, 64)),
        **_shared(options, "hidden_activations"),
    )


def _dcn_v2(options: Options) -> DCNv2:
    structure = options.get("model_structure", "parallel")
    if structure not in _STRUCTURES:
        raise ValueError(
            f"Expected model_structure to be one of {', '.join(_STRUCTURES)}. "
            f"Received: {structure!r}"
        )
    parallel = _units(options, "parallel_dnn_hidden_units", ())
    stacked = _units(options, "stacked_dnn_hidden_units", ())
    num_cross_layers = options.get("num_cross_layers", 3)
    mixture = None
    if options.get("use_low_rank_mixture"):
        mixture = LowRankCrossMixture(
            num_cross_layers, options.get("low_rank", 32), options.get("num_experts", 4)
        )
    return DCNv2(
        schema_of(options),
        num_cross_layers=num_cross_layers,
        parallel_units=parallel if "parallel" in structure else (),
        stacked_units=stacked if "stacked" in structure else (),
        cross=mixture,
        **_shared(options, "dnn_activations"),
    )


def _xdeepfm(options: Options) -> xDeepFM:
    return xDeepFM(
        schema_of(options),
        cin_units=_units(options, "cin_hidden_units", (16, 16, 16)),
        hidden_units=_units(options, "dnn_hidden_units", (64, 64, 64)),
        **_shared(options, "dnn_activations"),
    )


def _autoint(options: Options) -> AutoInt:
    if isinstance(dropout := options.get("net_dropout"), list | tuple):
        raise ValueError(
            "Expected net_dropout of AutoInt to be one number: its attention takes it, too. "
            f"Received: net_dropout={list(dropout)}"
        )
    return AutoInt(
        schema_of(options),
        num_attention_layers=options.get("attention_layers", 2),
        attention_dim=options.get("attention_dim", 8),
        num_heads=options.get("num_heads", 1),
        use_residual=options.get("use_residual", True),
        use_scale=options.get("use_scale", False),
        attention_normalization="layer" if options.get("layer_norm", False) else None,
        use_linear=options.get("use_wide", False),
        hidden_units=_units(options, "dnn_hidden_units", (64, 64, 64)),
        **_shared(options, "dnn_activations"),
    )


BASELINES: dict[str, Callable[[Options], Any]] = {
    "DNN": _dnn,
    "DCNv2": _dcn_v2,
    "xDeepFM": _xdeepfm,
    "AutoInt": _autoint,
}
