"""Several models, several seeds, one table."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_elastor.datasets.rows import Data
from keras_elastor.runs.bootstrap import Interval, paired_differences
from keras_elastor.runs.build import load_data
from keras_elastor.runs.config import Named, RunConfig
from keras_elastor.runs.runner import RunResult, run
from keras_elastor.utils.files import hash_text, write_text

_logger = logging.getLogger(__name__)

# What one model may not have more of than another.
_BUDGET = ("dataset", "batch_size", "epochs")
_PROTOCOL_BUDGET = ("monitor", "evaluate_every", "patience", "min_delta")


@dataclasses.dataclass(frozen=True)
class ComparedModel:
    """One line of a comparison.

    Args:
        name: The config's name, or the model's.
        parameters: Number of weights, `{"dense": ..., "embedding": ...}`.
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
        cells = {"model": self.name, "dense parameters": f"{self.parameters['dense']:,}"}
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
    """

    folder: Path
    models: list[ComparedModel]

    def markdown(self) -> str:
        """The table in Markdown."""
        rows = [list(self.models[0].cells()), *(list(m.cells().values()) for m in self.models)]
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]) + "\n"

    def csv(self) -> str:
        """The table as CSV."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self.models[0].cells()), lineterminator="\n")
        writer.writeheader()
        writer.writerows(model.cells() for model in self.models)
        return text.getvalue()


def compare(
    configs: Sequence[RunConfig],
    seeds: Sequence[int],
    dataset: Named | None = None,
    num_resamples: int = 1000,
    verbose: bool = False,
    data: Data | None = None,
) -> Comparison:
    """Train models at equal budget, with several seeds, and compare them on the test rows.

    Where the dataset has none, they are compared on the validation rows. These have also chosen the
    best weights, so that the metrics are a little optimistic, alike for all models.

    Every model and seed is a `run` of its own, so that an interrupted comparison continues where
    it was. Differences are to the first config, paired by test row and seed, with a bootstrap
    confidence interval over both; a gain whose interval holds 0 is none.

    Args:
        configs: One for each model, the baseline first. Dataset, batch size, epochs and the rules
            of evaluation must be the same; learning rate and regularization may differ.
        seeds: Replace the configs' seeds.
        dataset: Replaces the configs' dataset. Default: theirs.
        num_resamples: Resamples of the bootstrap. Default: 1000.
        verbose: Whether to show progress bars.
        data: The dataset of the configs, where it has been read before. Default: read it.

    Returns:
        The table, which is also written into a folder beside those of the runs.

    Raises:
        ValueError: If budgets or names do not fit; otherwise as for `run`.

    Example:

    >>> import tempfile
    >>> rows = {"train_rows": 256, "valid_rows": 256, "test_rows": 256}
    >>> columns = {"num_categorical": 3, "num_numeric": 1}
    >>> folder = tempfile.mkdtemp()
    >>> configs = [
    ...     ke.runs.RunConfig.from_dict(
    ...         {
    ...             "dataset": {"name": "synthetic", "arguments": {**rows, **columns}},
    ...             "model": {"name": name},
    ...             "epochs": 1,
    ...             "folder": folder,
    ...         }
    ...     )
    ...     for name in ("logistic_regression", "fm")
    ... ]
    >>> comparison = ke.runs.compare(configs, seeds=[0], num_resamples=20)
    >>> [model.name for model in comparison.models]
    ['logistic_regression', 'fm']
    """
    if dataset is not None:
        configs = [dataclasses.replace(config, dataset=dataset) for config in configs]
    _check(configs, seeds)
    data = load_data(configs[0]) if data is None else data
    for label, kind in zip(data.schema.labels, data.schema.label_kinds, strict=True):
        if kind != "binary":
            raise ValueError(
                f"Label '{label}': expected labels of 0 and 1, whose AUC and logloss are compared. "
                f"Received: a label of the kind '{kind}'"
            )
    results: list[list[RunResult]] = []
    for config in configs:
        results.append([])
        for seed in seeds:
            number = sum(map(len, results)) + 1
            _logger.info(
                "Run %d of %d: %s, seed %d", number, len(configs) * len(seeds), _name(config), seed
            )
            results[-1].append(run(dataclasses.replace(config, seed=seed), data, verbose))
    differences = _differences(data, results, num_resamples)
    models = [
        ComparedModel(
            _name(config),
            row[0].parameters,
            data.judged,
            {metric: [r.metrics[data.judged][metric] for r in row] for metric in change},
            change,
        )
        for config, row, change in zip(configs, results, differences, strict=True)
    ]
    comparison = Comparison(_folder(configs, seeds), models)
    _write(comparison, configs, seeds)
    return comparison


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
        "configs": [config.to_dict() for config in configs],
        "models": [dataclasses.asdict(model) for model in comparison.models],
    }
    for name, text in (
        ("table.md", comparison.markdown()),
        ("table.csv", comparison.csv()),
        ("comparison.json", json.dumps(values, indent=2) + "\n"),
    ):
        write_text(comparison.folder / name, text)
