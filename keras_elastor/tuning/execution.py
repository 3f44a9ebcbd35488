"""One execution of a trial: a run with a seed, and what became of it."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_elastor.runs.config_files import read_file
from keras_elastor.utils.files import write_text


@dataclasses.dataclass(frozen=True)
class Execution:
    """What became of a trial with one seed.

    Args:
        trial: Number of the trial, from 0.
        seed: Seed of the run.
        values: What the trial has chosen.
        status: "finished" or "failed".
        run: Folder of the run; None where it had not begun.
        metrics: Of the best weights, by split.
        steps: Training steps.
        best_step: Training steps of the best weights.
        dense: Dense parameters.
        embedding: Parameters of the embedding tables.
        flops: FLOPs per row, see `ke.tuning.count_flops`.
        error: Why it failed, in one line.
        traceback: Where it failed.
    """

    trial: int
    seed: int
    values: Mapping[str, Any]
    status: str
    run: str | None = None
    metrics: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    steps: int | None = None
    best_step: int | None = None
    dense: int | None = None
    embedding: int | None = None
    flops: int | None = None
    error: str | None = None
    traceback: str | None = None

    @property
    def finished(self) -> bool:
        """Whether it has a result."""
        return self.status == "finished"


@dataclasses.dataclass(frozen=True)
class Job:
    """An execution that a process of its own does.

    Its folder holds `job.json`, `output.txt` (what the process prints) and, when it has ended,
    `outcome.json`.

    Args:
        folder: The folder.
        trial: Number of the trial.
        seed: Seed of the run.
        values: What the trial has chosen.
    """

    folder: Path
    trial: int
    seed: int
    values: Mapping[str, Any]

    def write(self, order: Mapping[str, Any]) -> None:
        """Write down what the process shall do."""
        values = {"trial": self.trial, "seed": self.seed, "values": dict(self.values), **order}
        write_text(self.folder / "job.json", json.dumps(values, indent=2) + "\n")

    @property
    def outcome(self) -> Execution | None:
        """What became of it; None while it has not ended."""
        path = self.folder / "outcome.json"
        return Execution(**read_file(path)) if path.exists() else None

    def write_outcome(self, execution: Execution) -> None:
        """Write down what became of it, all of it or nothing."""
        text = json.dumps(dataclasses.asdict(execution), indent=2) + "\n"
        write_text(self.folder / "outcome.json", text)

    def fail(self, error: str, traceback: str | None = None) -> Execution:
        """Write down that it failed."""
        failed = Execution(
            self.trial, self.seed, self.values, "failed", error=error, traceback=traceback
        )
        self.write_outcome(failed)
        return failed

    @property
    def last_output(self) -> str:
        """The end of what the process has printed."""
        path = self.folder / "output.txt"
        if not path.exists():
            return ""
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - 4000))
            return file.read().decode(errors="replace")


def read_job(folder: Path) -> tuple[Job, dict[str, Any]]:
    """What `Job.write` wrote: the job, and the order for its process."""
    values = read_file(folder / "job.json")
    job = Job(folder, values.pop("trial"), values.pop("seed"), values.pop("values"))
    return job, values
