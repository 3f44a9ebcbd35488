"""What the commands of `keras-elastor` do: a thin shell over `keras_elastor.training`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_elastor import models
from keras_elastor.evaluation import evaluate as evaluate_model
from keras_elastor.optional import import_optional
from keras_elastor.training.comparison import compare as compare_runs
from keras_elastor.training.config import RunConfig
from keras_elastor.training.parts import list_datasets, load_data
from keras_elastor.training.prediction import predict_file
from keras_elastor.training.read_config import read_file
from keras_elastor.training.runner import load_model, run


def list_names(options: argparse.Namespace) -> None:
    """Print what can be named in a config."""
    names = {
        "models": models.list_models(),
        "presets": models.list_presets(),
        "datasets": list_datasets(),
    }
    for kind in [options.kind] if options.kind else names:
        print(f"{kind}:")
        for name in names[kind]:
            print(f"  {name}")


def train(options: argparse.Namespace) -> None:
    """Train a model."""
    config = _config(options, options.config, options.model)
    _show_log(options)
    print(f"Run {Path(config.folder) / config.run_id}")
    result = run(config, verbose=not options.quiet)
    _print_metrics(result.metrics)
    print(f"Everything is in {result.folder}")


def compare(options: argparse.Namespace) -> None:
    """Train several models and compare them."""
    if bool(options.configs) == bool(options.models):
        raise ValueError("Expected either --configs or --models")
    configs = [_config(options, path, None) for path in options.configs or ()]
    configs += [_config(options, None, name) for name in options.models or ()]
    _show_log(options)
    comparison = compare_runs(configs, options.seeds, verbose=not options.quiet)
    print(comparison.markdown())
    print(f"Everything is in {comparison.folder}")


def evaluate(options: argparse.Namespace) -> None:
    """Measure a run."""
    model = load_model(options.run)
    config = RunConfig.from_file(Path(options.run) / "config.json")
    if options.data_dir:
        config = _with_data_dir(config, options.data_dir)
    rows = getattr(load_data(config), options.split)
    if not len(rows):
        raise ValueError(f"The dataset has no {options.split} rows")
    batches = rows.dataset(config.batch_size)
    _print_metrics({options.split: evaluate_model(model, batches, verbose=not options.quiet)})


def predict(options: argparse.Namespace) -> None:
    """Add probabilities to the rows of a file."""
    rows = predict_file(
        options.run, options.input, options.output, options.batch_size, verbose=not options.quiet
    )
    print(f"{rows:,} rows with probabilities are in {options.output}")


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "list": list_names,
    "train": train,
    "compare": compare,
    "evaluate": evaluate,
    "predict": predict,
}


def _config(options: argparse.Namespace, path: str | None, model: str | None) -> RunConfig:
    """The config of a file and the options that override it."""
    values: dict[str, Any] = {} if path is None else read_file(path)
    given = {
        "dataset.name": options.dataset,
        "dataset.arguments.data_dir": options.data_dir,
        "model.name": model,
        "batch_size": options.batch_size,
        "epochs": options.epochs,
        "folder": options.folder,
        "seed": getattr(options, "seed", None),
    }
    for key, value in given.items():
        if value is not None:
            _set(values, key, value)
    for text in options.set:
        key, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set: expected KEY=VALUE. Received: {text!r}")
        _set(values, key, _parse(value))
    if "name" not in values.get("dataset", {}):
        raise ValueError("Expected --dataset (or a --config that names it). See keras-elastor list")
    if "name" not in values.get("model", {}):
        raise ValueError("Expected --model (or a --config that names it). See keras-elastor list")
    try:
        return RunConfig.from_dict(values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}" if path else str(error)) from error


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise ValueError(f"'{key}': '{parent}' has a value and no keys")
    values[last] = value


def _parse(text: str) -> Any:
    """A JSON value; what is none is a text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _with_data_dir(config: RunConfig, data_dir: str) -> RunConfig:
    arguments = {**config.dataset.arguments, "data_dir": data_dir}
    dataset = dataclasses.replace(config.dataset, arguments=arguments)
    return dataclasses.replace(config, dataset=dataset)


def _show_log(options: argparse.Namespace) -> None:
    """Print what the package logs, unless it should be quiet."""
    if not options.quiet:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger = logging.getLogger("keras_elastor")
        logger.handlers[:] = [handler]


def _print_metrics(metrics: dict[str, dict[str, float]]) -> None:
    table = import_optional("rich.table", extra="runs").Table("")
    for name in next(iter(metrics.values())):
        table.add_column(name, justify="right")
    for split, values in metrics.items():
        table.add_row(split, *(f"{value:.6f}" for value in values.values()))
    import_optional("rich.console", extra="runs").Console().print(table)
