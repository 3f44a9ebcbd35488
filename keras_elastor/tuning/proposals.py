"""Which values a trial takes: each proposal follows from the seed, its number and what it may see.

Nothing else is remembered, so that a search that was stopped proposes the same again.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.tuning.hyperparameters import declare, is_text
from keras_elastor.tuning.space import Choices, Parameter, Range, Space, encode
from keras_elastor.utils.optional import import_optional
from keras_elastor.utils.seeds import derive_seed

Values: TypeAlias = dict[str, Any]

METHODS = ("random", "grid", "bayesian")
# So many draws that are there already mean that the space holds no other.
_MOST_DRAWS = 200


def random_values(space: Space, seed: int, earlier: Sequence[Values]) -> Values | None:
    """Values drawn at random that no earlier trial has; None if there seem to be no others.

    Args:
        space: What `read_space` gives.
        seed: Of the search.
        earlier: The values of all trials before.

    Example:

    >>> from keras_elastor.tuning.proposals import random_values
    >>> from keras_elastor.tuning.space import read_space
    >>> space = read_space({"num_blocks": [1, 2]})
    >>> first = random_values(space, 0, [])
    >>> second = random_values(space, 0, [first])
    >>> sorted([first["num_blocks"], second["num_blocks"]])
    [1, 2]
    >>> random_values(space, 0, [first, second]) is None
    True
    """
    known = {encode(values) for values in earlier}
    drawn = random.Random(derive_seed(seed, "trial", len(earlier)))
    for _ in range(_MOST_DRAWS):
        values = {name: _draw(parameter, drawn) for name, parameter in space.items()}
        if encode(values) not in known:
            return values
    return None


def _draw(parameter: Parameter, drawn: random.Random) -> Any:
    if isinstance(parameter, Choices):
        return drawn.choice(parameter.values)
    if parameter.sampling == "log":
        value = float(parameter.min * (parameter.max / parameter.min) ** drawn.random())
        return round(value) if parameter.is_whole else value
    if parameter.step is not None or parameter.is_whole:
        return drawn.choice(_steps(parameter))
    return drawn.uniform(parameter.min, parameter.max)


def _steps(parameter: Range) -> list[Any]:
    step = 1 if parameter.step is None else parameter.step
    count = int(np.floor((parameter.max - parameter.min) / step + 1e-9)) + 1
    # Ten digits: 0.1 * 3 is 0.30000000000000004.
    return [round(parameter.min + index * step, 10) for index in range(count)]


def grid_values(space: Space) -> list[Values]:
    """All combinations, the last name changing fastest.

    Example:

    >>> from keras_elastor.tuning.proposals import grid_values
    >>> from keras_elastor.tuning.space import read_space
    >>> grid_values(read_space({"num_blocks": [1, 2], "dropout": {"min": 0.0, "max": 0.1, "step": 0.1}}))
    [{'num_blocks': 1, 'dropout': 0.0}, {'num_blocks': 1, 'dropout': 0.1}, {'num_blocks': 2, 'dropout': 0.0}, {'num_blocks': 2, 'dropout': 0.1}]

    Raises:
        ValueError: If a range has no step.
    """  # noqa: E501 - an output is one line
    alternatives = []
    for name, parameter in space.items():
        if isinstance(parameter, Choices):
            alternatives.append(list(parameter.values))
        elif parameter.step is not None or (parameter.is_whole and parameter.sampling == "linear"):
            alternatives.append(_steps(parameter))
        else:
            raise ValueError(
                f"'{name}': expected alternatives or a range with a step, as a grid has every "
                f"value. Received: min={parameter.min}, max={parameter.max}"
            )
    return [dict(zip(space, row, strict=True)) for row in itertools.product(*alternatives)]


def bayesian_values(
    space: Space, seed: int, earlier: Sequence[Values], seen: Sequence[tuple[Values, float]]
) -> Values | None:
    """Values that KerasTuner's Bayesian optimization proposes, after a few at random.

    Args:
        space: What `read_space` gives.
        seed: Of the search.
        earlier: The values of all trials before.
        seen: Values and score, the more the better, of those that have finished.

    Raises:
        ImportError: If KerasTuner is not installed.
    """
    # As many points at random as KerasTuner takes, but for a search of few trials.
    if len(seen) < max(3, min(2 * len(space), 10)):
        return random_values(space, seed, earlier)
    keras_tuner = import_optional("keras_tuner", extra="tuning")
    hyperparameters = keras_tuner.HyperParameters()
    declare(space, hyperparameters)
    oracle = keras_tuner.oracles.BayesianOptimizationOracle(
        keras_tuner.Objective("score", "max"),
        num_initial_points=1,
        hyperparameters=hyperparameters,
        seed=1 + derive_seed(seed, "proposal", len(earlier)),
    )
    for number, (values, score) in enumerate(seen):
        known = hyperparameters.copy()
        known.values.update(_written(space, values))
        trial = keras_tuner.engine.trial.Trial(known, str(number), "COMPLETED")
        trial.score = score
        oracle.trials[str(number)] = trial
    proposed = hyperparameters.copy()
    proposed.values.update(oracle.populate_space(str(len(seen)))["values"])
    values = declare(space, proposed)
    if encode(values) in {encode(others) for others in earlier}:
        return random_values(space, seed, earlier)
    return values


def _written(space: Space, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as `declare` writes them for KerasTuner."""
    return {
        name: encode(value) if is_text(space[name]) else value for name, value in values.items()
    }
