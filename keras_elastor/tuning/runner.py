"""Searches that finish: a process for each execution, and nothing that has ended is done again."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_elastor.datasets.rows import Data
from keras_elastor.runs.build import load_data
from keras_elastor.runs.errors import RunError, RunInterruptedError
from keras_elastor.runs.interrupts import Interrupts
from keras_elastor.schema import FeatureSchema
from keras_elastor.tuning.counting import count
from keras_elastor.tuning.execution import Execution, Job
from keras_elastor.tuning.result import SearchResult, Trial, make_trial
from keras_elastor.tuning.search import Proposals, Search
from keras_elastor.tuning.shared_rows import is_shareable, open_rows, write_rows
from keras_elastor.tuning.space import describe
from keras_elastor.tuning.trial import trial_config
from keras_elastor.tuning.workers import ThisProcess, Workers
from keras_elastor.utils.files import locked

_POLL_SECONDS = 0.2
# So many failures and no success: the fault is not that of a single trial.
_MOST_FAILURES = 3

_logger = logging.getLogger(__name__)

Watcher = Callable[[Sequence[Trial], Sequence[Job], int], None]


def search(
    search: Search,
    max_dense: Sequence[int] = (),
    retry_failed: bool = False,
    watch: Watcher | None = None,
) -> SearchResult:
    """Try what a search says, each execution in a process of its own, and keep everything.

    The folder is `search.path`. A search that was stopped (by Ctrl-C, SIGTERM, SIGKILL or a power
    cut, its time budget, or a worker that died) goes on when it is called again: what has ended is
    never repeated, what had begun continues from its checkpoint, and the table is that of a search
    that was never stopped. Rows in memory are read once, and each worker holds them once; those of
    a prepared folder stay on the disk.

    | file | what |
    |---|---|
    | `search.json` | what the search is |
    | `executions.jsonl` | a line for each trial and seed: values, metrics, sizes, error |
    | `table.csv`, `table.md` | a line for each trial |
    | `best.json` | config of the best trial; `best_100000.json` of the best of so few parameters |
    | `jobs/`, `runs/` | for each execution its output and its run |
    | `rows/` | the rows, where they do not lie on the disk anyway; deleted when all has ended |

    Args:
        search: What to try.
        max_dense: Numbers of dense parameters for which the best trial is written, too.
        retry_failed: Whether to execute again what has failed before. Default: no.
        watch: Is called with the trials, the running jobs and the expected number of trials
            whenever these change. Default: None.

    Returns:
        The trials and the best of them.

    Raises:
        ValueError: If the space has a name that the model lacks, or a value that it cannot take.
        RunInterruptedError: Ctrl-C or SIGTERM; everything is saved.
        RunError: If the folder holds another search, or the first trials all failed.
        RuntimeError: If another process searches in the folder.

    Example: see `Search`.
    """
    with locked(search.path), Interrupts() as interrupts:
        search.write_identity()
        schema, order = _prepare(search)
        state = _State(search, Proposals(search, schema), order, max_dense, retry_failed)
        before = state.ended
        state.propose_all()
        if state.is_finished:
            _logger.info("%s has finished before: %d of %d", search.path, before, state.expected)
        elif before:
            _logger.info("Resumed %d of %d in %s", before, state.expected, search.path)
        else:
            _logger.info("Starting %d in %s", state.expected, search.path)
        _work(state, interrupts, watch)
        return state.write()


@dataclasses.dataclass(frozen=True)
class PlannedTrial:
    """A trial that a search would begin with.

    Args:
        number: Of the trial, from 0.
        values: What it has chosen.
        dense: Dense parameters.
        flops: FLOPs per row.
    """

    number: int
    values: Mapping[str, Any]
    dense: int
    flops: int


def plan(search: Search, data: Data | None = None) -> list[PlannedTrial]:
    """What a search would try, and how large that is; nothing is trained or written.

    Of a Bayesian search only the first trials are known.

    Args:
        search: What to try.
        data: The dataset, where it has been read before. Default: read it.

    Raises:
        ValueError: As for `search`.
    """
    schema = (load_data(search.run) if data is None else data).schema
    proposals = Proposals(search, schema)
    while proposals.propose({}):
        pass
    return [
        PlannedTrial(number, values, **count(trial_config(search.run, values), schema))
        for number, values in enumerate(proposals.trials)
    ]


def _prepare(search: Search) -> tuple[FeatureSchema, dict[str, Any]]:
    """The schema, and what every worker is told; the rows are written for them."""
    folder = search.path / "rows"
    order: dict[str, Any] = {
        "rows": str(folder),
        "with_test": search.with_test,
        "modules": list(search.modules),
    }
    if (folder / "schema.json").exists():
        return open_rows(folder).schema, order
    data = load_data(search.run)
    if is_shareable(data):
        write_rows(data, folder)
    else:
        order["rows"] = None
    return data.schema, order


class _State:
    """What has become of a search so far."""

    def __init__(
        self,
        search: Search,
        proposals: Proposals,
        order: Mapping[str, Any],
        max_dense: Sequence[int],
        retry_failed: bool,
    ) -> None:
        self.search = search
        self.proposals = proposals
        self.max_dense = max_dense
        self._order = order
        self._outcomes: dict[tuple[int, int], Execution] = {}
        for folder in sorted((search.path / "jobs").glob("*/outcome.json")):
            job = Job(folder.parent, 0, 0, {})
            outcome = job.outcome
            if outcome is None or (retry_failed and not outcome.finished):
                folder.unlink()
            else:
                self._outcomes[outcome.trial, outcome.seed] = outcome

    @property
    def expected(self) -> int:
        """Number of executions, as far as is known."""
        return self.proposals.expected * len(self.search.seeds)

    @property
    def ended(self) -> int:
        """Number of executions that have finished or failed, of those that there shall be."""
        trials = range(self.proposals.expected)
        return sum((t, seed) in self._outcomes for t in trials for seed in self.search.seeds)

    @property
    def is_finished(self) -> bool:
        """Whether every execution has ended."""
        return self.ended >= self.expected

    def add(self, execution: Execution) -> None:
        """Note what became of an execution."""
        self._outcomes[execution.trial, execution.seed] = execution

    def propose_all(self) -> None:
        """Propose as many trials as can be by now."""
        scores: dict[int, float | None] = {}
        while True:
            for trial in self.trials()[len(scores) :]:
                if trial.status == "unfinished":
                    break
                scores[trial.number] = trial.score
            if not self.proposals.propose(scores):
                return

    def trials(self) -> list[Trial]:
        """The trials proposed so far."""
        seeds = self.search.seeds
        return [
            make_trial(
                number,
                values,
                [self._outcomes[number, s] for s in seeds if (number, s) in self._outcomes],
                self.search.run,
                len(seeds),
            )
            for number, values in enumerate(self.proposals.trials)
        ]

    def next_job(self, running: Sequence[Job]) -> tuple[Job, dict[str, Any]] | None:
        """The next execution that nobody has done or does; None if there is none by now."""
        self.propose_all()
        busy = {(job.trial, job.seed) for job in running} | self._outcomes.keys()
        for number, values in enumerate(self.proposals.trials):
            for seed in self.search.seeds:
                if (number, seed) not in busy:
                    return self._job(number, seed, values)
        return None

    def _job(self, number: int, seed: int, values: Mapping[str, Any]) -> tuple[Job, dict[str, Any]]:
        config = dataclasses.replace(
            trial_config(self.search.run, values),
            seed=seed,
            folder=str(self.search.path / "runs" / f"{number:04d}"),
        )
        folder = self.search.path / "jobs" / f"{number:04d}_seed{seed}"
        return Job(folder, number, seed, values), {"config": config.to_dict(), **self._order}

    def write(self) -> SearchResult:
        """Write the tables and the configs of the best."""
        path = self.search.path
        result = SearchResult(
            path, self.search.run, self.trials(), self.is_finished, self.search.with_test
        )
        result.write(self.max_dense)
        if self.is_finished:
            _delete_rows(path / "rows")
        return result


def _delete_rows(folder: Path) -> None:
    """Delete what `write_rows` wrote."""
    for path in sorted(folder.rglob("*"), reverse=True):
        with contextlib.suppress(OSError):
            path.rmdir() if path.is_dir() else path.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()


def _work(state: _State, interrupts: Interrupts, watch: Watcher | None) -> None:
    """Let workers do all jobs that are left."""
    search = state.search
    latest = None if search.minutes is None else time.monotonic() + 60 * search.minutes
    workers = Workers(search.workers, search.devices) if search.workers else ThisProcess()
    with _killing(workers):
        while True:
            is_over = latest is not None and time.monotonic() > latest
            if interrupts.wanted or is_over:
                for execution in workers.stop():
                    _note(state, execution)
                result = state.write()
                ended = f"{state.ended} of {state.expected} in {search.path}"
                if interrupts.wanted:
                    raise RunInterruptedError(f"Stopped after {ended}. The same call continues")
                if not result.is_finished:
                    _logger.info("The time is over after %s. The same call continues", ended)
                return
            while workers.is_free and (found := state.next_job(workers.running)) is not None:
                job, order = found
                _logger.info("Trial %d, seed %d: %s", job.trial, job.seed, describe(job.values))
                workers.start(job, order)
                _show(state, workers, watch)
            if not workers.running:
                _show(state, workers, watch)
                return
            if search.workers:
                time.sleep(_POLL_SECONDS)
            executions = workers.collect()
            for execution in executions:
                _note(state, execution)
            if executions:
                state.write()
                _show(state, workers, watch)


def _note(state: _State, execution: Execution) -> None:
    state.add(execution)
    place = f"Trial {execution.trial}, seed {execution.seed}"
    if execution.finished:
        valid = execution.metrics["valid"]
        shown = ", ".join(f"{name} {value:.6f}" for name, value in valid.items())
        _logger.info("%s: valid %s (%d of %d)", place, shown, state.ended, state.expected)
        return
    _logger.error("%s failed: %s", place, execution.error)
    outcomes = [each for trial in state.trials() for each in trial.executions]
    if len(outcomes) >= _MOST_FAILURES and not any(each.finished for each in outcomes):
        state.write()
        raise RunError(
            f"The first {len(outcomes)} executions all failed, the last with: {execution.error}. "
            f"Tracebacks are in {state.search.path / 'executions.jsonl'}. Mend the cause, and call "
            "again with retry_failed"
        )


def _show(state: _State, workers: Workers | ThisProcess, watch: Watcher | None) -> None:
    if watch is not None:
        watch(state.trials(), workers.running, state.expected)


@contextlib.contextmanager
def _killing(workers: Workers | ThisProcess) -> Iterator[None]:
    """Leave no worker behind."""
    try:
        yield
    finally:
        workers.kill()
