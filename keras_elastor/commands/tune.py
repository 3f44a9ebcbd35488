"""The command `keras-elastor tune`: searches, scaling grids and comparisons of tuned models."""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_elastor.commands.live_table import TrialTable, live
from keras_elastor.commands.run_options import make_config, read_given_table, show_log
from keras_elastor.datasets.rows import Data
from keras_elastor.runs.build import load_data
from keras_elastor.runs.config import RunConfig
from keras_elastor.runs.config_files import read_file
from keras_elastor.runs.errors import RunError
from keras_elastor.tuning.default_spaces import model_arguments
from keras_elastor.tuning.equal_budget import compare_best, equal_searches, require_test_rows
from keras_elastor.tuning.grids import grid_points
from keras_elastor.tuning.result import SearchResult
from keras_elastor.tuning.runner import plan, search
from keras_elastor.tuning.scaling import scaling_frame, write_scaling
from keras_elastor.tuning.search import Search
from keras_elastor.tuning.several_machines import is_one_of_several, search_with_others
from keras_elastor.tuning.space import describe

_BUDGETS = ("trials", "seconds", "epochs")


def tune(options: argparse.Namespace) -> None:
    """Search, or go through a scaling grid, or compare several tuned models."""
    _read_budget(options)
    # It is of searches: the config of the best trial shall not train in their folder.
    folder, options.folder = options.folder or "searches", None
    runs, data = _runs_and_data(options)
    is_comparison = len(runs) > 1 and not options.grid
    searches = _searches(options, runs, data, folder)
    if options.dry_run:
        _print_plans(searches, data)
        return
    if is_one_of_several():
        _with_others(searches, options)
        return
    if is_comparison:
        require_test_rows(data, runs[0])
    # The search writes the rows for its workers; this process need not hold them, too.
    del data
    latest = None if options.seconds is None else time.monotonic() + options.seconds
    results = []
    for each in searches:
        if latest is not None:
            # What is left, and at least a moment: a search that has ended needs none.
            left = max(latest - time.monotonic(), 1.0)
            each = dataclasses.replace(each, minutes=left / 60)
        results.append(_search(each, options))
        _print_result(results[-1], options)
        if not results[-1].is_finished:
            print("The time is over. The same command goes on")
            return
    if is_comparison:
        comparison = compare_best(results, options.final_seeds, load_data(runs[0]))
        print(comparison.markdown())
        print(f"Everything is in {comparison.folder}")


def _read_budget(options: argparse.Namespace) -> None:
    """Write `--budget trials=20 seconds=600 epochs=3` where `--trials` and the others write."""
    for text in options.budget:
        name, equals, value = text.partition("=")
        if name not in _BUDGETS or not equals or not value.isdecimal() or int(value) < 1:
            raise ValueError(
                "--budget: expected trials=NUMBER, seconds=NUMBER or epochs=NUMBER, of at least 1. "
                f"Received: {text!r}"
            )
        given = getattr(options, name)
        if given not in (None, int(value)):
            raise ValueError(f"--budget {text}: expected one number. --{name} says {given}")
        setattr(options, name, int(value))
    if options.seconds is not None and options.seconds <= 0:
        raise ValueError(f"--seconds: expected above 0. Received: {options.seconds}")


def _runs_and_data(options: argparse.Namespace) -> tuple[list[RunConfig], Data]:
    """A config for each model, and the dataset."""
    names: list[Any] = options.models or [None]
    if options.grid and options.models is None and options.config is None:
        names = ["rank_mixer", "rank_elastor"]
    if len(set(names)) < len(names):
        raise ValueError(f"--models: expected every model once. Received: {' '.join(names)}")
    runs = [make_config(options, options.config, name) for name in names]
    for run in runs:
        # Before anything is read or written.
        model_arguments(run.model.name)
    show_log(options)
    runs, data = read_given_table(runs, options)
    return runs, load_data(runs[0]) if data is None else data


def _searches(
    options: argparse.Namespace, runs: Sequence[RunConfig], data: Data, folder: str
) -> list[Search]:
    arguments: dict[str, Any] = {
        "trials": 20 if options.trials is None else options.trials,
        "seeds": options.seeds,
        "seed": options.seed or 0,
        "workers": options.workers,
        "devices": options.devices,
        "folder": folder,
        "name": options.name,
    }
    if options.grid:
        if options.space or options.trials is not None:
            raise ValueError("Expected --grid, whose trials are fixed, or --space and --trials")
        models = [run.model.name for run in runs]
        grid = (options.grid, models, runs[0], data.schema, options.widths, options.depths)
        made = Search(runs[0], points=grid_points(*grid), **arguments)
        if options.name is None:
            # Named after the grid, as it is of several models.
            digest = made.path.name.rpartition("-")[2]
            name = f"{options.grid}_{runs[0].dataset.name}-{digest}"
            made = dataclasses.replace(made, name=name)
        return [made]
    if options.widths or options.depths:
        raise ValueError("Expected --grid, whose sizes --widths and --depths are")
    space = read_file(options.space) if options.space else None
    arguments["method"] = options.method
    if len(runs) > 1:
        if options.name is not None:
            raise ValueError("Expected one model for --name: each has a search of its own")
        return equal_searches(runs, data.schema, space, **arguments)
    return [Search(runs[0], space, **arguments)]


def _print_plans(searches: Sequence[Search], data: Data) -> None:
    for each in searches:
        seeds = f", each with {len(each.seeds)} seeds" if len(each.seeds) > 1 else ""
        trials = plan(each, data)
        print(f"{each.path}: {len(trials)} trials{seeds}")
        for trial in trials:
            print(
                f"  {trial.number}: {describe(trial.values)}: {trial.dense:,} dense parameters, "
                f"{trial.flops:,} FLOPs per row"
            )


def _search(each: Search, options: argparse.Namespace) -> SearchResult:
    monitor = " and ".join(each.run.protocol.monitor)
    table = TrialTable(str(each.path), f"valid {monitor}")
    arguments = {"max_dense": options.max_dense, "retry_failed": options.retry_failed}
    if options.quiet:
        return search(each, **arguments)
    with live(table) as watch:
        return search(each, watch=watch, **arguments)


def _with_others(searches: Sequence[Search], options: argparse.Namespace) -> None:
    """Be one of the processes of several machines."""
    if len(searches) > 1:
        raise ValueError("Expected one model for a search of several machines")
    result = search_with_others(searches[0])
    if result is None:
        print("This worker is done; the chief has the results")
        return
    result.write(options.max_dense)
    _print_result(result, options)


def _print_result(result: SearchResult, options: argparse.Namespace) -> None:
    failed = [trial for trial in result.trials if trial.status == "failed"]
    for trial in failed:
        print(f"Trial {trial.number} failed ({describe(trial.values)}): {trial.error}")
    best = result.best()
    if best is None and result.is_finished:
        raise RunError(
            f"No trial has finished. Tracebacks are in {result.folder / 'executions.jsonl'}"
        )
    for budget in (None, *options.max_dense):
        best = result.best(budget)
        of = "" if budget is None else f" of at most {budget:,} dense parameters"
        if best is None:
            print(f"No trial{of} has finished")
            continue
        path = result.folder / ("best.json" if budget is None else f"best_{budget}.json")
        print(f"Best{of}: trial {best.number}, {best.score:.6f}, {describe(best.values)}")
        print(f"Train it:\n  keras-elastor train --config {path}")
    if options.grid:
        frame = scaling_frame(result, options.grid)
        if not frame.empty:
            print(result.markdown())
            print("\n".join(write_scaling(frame, Path(result.folder))))
    print(f"Everything is in {result.folder}")
