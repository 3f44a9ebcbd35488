"""The trials of a search while it runs, as a table on the terminal."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any

from keras_elastor.tuning.execution import Job
from keras_elastor.tuning.result import Trial
from keras_elastor.tuning.space import describe
from keras_elastor.utils.optional import import_optional

# So many lines of each kind: a table longer than the terminal would show its end alone.
_MOST_BEST, _MOST_FAILED = 8, 4


class TrialTable:
    """The best trials so far, the running and the failed ones, progress and time left.

    It is a watcher for `ke.tuning.search`, and can be printed by rich.

    Args:
        title: Above the table.
        metric: What a trial is judged by.
    """

    def __init__(self, title: str, metric: str) -> None:
        self._title = title
        self._metric = metric
        self._trials: Sequence[Trial] = ()
        self._running: Sequence[Job] = ()
        self._expected = 0
        self._ended_before: int | None = None
        self._began = time.monotonic()

    def __call__(self, trials: Sequence[Trial], running: Sequence[Job], expected: int) -> None:
        """Take over what has become of a search."""
        self._trials, self._running, self._expected = trials, list(running), expected
        if self._ended_before is None:
            self._ended_before = self._ended

    @property
    def _ended(self) -> int:
        return sum(len(trial.executions) for trial in self._trials)

    @property
    def progress(self) -> str:
        """How many executions have ended, and how long the others may take."""
        text = f"{self._ended} of {self._expected}"
        done = self._ended - (self._ended_before or 0)
        left = self._expected - self._ended
        if done and left:
            seconds = (time.monotonic() - self._began) / done * left
            text += f", about {_duration(seconds)} left"
        return text

    def lines(self) -> list[list[str]]:
        """The cells of each trial that is shown: number, values, size, score, status."""
        running = {job.trial: job.seed for job in self._running}
        finished = [trial for trial in self._trials if trial.status == "finished"]
        failed = [trial for trial in self._trials if trial.status == "failed"]
        best = sorted(finished, key=lambda trial: trial.score or 0.0, reverse=True)[:_MOST_BEST]
        lines = [_cells(trial, "finished") for trial in best]
        lines += [
            _cells(trial, f"running, seed {running[trial.number]}")
            for trial in self._trials
            if trial.number in running
        ]
        lines += [_cells(trial, f"failed: {trial.error}") for trial in failed[-_MOST_FAILED:]]
        hidden = len(finished) - len(best) + max(0, len(failed) - _MOST_FAILED)
        return lines + ([["", f"... and {hidden} others", "", "", ""]] if hidden else [])

    def __rich__(self) -> Any:
        """The table for a rich console."""
        table = import_optional("rich.table", extra="runs").Table(
            "trial", "values", "dense parameters", self._metric, "status", title=self._title
        )
        markup = import_optional("rich.markup", extra="runs")
        for cells in self.lines():
            table.add_row(*map(markup.escape, cells))
        bar = import_optional("rich.progress_bar", extra="runs").ProgressBar(
            total=max(self._expected, 1), completed=self._ended, width=40
        )
        return import_optional("rich.console", extra="runs").Group(table, bar, self.progress)


@contextlib.contextmanager
def live(table: TrialTable) -> Iterator[TrialTable | None]:
    """Show a table while it changes, if standard output is a terminal; otherwise give None."""
    console = import_optional("rich.console", extra="runs").Console()
    if not console.is_terminal:
        yield None
        return
    logger = logging.getLogger("keras_elastor")
    before = logger.handlers[:]
    with import_optional("rich.live", extra="runs").Live(
        get_renderable=lambda: table, console=console, refresh_per_second=2
    ):
        # Lines of the log would tear the table: what matters of them is printed above it.
        logger.handlers[:] = [_AboveTable(console)]
        try:
            yield table
        finally:
            logger.handlers[:] = before


class _AboveTable(logging.Handler):
    def __init__(self, console: Any) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(self.format(record), markup=False, highlight=False)


def _cells(trial: Trial, status: str) -> list[str]:
    dense = trial.count("dense")
    return [
        str(trial.number),
        describe(trial.values),
        "" if dense is None else f"{dense:,}",
        "" if trial.score is None else f"{trial.score:.6f}",
        status,
    ]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
