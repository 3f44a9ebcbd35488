"""A space as KerasTuner's hyperparameters."""

from __future__ import annotations

from typing import Any

from keras_elastor.tuning.space import Choices, Parameter, Range, Space, encode


def declare(space: Space, hyperparameters: Any) -> dict[str, Any]:
    """Add a space to KerasTuner's `HyperParameters`, and give the values that these have.

    KerasTuner's choices are numbers or texts of one type. Others, such as lists, are written there
    as JSON.

    Args:
        space: What `read_space` gives.
        hyperparameters: A `keras_tuner.HyperParameters`.
    """
    return {name: _declare(name, parameter, hyperparameters) for name, parameter in space.items()}


def _declare(name: str, parameter: Parameter, hyperparameters: Any) -> Any:
    if isinstance(parameter, Choices):
        if not is_text(parameter):
            return hyperparameters.Choice(name, list(parameter.values))
        by_text = {encode(value): value for value in parameter.values}
        return by_text[hyperparameters.Choice(name, list(by_text))]
    options = {"sampling": parameter.sampling, "step": parameter.step}
    if parameter.is_whole:
        if parameter.sampling == "linear" and parameter.step is None:
            options["step"] = 1
        return int(hyperparameters.Int(name, parameter.min, parameter.max, **options))
    return float(hyperparameters.Float(name, parameter.min, parameter.max, **options))


def is_text(parameter: Parameter) -> bool:
    """Whether `declare` writes its values as JSON."""
    if isinstance(parameter, Range):
        return False
    kinds = {type(value) for value in parameter.values}
    return len(kinds) != 1 or not issubclass(kinds.pop(), bool | int | float | str)
