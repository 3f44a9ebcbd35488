"""Several models, several seeds, one table."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import logging
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.data import EncodedTable
from keras_elastor.data.reading.raw_rows import Rows
from keras_elastor.datasets.rows import Data
from keras_elastor.runs.bootstrap import Interval, paired_differences
from keras_elastor.runs.build import load_data
from keras_elastor.runs.config import RunConfig
from keras_elastor.runs.errors import OutOfTimeError
from keras_elastor.runs.own_table import encoded_rows, own_configs
from keras_elastor.runs.pictures import draw
from keras_elastor.runs.runner import RunResult, run
from keras_elastor.runs.time_budget import seconds_of
from keras_elastor.training.protocol import Protocol
from keras_elastor.utils.files import hash_text, write_text

_logger = logging.getLogger(__name__)

SEEDS = (0, 1, 2, 3, 4)
"""Seeds of a comparison that names none."""

_Results: TypeAlias = dict[tuple[str, int], RunResult]

# What one model may not have more of than another.
_BUDGET = ("dataset", "batch_size", "epochs")
_PROTOCOL_BUDGET = ("monitor", "evaluate_every", "patience", "min_delta")


@dataclasses.dataclass(frozen=True)
class ComparedModel:
    """One line of a comparison.

    Args:
        name: The config's name, or the model's.
        parameters: Number of weights, `{"dense": ..., "embedding": ...}`; `{"trees": ...}` of
            gradient boosting.
        split: What the metrics are of: "test", or "valid" where there are no test rows.
        values: Metrics of each seed, `{"auc": [...], "logloss": [...]}`; of several tasks with
            the label behind the name.
        differences: To the first model, paired, with their confidence intervals.
    """

    name: str
    parameters: dict[str, int]
    split: str
    values: dict[str, list[float]]
    differences: dict[str, Interval]

    def cells(self) -> dict[str, str]:
        """Column and content, for a table."""
        dense = self.parameters.get("dense")
        size = f"{self.parameters['trees']:,} trees" if dense is None else f"{dense:,}"
        cells = {"model": self.name, "dense parameters": size}
        for metric, values in self.values.items():
            # One seed has no spread.
            sd = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
            change = self.differences[metric]
            cells[f"{self.split} {metric}"] = f"{np.mean(values):.5f}"
            cells[f"sd of {metric}"] = f"{sd:.5f}"
            cells[f"difference of {metric}"] = f"{change.difference:+.5f}"
            cells[f"95 % interval of {metric}"] = f"[{change.low:+.5f}, {change.high:+.5f}]"
        return cells


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Args:
        folder: Holds `table.md`, `table.csv` and `comparison.json`.
        models: One line for each config, in their order.
        left_out: What the time budget left out, in words.
    """

    folder: Path
    models: list[ComparedModel]
    left_out: tuple[str, ...] = ()

    def markdown(self) -> str:
        """The table in Markdown, and below it what was left out."""
        rows = [list(self.models[0].cells()), *(list(m.cells().values()) for m in self.models)]
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        lines.insert(1, "|---" * len(rows[0]) + "|")
        if self.left_out:
            lines += ["", f"Left out, as the time was over: {', '.join(self.left_out)}."]
        return "\n".join(lines) + "\n"

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Means and differences with their intervals, as `ke.analysis.plot_comparison`.

        Args:
            path: Where to write the picture, as `.svg` and `.png`, and its numbers, as `.csv`.
                Default: None, nowhere.

        Returns:
            A matplotlib Figure.

        Raises:
            ImportError: If matplotlib or pandas is not installed.
        """
        return draw("comparison", self, path)

    def csv(self) -> str:
        """The table as CSV."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self.models[0].cells()), lineterminator="\n")
        writer.writeheader()
        writer.writerows(model.cells() for model in self.models)
        return text.getvalue()


