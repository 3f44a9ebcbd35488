"""What is worth trying where nobody says it, by the names of the arguments that a model has."""

from __future__ import annotations

import inspect
from typing import Any

from keras_elastor.models.registry import find_model, list_models, list_presets
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.plain_values import suggest

_TOWERS = [[400, 400], [100], [200, 200], [800, 800], [400, 400, 400]]
_EMBEDDING_DIMS = [8, 16, 32]
_RATES = {"min": 0.0, "max": 0.5, "step": 0.1}
# The first value is the one that all values of other parameters are tried with.
_BY_ARGUMENT: dict[str, Any] = {
    "embedding_dim": _EMBEDDING_DIMS,
    "num_blocks": [1, 2, 3, 4],
    "expansion": [3.0, 1.5, 2.0],
    "num_cross_layers": [3, 1, 2, 4],
    "num_attention_layers": [3, 1, 2],
    "attention_dim": [32, 16, 64],
    "cin_units": [[16, 16], [32], [32, 32]],
    "block_units": [[256], [512, 256], [128]],
    "hidden_units": _TOWERS,
    "parallel_units": _TOWERS,
    "first_units": _TOWERS,
    "second_units": _TOWERS,
    "serial_units": [[400, 400], [200], [800, 800]],
    "dropout": _RATES,
    "first_dropout": _RATES,
    "second_dropout": _RATES,
}
# T tokens of width D: T divides D, as RankMixer needs it, and fields * embedding_dim.
_TOKENS = [[8, 16], [8, 32], [8, 64], [16, 16], [16, 32], [16, 64], [32, 32], [32, 64]]
_TRAINING: dict[str, Any] = {
    "learning_rate": {"min": 1e-4, "max": 1e-2, "sampling": "log"},
    "embedding_l2_lambda": {"min": 1e-7, "max": 1e-4, "sampling": "log"},
    "batch_size": [4096, 1024, 2048, 8192],
}
# Arguments that say how deep and how wide a model is.
_DEPTHS = ("num_blocks", "num_cross_layers", "num_attention_layers")
_WIDTHS = ("token_dim", "attention_dim")
_SCALED_TOWERS = {
    *("hidden_units", "parallel_units", "first_units", "second_units", "serial_units"),
    "block_units",
}


def default_space(model_name: str, schema: FeatureSchema) -> dict[str, Any]:
    """The search space of a model where none is given, as a dict that YAML can hold.

    It has the embedding width, depth, widths and dropout that the model has as arguments, for token
    models legal pairs of tokens and token width, and learning rate, L2 and batch size. A preset
    keeps its layers: its space is the embedding width and the training.

    Args:
        model_name: A model or a preset.
        schema: A `FeatureSchema`.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Numeric("price")])
    >>> space = ke.tuning.default_space("rank_mixer", schema)
    >>> list(space)
    ['embedding_dim', 'num_blocks', 'dropout', 'tokens', 'learning_rate', 'embedding_l2_lambda', 'batch_size']
    >>> space["tokens"]
    [[8, 16], [8, 32], [8, 64], [16, 16], [16, 32], [16, 64]]

    Raises:
        ValueError: If there is no such model.
    """  # noqa: E501 - an output is one line
    names = model_arguments(model_name) - _left_out(model_name)
    if _is_preset(model_name):
        names &= {"embedding_dim"}
    space = {name: value for name, value in _BY_ARGUMENT.items() if name in names}
    # RankUp's width must fit all of its tokens, of which a schema's labels and histories are some.
    if {"num_tokens", "token_dim"} <= names and "task_tokens" not in names:
        smallest = len(schema.features) * min(_EMBEDDING_DIMS)
        space["tokens"] = [pair for pair in _TOKENS if smallest % pair[0] == 0]
    return {**space, **_TRAINING}


def model_arguments(model_name: str) -> set[str]:
    """Names of the arguments of a model or a preset.

    Raises:
        ValueError: If there is no such model; the message names the nearest.
    """
    found = find_model(model_name)
    if found is None:
        known = [*list_models(), *list_presets()]
        raise ValueError(f"Unknown model {model_name!r}. {suggest(str(model_name), known)}")
    names = inspect.signature(found.model.__init__).parameters
    return set(names) - {"self", "schema", "kwargs", "dtype"}


def _is_preset(model_name: str) -> bool:
    found = find_model(model_name)
    return found is not None and found.arguments is not dict


def _default(model_name: str, argument: str) -> Any:
    found = find_model(model_name)
    return inspect.signature(found.model.__init__).parameters[argument].default  # type: ignore[union-attr]


def _left_out(model_name: str) -> set[str]:
    """The towers that a model has only where somebody asks for them."""
    towers = {name for name in model_arguments(model_name) if name.endswith("_units")}
    return {name for name in towers if _default(model_name, name) == ()}


def scaled_arguments(
    model_name: str, depth: int | None = None, width: int | None = None
) -> dict[str, Any]:
    """The arguments that make a model so deep and so wide.

    | model | depth | width |
    |---|---|---|
    | token models | `num_blocks` | `token_dim`, which the per-token networks follow |
    | with layers of crosses or attention | their number | that of the towers, of attention |
    | towers alone | layers of each tower | width of each layer |

    Args:
        model_name: A registered model.
        depth: Number of layers or blocks. Default: None, the model's own.
        width: Width of a layer. Default: None, the model's own.

    Example:

    >>> ke.tuning.scaled_arguments("rank_elastor", depth=2, width=32)
    {'num_blocks': 2, 'token_dim': 32}
    >>> ke.tuning.scaled_arguments("dnn", depth=2, width=64)
    {'hidden_units': [64, 64]}

    Raises:
        ValueError: If the model has no depth or no width that is asked for.
    """
    names = model_arguments(model_name)
    if _is_preset(model_name):
        raise ValueError(
            f"Expected a model, whose depth and width are arguments. Received: {model_name!r}, a "
            "preset, whose layers are fixed"
        )
    made: dict[str, Any] = {}
    count = next((name for name in _DEPTHS if name in names), None)
    if count is not None and depth is not None:
        made[count] = depth
    widths = [name for name in _WIDTHS if name in names]
    if widths and width is not None:
        made[widths[0]] = width
    if not widths and (width is not None or count is None):
        for name in sorted((names & _SCALED_TOWERS) - _left_out(model_name)):
            units = list(_default(model_name, name))
            layers = depth if count is None and depth is not None else len(units)
            made[name] = [units[0] if width is None else width] * layers
    if not made:
        raise ValueError(f"'{model_name}': expected a model with layers to scale. It has none")
    return made
