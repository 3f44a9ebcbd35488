"""What a search has found: one line per trial, and the best as configs."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_elastor.runs.config import RunConfig
from keras_elastor.training.evaluation_callback import monitored_value
from keras_elastor.tuning.execution import Execution
from keras_elastor.tuning.space import encode
from keras_elastor.tuning.trial import trial_config
from keras_elastor.utils.files import write_text


@dataclasses.dataclass(frozen=True)
class Trial:
    """One choice of values and all its executions.

    Args:
        number: Of the trial, from 0.
        values: What it has chosen.
        executions: One for each seed, as far as they have ended.
        score: Mean over the seeds of what the protocol monitors; None unless all have finished.
    """

    number: int
    values: Mapping[str, Any]
    executions: Sequence[Execution]
    score: float | None

    @property
    def status(self) -> str:
        """One of "finished", "failed", "unfinished"."""
        if any(not execution.finished for execution in self.executions):
            return "failed"
        return "unfinished" if self.score is None else "finished"

    @property
    def error(self) -> str | None:
        """Why it failed, in one line."""
        return next((each.error for each in self.executions if each.error), None)

    def count(self, name: str) -> int | None:
        """The "dense" or "embedding" parameters, or "flops" per row."""
        return next((getattr(each, name) for each in self.executions if each.finished), None)

    def metric(self, split: str, name: str) -> list[float]:
        """A metric of each seed."""
        return [
            each.metrics[split][name]
            for each in self.executions
            if name in each.metrics.get(split, {})
        ]

    def cells(self, names: Sequence[str], splits: Sequence[str]) -> dict[str, str]:
        """Column and content, for a table."""
        cells = {"trial": str(self.number)}
        cells.update({name: _text(self.values.get(name, "")) for name in names})
        cells["dense parameters"] = _text(self.count("dense"))
        cells["FLOPs per row"] = _text(self.count("flops"))
        for split in splits:
            for metric in ("auc", "logloss"):
                values = self.metric(split, metric)
                sd = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
                cells[f"{split} {metric}"] = f"{np.mean(values):.6f}" if values else ""
                cells[f"sd of {split} {metric}"] = "" if math.isnan(sd) else f"{sd:.6f}"
        cells["status"] = self.status
        cells["error"] = self.error or ""
        return cells


def make_trial(
    number: int, values: Mapping[str, Any], executions: Sequence[Execution], run: RunConfig, of: int
) -> Trial:
    """A trial of what has become of its executions, `of` so many."""
    score = None
    if len(executions) == of and all(execution.finished for execution in executions):
        monitor = run.protocol.monitor
        scores = [monitored_value(monitor, each.metrics["valid"]) for each in executions]
        score = float(np.mean(scores))
    return Trial(number, values, executions, score)


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What a search has found.

    Args:
        folder: Holds `table.csv`, `table.md`, `executions.jsonl` and `best.json`.
        run: What all trials have in common.
        trials: In the order of their numbers.
        is_finished: Whether all trials have ended.
        with_test: Whether trials were measured on the test rows.
    """

    folder: Path
    run: RunConfig
    trials: Sequence[Trial]
    is_finished: bool
    with_test: bool = False

    def best(self, max_dense: int | None = None) -> Trial | None:
        """The trial of the highest score; None if none has finished.

        Args:
            max_dense: Most dense parameters that it may have. Default: None, any.
        """
        able = [
            trial
            for trial in self.trials
            if trial.score is not None
            and not math.isnan(trial.score)
            and (max_dense is None or (trial.count("dense") or 0) <= max_dense)
        ]
        return max(able, key=lambda trial: trial.score or -math.inf, default=None)

    def best_config(self, max_dense: int | None = None) -> RunConfig | None:
        """The config of the best trial, for `ke.runs.run` or `keras-elastor train --config`."""
        best = self.best(max_dense)
        return None if best is None else trial_config(self.run, best.values)

    def write(self, max_dense: Sequence[int] = ()) -> None:
        """Write the tables and the configs of the best into the folder.

        Args:
            max_dense: Numbers of dense parameters for which the best trial is written, too.
        """
        if self.trials:
            write_text(self.folder / "executions.jsonl", self.jsonl())
            write_text(self.folder / "table.csv", self.csv())
            write_text(self.folder / "table.md", self.markdown())
        for budget in (None, *max_dense):
            config = self.best_config(budget)
            if config is not None:
                name = "best.json" if budget is None else f"best_{budget}.json"
                write_text(self.folder / name, json.dumps(config.to_dict(), indent=2) + "\n")

    def cells(self) -> list[dict[str, str]]:
        """The table: column and content of each trial."""
        names = list(dict.fromkeys(name for trial in self.trials for name in trial.values))
        splits = ["valid", "test"] if self.with_test else ["valid"]
        if not any(trial.metric("test", "auc") for trial in self.trials):
            splits = ["valid"]
        return [trial.cells(names, splits) for trial in self.trials]

    def markdown(self) -> str:
        """The table in Markdown."""
        cells = self.cells()
        rows = [list(cells[0]), *(list(line.values()) for line in cells)]
        lines = ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows]
        return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]) + "\n"

    def csv(self) -> str:
        """The table as CSV."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self.cells()[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.cells())
        return text.getvalue()

    def jsonl(self) -> str:
        """One line for each execution."""
        executions = [each for trial in self.trials for each in trial.executions]
        return "".join(json.dumps(dataclasses.asdict(each)) + "\n" for each in executions)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else encode(value)