def compare(
    source: Sequence[RunConfig] | Data | EncodedTable,
    seeds: Sequence[int] = SEEDS,
    models: Sequence[str] | None = None,
    *,
    valid: Rows | None = None,
    test: Rows | None = None,
    protocol: Protocol | None = None,
    batch_size: int | None = None,
    epochs: int | None = None,
    folder: str | Path | None = None,
    time_budget: float | str | None = None,
    num_resamples: int = 1000,
    verbose: bool = False,
    data: Data | None = None,
) -> Comparison:
    """Train models at equal budget, with several seeds, and compare them on the test rows.

    Where there are no test rows, they are compared on the validation rows. These have also chosen
    the best weights, so that the metrics are a little optimistic, alike for all models.

    Every model and seed is a `run` of its own, so that an interrupted comparison continues where
    it was. Differences are to the first model, paired by test row and seed, with a bootstrap
    confidence interval over both; a gain whose interval holds 0 is none.

    Args:
        source: What `ke.datasets.from_table` returned, or, with `valid`, `ke.data.from_dataframe`.
            Or one config for each model, the baseline first: dataset, batch size, epochs and the
            rules of evaluation must be the same; learning rate and regularization may differ.
        seeds: One run of each model for each. Default: five, 0 to 4.
        models: Names of models for one's own table; the first is the baseline. Default:
            "gradient_boosting", scikit-learn's trees, as the floor, two fast baselines,
            then RankElastor.
        valid: Raw rows to choose by, as for `train`.
        test: Raw rows to report on, as for `train`.
        protocol: How to train, as for `train`.
        batch_size: Rows per step, as for `train`.
        epochs: Passes over the training rows, at most, as for `train`.
        folder: Holds the folders of runs, as for `train`.
        time_budget: Seconds, or a text such as "10m", after which nothing is trained any more. What
            is not finished is left out and named; the same call goes on with it. The first seed of
            all models comes first. Default: as long as it takes.
        num_resamples: Resamples of the bootstrap. Default: 1000.
        verbose: Whether to show progress bars.
        data: The rows of the configs, where they have been read before. Default: read them.

    Returns:
        The table, which is also written into a folder beside those of the runs.

    Raises:
        ValueError: If budgets or names do not fit; otherwise as for `run`.
        RunInterruptedError: If nothing was finished within the time budget; or as for `run`.

    Example:

    >>> import tempfile
    >>> rows = {"item": ["a", "b"] * 100, "price": list(range(200)), "click": [0, 1, 1, 0] * 50}
    >>> data = ke.datasets.from_table(rows, label="click", numeric=["price"])
    >>> comparison = ke.runs.compare(
    ...     data,
    ...     seeds=[0],
    ...     models=["logistic_regression", "fm"],
    ...     epochs=1,
    ...     folder=tempfile.mkdtemp(),
    ...     num_resamples=20,
    ... )
    >>> [model.name for model in comparison.models]
    ['logistic_regression', 'fm']
    """
    deadline = math.inf
    if time_budget is not None:
        deadline = time.monotonic() + seconds_of(time_budget)
    if isinstance(source, Data | EncodedTable):
        data = encoded_rows(source, valid, test)
        configs = own_configs(data, models, protocol, batch_size, epochs, folder)
    else:
        configs = list(source)
        _require_unset(
            models=models,
            valid=valid,
            test=test,
            protocol=protocol,
            batch_size=batch_size,
            epochs=epochs,
            folder=folder,
        )
    _check(configs, seeds)
    data = load_data(configs[0]) if data is None else data
    _check_labels(data)
    results = _run_all(configs, seeds, data, verbose, deadline)
    comparison = _compare(configs, seeds, data, results, num_resamples)
    _write(comparison, configs, seeds)
    return comparison


def _require_unset(**arguments: Any) -> None:
    given = [name for name, value in arguments.items() if value is not None]
    if given:
        raise ValueError(
            f"`{given[0]}` goes with rows of one's own, such as ke.datasets.from_table gives. "
            "Received: it beside configs, which say themselves what to train"
        )


def _check_labels(data: Data) -> None:
    for label, kind in zip(data.schema.labels, data.schema.label_kinds, strict=True):
        if kind != "binary":
            raise ValueError(
                f"Label '{label}': expected labels of 0 and 1, whose AUC and logloss are compared. "
                f"Received: a label of the kind '{kind}'"
            )


def _run_all(
    configs: Sequence[RunConfig], seeds: Sequence[int], data: Data, verbose: bool, deadline: float
) -> _Results:
    """All runs, or those that are finished before the deadline: seed by seed."""
    results = {}
    for seed in seeds:
        for index, config in enumerate(configs):
            number = seeds.index(seed) * len(configs) + index + 1
            _logger.info(
                "Run %d of %d: %s, seed %d", number, len(configs) * len(seeds), _name(config), seed
            )
            try:
                one = run(dataclasses.replace(config, seed=seed), data, verbose, deadline)
            except OutOfTimeError as stop:
                # Those that have finished before still count.
                _logger.warning("%s, seed %d: %s", _name(config), seed, stop)
            else:
                results[_name(config), seed] = one
    return results


