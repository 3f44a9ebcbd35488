"""Several models tuned at one budget, and compared on rows that no trial has seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from keras_elastor.datasets.rows import Data
from keras_elastor.runs.comparison import Comparison, compare
from keras_elastor.runs.config import RunConfig
from keras_elastor.runs.errors import RunError
from keras_elastor.schema import FeatureSchema
from keras_elastor.tuning.default_spaces import default_space, model_arguments
from keras_elastor.tuning.result import SearchResult
from keras_elastor.tuning.search import Search
from keras_elastor.utils.plain_values import check_keys

# What a model must not have more of than another: how many steps it trains, how it is judged.
_BUDGET = ("batch_size", "epochs", "monitor", "evaluate_every", "patience", "min_delta")


def equal_searches(
    runs: Sequence[RunConfig],
    schema: FeatureSchema,
    space: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> list[Search]:
    """A search for each model, with one budget, and one space for all that the models share.

    Args:
        runs: One config for each model; they differ in the model.
        schema: A `FeatureSchema`.
        space: As for `ke.tuning.Search`; each model takes the names that it has. Default: None, the
            models' default spaces without the batch size, which would give them unequal steps.
        arguments: The others of `ke.tuning.Search`, the same for all.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Categorical("item", 50)])
    >>> runs = [
    ...     ke.runs.RunConfig.from_dict(
    ...         {"dataset": {"name": "synthetic"}, "model": {"name": name}}
    ...     )
    ...     for name in ("dnn", "rank_mixer")
    ... ]
    >>> space = {"num_blocks": [1, 2], "learning_rate": [0.001, 0.01]}
    >>> dnn, rank_mixer = ke.tuning.equal_searches(runs, schema, space, trials=5)
    >>> list(dnn.space), list(rank_mixer.space), dnn.trials
    (['learning_rate'], ['num_blocks', 'learning_rate'], 5)

    Raises:
        ValueError: If a name of the space is one of no model, or a part of the budget.
    """
    if space is not None:
        fixed = next((name for name in _BUDGET if name in space), None)
        if fixed is not None:
            raise ValueError(
                f"'{fixed}': expected a space without it, as models are compared at equal budget. "
                f"Received: {space[fixed]!r}; give one value for all models instead"
            )
        check_keys(space, sorted(set().union(*map(_names, runs))), "space")
    spaces = [_space(run, schema, space) for run in runs]
    return [Search(run, of_model, **arguments) for run, of_model in zip(runs, spaces, strict=True)]


def compare_best(results: Sequence[SearchResult], seeds: Sequence[int], data: Data) -> Comparison:
    """Train the best config of each search with several seeds, and compare on the test rows.

    Args:
        results: What `ke.tuning.search` gave for each of `equal_searches`.
        seeds: Of the runs of each config.
        data: The dataset of the searches, with test rows.

    Returns:
        As `ke.runs.compare`; the first model is the baseline.

    Raises:
        ValueError: If there are no test rows.
        RunError: If a search has not ended, or none of its trials finished.
    """
    require_test_rows(data, results[0].run)
    configs = []
    for result in results:
        config = result.best_config()
        if not result.is_finished or config is None:
            raise RunError(
                f"{result.folder}: expected a search that has ended with a best trial. The same "
                "command goes on with it"
            )
        configs.append(dataclasses.replace(config, folder=str(result.folder.parent)))
    return compare(configs, seeds, data=data)


def require_test_rows(data: Data, run: RunConfig) -> None:
    """Raise a ValueError if a dataset has no test rows, which says how to get some."""
    if len(data.test):
        return
    how = {
        "kuairand_pure": "--set dataset.arguments.test_from=20220504 keeps the last day for it",
        "prepared": "prepare a split of that name, by --files test=FILE",
        "table": "--set dataset.arguments.test_size=0.1 keeps a tenth of the rows for it",
    }
    name = run.dataset.name
    raise ValueError(
        f"Dataset '{name}': expected test rows, on which tuned models are compared, as no trial "
        f"has seen them. Received: none; {how.get(name, 'take a dataset that has some')}"
    )


def _names(run: RunConfig) -> set[str]:
    """Names that a space of this model may have."""
    names = model_arguments(run.model.name)
    tokens = {"tokens"} if {"num_tokens", "token_dim"} <= names else set()
    return names | tokens | (run.protocol.get_config().keys() - {"name"})


def _space(
    run: RunConfig, schema: FeatureSchema, space: Mapping[str, Any] | None
) -> dict[str, Any]:
    if space is None:
        made = default_space(run.model.name, schema)
        return {name: values for name, values in made.items() if name not in _BUDGET}
    own = {name: values for name, values in space.items() if name in _names(run)}
    if not own:
        raise ValueError(
            f"'{run.model.name}': expected a space with a name that it has. Received: "
            f"{', '.join(space)}"
        )
    return own
