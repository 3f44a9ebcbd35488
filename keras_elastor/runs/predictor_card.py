"""What is known of a trained model besides its weights: data, metrics, parameters, when."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from keras_elastor.runs.config_files import read_file
from keras_elastor.utils.files import describe_versions


def make_card(model: keras.Model, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The card of a model.

    | key | what |
    |---|---|
    | `model` | name of the class |
    | `parameters` | numbers of weights: `dense` and `embedding` of the models of `ke.models`, else `all` |
    | `made` | when the card was made, or the training began, in UTC |
    | `backend`, `machine`, `versions` | of Python and the packages then |
    | `data`, `metrics` | of a run: name and arguments of its dataset, metrics by split |

    Args:
        model: The model.
        given: Entries to take instead or beside, plain values.
    """  # noqa: E501 - the rows of a table do not break
    if hasattr(model, "count_dense_params"):
        parameters = {
            "dense": model.count_dense_params(),
            "embedding": model.count_embedding_params(),
        }
    else:
        # Not `count_params`, which refuses a model that was not called yet.
        parameters = {"all": sum(math.prod(weight.shape) for weight in model.weights)}
    return {
        "model": type(model).__name__,
        "parameters": parameters,
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **describe_versions(),
        **(given or {}),
    }


def card_of_run(folder: Path) -> dict[str, Any]:
    """What the files of a run say of its data, metrics, time and versions."""
    config = read_file(folder / "config.json")
    versions = read_file(folder / "versions.json")
    found = {"data": config["dataset"], "run": folder.name, "made": versions.pop("started")}
    found.update(versions)
    if (folder / "result.json").is_file():
        result = read_file(folder / "result.json")
        found.update(metrics=result["metrics"], steps=result["best_step"])
    return found