def _compare(
    configs: Sequence[RunConfig],
    seeds: Sequence[int],
    data: Data,
    results: _Results,
    num_resamples: int,
) -> Comparison:
    """The models that have the first seed, on the seeds that all of these have."""
    first = next(
        (seed for seed in seeds if any((_name(c), seed) in results for c in configs)), None
    )
    if first is None:
        raise OutOfTimeError("No run was finished within the time budget; the same call goes on")
    names = [_name(config) for config in configs if (_name(config), first) in results]
    finished = [seed for seed in seeds if all((name, seed) in results for name in names)]
    left_out = [_name(config) for config in configs if _name(config) not in names]
    left_out += [f"seed {seed}" for seed in seeds if seed not in finished]
    rows = [[results[name, seed] for seed in finished] for name in names]
    differences = _differences(data, rows, num_resamples)
    models = [
        ComparedModel(
            name,
            row[0].parameters,
            data.judged,
            {metric: [r.metrics[data.judged][metric] for r in row] for metric in change},
            change,
        )
        for name, row, change in zip(names, rows, differences, strict=True)
    ]
    return Comparison(_folder(configs, seeds), models, tuple(left_out))


def _differences(
    data: Data, results: list[list[RunResult]], num_resamples: int
) -> list[dict[str, Interval]]:
    """The differences of each model, task by task; rows without a task's label do not count."""
    schema = data.schema
    labels = np.asarray(getattr(data, data.judged).labels).reshape(-1, schema.num_tasks)
    logits = [[np.load(run.folder / "logits.npy") for run in row] for row in results]
    found: list[dict[str, Interval]] = [{} for _ in results]
    for task, label in enumerate(schema.labels):
        rows = ~np.isnan(labels[:, task])
        of_task = [[one[rows, task] for one in row] for row in logits]
        suffix = f"_{label}" if schema.num_tasks > 1 else ""
        changes = paired_differences(labels[rows, task], of_task, num_resamples)
        for model, change in zip(found, changes, strict=True):
            model |= {f"{metric}{suffix}": interval for metric, interval in change.items()}
    return found


def _name(config: RunConfig) -> str:
    return config.name or config.model.name


def _check(configs: Sequence[RunConfig], seeds: Sequence[int]) -> None:
    if not configs or not seeds:
        raise ValueError("Expected at least one config and one seed")
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"Expected every seed once. Received: {list(seeds)}")
    names = [_name(config) for config in configs]
    if len(set(names)) < len(names):
        raise ValueError(
            f"Expected every config to have a `name` of its own. Received: {', '.join(names)}"
        )
    first = configs[0]
    for config in configs[1:]:
        pairs = [(key, getattr(first, key), getattr(config, key)) for key in _BUDGET]
        pairs += [
            (f"protocol.{key}", getattr(first.protocol, key), getattr(config.protocol, key))
            for key in _PROTOCOL_BUDGET
        ]
        for key, expected, received in pairs:
            if expected != received:
                raise ValueError(
                    f"'{_name(config)}': expected '{key}' as for '{_name(first)}', {expected!r}: "
                    f"models are compared at equal budget. Received: {received!r}"
                )


def _folder(configs: Sequence[RunConfig], seeds: Sequence[int]) -> Path:
    text = json.dumps([[config.run_id for config in configs], list(seeds)])
    return Path(configs[0].folder) / f"compare-{hash_text(text)[:10]}"


def _write(comparison: Comparison, configs: Sequence[RunConfig], seeds: Sequence[int]) -> None:
    values: dict[str, Any] = {
        "seeds": list(seeds),
        "left_out": list(comparison.left_out),
        "configs": [config.to_dict() for config in configs],
        "models": [dataclasses.asdict(model) for model in comparison.models],
    }
    for name, text in (
        ("table.md", comparison.markdown()),
        ("table.csv", comparison.csv()),
        ("comparison.json", json.dumps(values, indent=2) + "\n"),
    ):
        write_text(comparison.folder / name, text)
