"""A trial as a run: where the chosen values go in a config, and whether a model can take them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from keras_elastor.runs.build import build_model
from keras_elastor.runs.config import Named, RunConfig
from keras_elastor.schema import Categorical, FeatureSchema, Sequence
from keras_elastor.training.protocol import make_protocol
from keras_elastor.tuning.default_spaces import model_arguments
from keras_elastor.tuning.space import Choices, Space, describe
from keras_elastor.utils.plain_values import check_keys

# Ids of a table whose size does not matter: padding, a value, out-of-vocabulary.
_FEW_IDS = 3
_MOST_COMBINATIONS = 200


def trial_config(base: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """The config of a trial.

    Args:
        base: What all trials have in common.
        values: By name: arguments of the model, fields of the protocol, `batch_size`, `epochs`, or
            `tokens`, which is `[num_tokens, token_dim]`; `model` replaces the model.

    Example:

    >>> from keras_elastor.tuning.trial import trial_config
    >>> base = ke.runs.RunConfig.from_dict(
    ...     {"dataset": {"name": "synthetic"}, "model": {"name": "rank_mixer"}}
    ... )
    >>> config = trial_config(base, {"tokens": [4, 8], "learning_rate": 0.01, "batch_size": 64})
    >>> config.model.arguments, config.protocol.learning_rate, config.batch_size
    ({'num_tokens': 4, 'token_dim': 8}, 0.01, 64)

    Raises:
        ValueError: If a value is out of range.
    """
    arguments, fields = dict(base.model.arguments), base.protocol.get_config()
    others: dict[str, Any] = {}
    model_name = values.get("model", base.model.name)
    known = model_arguments(model_name)
    for name, value in values.items():
        if name == "tokens":
            arguments["num_tokens"], arguments["token_dim"] = value
        elif name in known:
            arguments[name] = value
        elif name in fields:
            fields[name] = value
        elif name != "model":
            others[name] = value
    model = Named(model_name, arguments)
    return dataclasses.replace(base, model=model, protocol=make_protocol(fields), **others)


def check_space(space: Space, base: RunConfig, schema: FeatureSchema) -> None:
    """Raise a ValueError about the first name or value that the model or its training cannot take.

    Each value is tried with the first of all others; embedding widths and tokens, which must fit
    each other, in all combinations. Models are made with tables of three rows.

    Args:
        space: What `read_space` gives.
        base: What all trials have in common.
        schema: A `FeatureSchema`.
    """
    known = model_arguments(base.model.name)
    _check_names(space, base.model.name, base)
    if "tokens" in space:
        _check_tokens(space)
    small = with_small_tables(schema)
    first = {name: parameter.extremes[0] for name, parameter in space.items()}
    for name, parameter in space.items():
        for value in parameter.extremes:
            _try(base, {**first, name: value}, small, name, builds=name in known | {"tokens"})
    shaping = [n for n in ("embedding_dim", "tokens", "num_tokens", "token_dim") if n in space]
    combinations = itertools.product(*(space[name].extremes for name in shaping))
    if len(shaping) > 1:
        for combination in itertools.islice(combinations, _MOST_COMBINATIONS):
            values = dict(zip(shaping, combination, strict=True))
            _try(base, {**first, **values}, small, " and ".join(shaping), values=values)


def check_points(
    points: Iterable[Mapping[str, Any]], base: RunConfig, schema: FeatureSchema
) -> None:
    """Raise a ValueError about the first trial that the model or its training cannot take.

    Args:
        points: Values by name, `model` perhaps among them.
        base: What all trials have in common.
        schema: A `FeatureSchema`.
    """
    small = with_small_tables(schema)
    for point in points:
        model = point.get("model", base.model.name)
        _check_names([name for name in point if name != "model"], model, base)
        _try(base, point, small, " and ".join(point), values=point)


def _check_names(names: Iterable[str], model: str, base: RunConfig) -> None:
    known = model_arguments(model)
    allowed = known | (base.protocol.get_config().keys() - {"name"}) | {"batch_size", "epochs"}
    if {"num_tokens", "token_dim"} <= known:
        allowed.add("tokens")
    check_keys(names, sorted(allowed), f"space of {model}")


def _check_tokens(space: Space) -> None:
    tokens = space["tokens"]
    both = [name for name in ("num_tokens", "token_dim") if name in space]
    if both:
        raise ValueError(
            f"Expected `tokens`, pairs of both, or num_tokens and token_dim. Received: tokens and "
            f"{both[0]}"
        )
    for pair in tokens.extremes:
        whole = isinstance(pair, list | tuple) and all(isinstance(n, int) for n in pair)
        if not isinstance(tokens, Choices) or not whole or len(pair) != 2:
            raise ValueError(
                f"'tokens': expected pairs [num_tokens, token_dim], such as [[8, 16]]. "
                f"Received: {pair!r}"
            )


def _try(
    base: RunConfig,
    trial: Mapping[str, Any],
    schema: FeatureSchema,
    name: str,
    builds: bool = True,
    values: Mapping[str, Any] | None = None,
) -> None:
    tried = describe(values or {name: trial[name]})
    try:
        config = trial_config(base, trial)
        # A value of another type is found where a config is read.
        config = RunConfig.from_dict(config.to_dict())
        if builds:
            build_model(config, schema)
    except (ValueError, TypeError, ArithmeticError) as error:
        text = " ".join(str(error).split())
        raise ValueError(
            f"'{name}': expected values that {base.model.name} can take. Received: {tried}. {text}"
        ) from error


def with_small_tables(schema: FeatureSchema) -> FeatureSchema:
    """The same features with tables of three rows: what is dense does not change.

    Example:

    >>> from keras_elastor.tuning.trial import with_small_tables
    >>> schema = ke.FeatureSchema([ke.Categorical("user", 1_000_000), ke.Numeric("price")])
    >>> with_small_tables(schema).features[0].vocabulary_size
    3
    """
    features = tuple(
        dataclasses.replace(feature, vocabulary_size=_FEW_IDS)
        if isinstance(feature, Categorical | Sequence)
        else feature
        for feature in schema.features
    )
    return dataclasses.replace(schema, features=features)
