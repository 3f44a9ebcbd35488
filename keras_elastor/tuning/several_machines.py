"""Searches of several machines by KerasTuner's chief and workers, through the same description."""

from __future__ import annotations

import os
from typing import Any

from keras_elastor.runs.build import load_data
from keras_elastor.schema import FeatureSchema
from keras_elastor.tuning.counting import count
from keras_elastor.tuning.execution import Execution
from keras_elastor.tuning.hyperparameters import declare
from keras_elastor.tuning.result import SearchResult, make_trial
from keras_elastor.tuning.search import Search
from keras_elastor.tuning.space import Space
from keras_elastor.tuning.trial import trial_config
from keras_elastor.utils.optional import import_optional

_TUNERS = {"random": "RandomSearch", "grid": "GridSearch", "bayesian": "BayesianOptimization"}
_VARIABLES = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")


def is_one_of_several() -> bool:
    """Whether the environment makes this process KerasTuner's chief or one of its workers.

    Raises:
        ValueError: If some of KerasTuner's variables are set and others are not.
    """
    missing = [name for name in _VARIABLES if not os.environ.get(name)]
    if missing and len(missing) < len(_VARIABLES):
        raise ValueError(
            f"Expected all of {', '.join(_VARIABLES)}, which make this process the chief or a "
            f"worker of several machines, or none. Missing: {', '.join(missing)}"
        )
    return not missing


def search_with_others(search: Search) -> SearchResult | None:
    """Be the chief, which hands out trials, or a worker, which trains them one after the other.

    Every process is started by the same call with KerasTuner's variables in its environment:
    `KERASTUNER_TUNER_ID` ("chief", "tuner0", "tuner1", ...), `KERASTUNER_ORACLE_IP` and
    `KERASTUNER_ORACLE_PORT` of the chief. The folder must be the same disk for all. A trial is
    trained in the process of its worker, as KerasTuner does; the seeds of a search are as many
    executions of each trial.

    Args:
        search: What to try; it needs a space, not points.

    Returns:
        The trials, of the chief; None of a worker.

    Raises:
        ValueError: If the search has points.
        ImportError: If KerasTuner is not installed.
    """
    if search.points is not None:
        raise ValueError(
            "Expected a search with a space for KerasTuner. Received: points of a grid"
        )
    keras_tuner = import_optional("keras_tuner", extra="tuning")
    from keras_elastor.tuning.hyper_model import RankingHyperModel

    run, data = search.run, load_data(search.run)
    hyper_model = RankingHyperModel(
        run.model.name,
        data.schema,
        search.space,
        arguments=run.model.arguments,
        protocol=run.protocol,
        seed=run.seed,
    )
    tuner = getattr(keras_tuner, _TUNERS[search.method])(
        hyper_model,
        objective=hyper_model.objective,
        max_trials=search.trials,
        seed=search.seed,
        executions_per_trial=len(search.seeds),
        directory=str(search.path),
        project_name="keras_tuner",
    )
    tuner.search(
        data.train,
        validation_data=data.valid,
        batch_size=run.batch_size,
        epochs=run.epochs,
        verbose=0,
    )
    if "chief" not in os.environ["KERASTUNER_TUNER_ID"]:
        return None
    return _result(search, tuner, hyper_model.space, data.schema)


def _result(search: Search, tuner: Any, space: Space, schema: FeatureSchema) -> SearchResult:
    """What the chief knows of all trials."""
    trials = []
    for number, key in enumerate(sorted(tuner.oracle.trials)):
        found = tuner.oracle.trials[key]
        values = declare(space, found.hyperparameters)
        if found.status == "COMPLETED":
            metrics = {
                name: found.metrics.get_best_value(f"val_{name}") for name in ("auc", "logloss")
            }
            sizes = count(trial_config(search.run, values), schema)
            outcome = Execution(
                *(number, search.seed, values, "finished"),
                metrics={"valid": metrics},
                dense=sizes["dense"],
                flops=sizes["flops"],
            )
        else:
            text = (found.message or found.status).strip()
            outcome = Execution(
                *(number, search.seed, values, "failed"),
                error=text.splitlines()[-1],
                traceback=text,
            )
        trials.append(make_trial(number, values, [outcome], search.run, 1))
    return SearchResult(search.path, search.run, trials, is_finished=True)
