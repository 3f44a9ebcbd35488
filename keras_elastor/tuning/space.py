"""What a search chooses from: alternatives and ranges by name, readable in YAML."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from keras_elastor.utils.plain_values import check_keys

_SAMPLINGS = ("linear", "log")


@dataclasses.dataclass(frozen=True)
class Choices:
    """Some values of which a trial takes one.

    Args:
        values: The values, plain ones such as numbers, texts or lists.
    """

    values: tuple[Any, ...]

    @property
    def extremes(self) -> tuple[Any, ...]:
        """The values that must be possible for all to be."""
        return self.values


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers between two, both included; whole ones where both are.

    Args:
        min: The smallest.
        max: The largest.
        step: Distance between neighbours. Default: None, any number, or 1 for whole ones.
        sampling: "linear", or "log" where factors matter more than differences. Default: "linear".
    """

    min: float
    max: float
    step: float | None = None
    sampling: str = "linear"

    @property
    def is_whole(self) -> bool:
        """Whether the numbers are integers."""
        return isinstance(self.min, int) and isinstance(self.max, int)

    @property
    def extremes(self) -> tuple[Any, ...]:
        """The values that must be possible for all to be."""
        return (self.min, self.max)


Parameter: TypeAlias = Choices | Range
Space: TypeAlias = dict[str, Parameter]


def read_space(values: Mapping[str, Any]) -> Space:
    """The parameters of a search from plain values.

        num_blocks: [1, 2, 4]                                     # one of these
        hidden_units: [[100], [400, 400]]                         # one of these lists
        dropout: {min: 0.0, max: 0.5, step: 0.1}                  # 0.0, 0.1, ... 0.5
        learning_rate: {min: 1e-4, max: 1e-2, sampling: log}      # any between
        embedding_dim: 16                                         # always this

    Args:
        values: For each name of a parameter a list of alternatives, a range, or one value.

    Returns:
        `Choices` and `Range` by name.

    Example:

    >>> from keras_elastor.tuning.space import read_space
    >>> read_space({"num_blocks": [1, 2], "dropout": {"min": 0.0, "max": 0.5}})["num_blocks"]
    Choices(values=(1, 2))

    Raises:
        ValueError: If there is nothing to choose from, or a range holds no number.
    """
    if not isinstance(values, Mapping) or not values:
        raise ValueError(
            "Expected a space of names and values, such as {'num_blocks': [1, 2, 4]}. "
            f"Received: {values!r}"
        )
    return {name: _parameter(name, value) for name, value in values.items()}


def _parameter(name: str, value: Any) -> Parameter:
    if isinstance(value, Choices | Range):
        return value
    if isinstance(value, Mapping) and ("min" in value or "max" in value):
        return _range(name, value)
    alternatives = list(value) if isinstance(value, list | tuple) else [value]
    if not alternatives:
        raise ValueError(f"'{name}': expected at least one value to choose from. Received: none")
    texts = [encode(alternative) for alternative in alternatives]
    for index, text in enumerate(texts):
        if text in texts[:index]:
            raise ValueError(
                f"'{name}': expected values that differ. Received: {alternatives[index]!r} twice"
            )
    return Choices(tuple(alternatives))


def _range(name: str, value: Mapping[str, Any]) -> Range:
    check_keys(value, ["min", "max", "step", "sampling"], name)
    for key in ("min", "max", "step"):
        number = value.get(key)
        if key != "step" or number is not None:
            _require(
                isinstance(number, int | float) and not isinstance(number, bool),
                f"{name}.{key}",
                "a number",
                number,
            )
    made = Range(**value)
    sampling, step = made.sampling, made.step
    _require(sampling in _SAMPLINGS, f"{name}.sampling", "linear or log", sampling)
    _require(made.min < made.max, name, "min below max", f"min={made.min}, max={made.max}")
    _require(step is None or step > 0, f"{name}.step", "above 0", step)
    _require(
        not made.is_whole or step is None or isinstance(step, int),
        f"{name}.step",
        "an integer, as min and max are",
        step,
    )
    if sampling == "log":
        _require(made.min > 0, f"{name}.min", "above 0, as the sampling is log", made.min)
        _require(step is None, f"{name}.step", "none, as the sampling is log", step)
    return made


def _require(is_right: bool, where: str, expected: str, received: Any) -> None:
    if not is_right:
        raise ValueError(f"'{where}': expected {expected}. Received: {received!r}")


def plain_space(space: Space) -> dict[str, Any]:
    """What `read_space` takes, for JSON."""
    return {
        name: list(parameter.values)
        if isinstance(parameter, Choices)
        else {key: v for key, v in dataclasses.asdict(parameter).items() if v is not None}
        for name, parameter in space.items()
    }


def encode(value: Any) -> str:
    """A value as a text that no other value has."""
    return json.dumps(value, sort_keys=True)


def describe(values: Mapping[str, Any]) -> str:
    """The values of a trial in one line.

    Example:

    >>> from keras_elastor.tuning.space import describe
    >>> describe({"num_blocks": 2, "learning_rate": 0.00123456, "hidden_units": [8, 8]})
    'num_blocks=2 learning_rate=0.001235 hidden_units=[8, 8]'
    """
    return " ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in values.items()
    )
