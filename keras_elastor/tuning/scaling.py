"""Scaling curves: AUC and logloss against dense parameters, with a fitted power law."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from keras_elastor.analysis.plots.style import finish, new_figure, open_axis, styles_of
from keras_elastor.models.registry import find_model
from keras_elastor.tuning.power_law import PowerLaw, fit_power_law
from keras_elastor.tuning.result import SearchResult
from keras_elastor.tuning.space import describe
from keras_elastor.utils.files import write_text
from keras_elastor.utils.optional import import_optional

_METRICS = {"auc": "AUC", "logloss": "logloss"}


def scaling_frame(result: SearchResult, grid: str) -> Any:
    """What the executions of a grid gave, as a DataFrame with a line for each.

    Args:
        result: Of a search whose trials name their `model`.
        grid: Name of the grid, which the column `grid` holds.

    Returns:
        Columns `grid`, `model` (the class), `trial`, `values`, `seed`, `dense`, `flops`, `split`,
        `auc`, `logloss`; failed executions are left out.
    """
    split = "test" if result.with_test else "valid"
    lines = []
    for trial in result.trials:
        name = str(trial.values.get("model", result.run.model.name))
        found = find_model(name)
        values = {key: value for key, value in trial.values.items() if key != "model"}
        lines += [
            {
                "grid": grid,
                "model": name if found is None else found.model.__name__,
                "trial": trial.number,
                "values": describe(values) or name,
                "seed": each.seed,
                "dense": each.dense,
                "flops": each.flops,
                "split": split,
                **{metric: each.metrics[split][metric] for metric in _METRICS},
            }
            for each in trial.executions
            if each.finished
        ]
    return import_optional("pandas", "tuning").DataFrame(lines)


def scaling_table(frame: Any) -> Any:
    """Mean and standard deviation over the seeds of each trial, smallest model first.

    Args:
        frame: What `scaling_frame` gave, perhaps of several grids.
    """
    groups = frame.groupby(["grid", "model", "trial", "values", "dense", "flops"], sort=False)
    table = groups[list(_METRICS)].agg(["mean", "std"])
    table.columns = ["_".join(column) for column in table.columns]
    table["seeds"] = groups.size()
    return table.reset_index().sort_values(["grid", "model", "dense"], kind="stable")


def scaling_fits(frame: Any) -> Any:
    """The power laws of `1 - AUC` and logloss for each grid and model, or why there is none.

    Args:
        frame: What `scaling_frame` gave, perhaps of several grids.
    """
    lines = []
    for (grid, model), runs in frame.groupby(["grid", "model"], sort=False):
        for metric in _METRICS:
            law = _fit(runs, metric)
            lines.append(
                {
                    "grid": grid,
                    "model": model,
                    "loss": "1 - AUC" if metric == "auc" else metric,
                    "form": law.form,
                    "factor": law.factor,
                    "exponent": law.exponent,
                    "exponent_low": law.exponent_interval[0],
                    "exponent_high": law.exponent_interval[1],
                    "floor": law.floor,
                    "change": law.change,
                    "change_low": law.change_interval[0],
                    "change_high": law.change_interval[1],
                    "problem": law.problem or "",
                }
            )
    return import_optional("pandas", "tuning").DataFrame(lines)


def describe_fits(fits: Any) -> list[str]:
    """A sentence for each line of `scaling_fits`."""
    sentences = []
    for line in fits.itertuples():
        where = f"{line.grid}, {line.model}, {line.loss}"
        if line.problem:
            sentences.append(f"{where}: no law is drawn: {line.problem}")
            continue
        floor = f" + {line.floor:.4f}" if line.floor else ""
        sentences.append(
            f"{where}: {line.factor:.4g} * N^-{line.exponent:.4f}{floor}, exponent from "
            f"{line.exponent_low:.4f} to {line.exponent_high:.4f}"
        )
    return sentences


def plot_scaling(frame: Any, path: str | os.PathLike[str] | None = None) -> Any:
    """AUC and logloss against dense parameters, a row of panels for each grid.

    Marks are means over the seeds, bars the standard deviation to each side. A line is the fitted
    power law and its shade the 95 % bootstrap interval; where `fit_power_law` names a problem,
    there is none.

    Args:
        frame: What `scaling_frame` gave, perhaps of several grids.
        path: Where to write the picture, as `.svg` and `.png`, and its table, as `.csv`; its own
            suffix is replaced. Default: None, nowhere.

    Returns:
        A matplotlib Figure.

    Raises:
        ValueError: If no execution has finished.
        ImportError: If matplotlib or pandas is not installed.

    Reference: RankElastor, figures 7 and 8.
    """
    if frame.empty:
        raise ValueError("Expected at least one finished execution. Received: none")
    ticker = import_optional("matplotlib.ticker", "tuning")
    grids = list(dict.fromkeys(frame.grid))
    styles = styles_of(list(dict.fromkeys(frame.model)))
    figure = new_figure(0.7 + 2.3 * len(grids), width=7.0)
    panels = figure.subplots(len(grids), 2, squeeze=False)
    for row, grid in zip(panels, grids, strict=True):
        for axis, (metric, label) in zip(row, _METRICS.items(), strict=True):
            for model, runs in frame[frame.grid == grid].groupby("model", sort=False):
                _draw(axis, runs, metric, str(model), styles[model])
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
            axis.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))
            axis.xaxis.set_minor_formatter(ticker.NullFormatter())
            open_axis(axis, grid="both")
            axis.set_title(f"{grid}: {label}", fontsize=10)
    for axis in panels[-1]:
        axis.set_xlabel("dense parameters")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, ncols=4, loc="outside lower center")
    return finish(figure, path, scaling_table(frame))


def write_scaling(frame: Any, folder: Path, pictures: Path | None = None) -> list[str]:
    """Write the executions, the fits and the picture; give what the fits say.

    Args:
        frame: What `scaling_frame` gave, perhaps of several grids.
        folder: Gets `scaling_executions.csv` and `scaling_fits.csv`.
        pictures: Gets `scaling.svg`, `scaling.png` and `scaling.csv`. Default: None, the folder.
    """
    fits = scaling_fits(frame)
    for name, written in (("executions", frame), ("fits", fits)):
        text = written.to_csv(index=False, lineterminator="\n", float_format="%.6g")
        write_text(folder / f"scaling_{name}.csv", text)
    plot_scaling(frame, (pictures or folder) / "scaling")
    return describe_fits(fits)


def _by_size(runs: Any, metric: str) -> tuple[list[float], list[list[float]]]:
    """The sizes and at each the values of all seeds."""
    groups: Iterable[tuple[float, Any]] = runs[runs.dense > 0].groupby("dense")[metric]
    pairs = [(size, list(values)) for size, values in groups]
    return [size for size, _ in pairs], [values for _, values in pairs]


def _fit(runs: Any, metric: str) -> PowerLaw:
    sizes, values = _by_size(runs, metric)
    if metric == "auc":
        values = [[1 - value for value in each] for each in values]
    return fit_power_law(sizes, values)


def _draw(axis: Any, runs: Any, metric: str, model: str, style: dict[str, Any]) -> None:
    sizes, values = _by_size(runs, metric)
    spread = [np.std(each, ddof=1) if len(each) > 1 else np.nan for each in values]
    marks = {**style, "linestyle": "none"}
    means = [np.mean(each) for each in values]
    axis.errorbar(sizes, means, spread, capsize=3, label=model, **marks)
    law = _fit(runs, metric)
    if law.problem is None:
        dense = np.geomspace(min(sizes), max(sizes), 100)
        curves = [law.predict(dense), *law.interval(dense)]
        middle, low, high = (1 - each if metric == "auc" else each for each in curves)
        axis.plot(dense, middle, color=style["color"], linestyle=style["linestyle"])
        axis.fill_between(dense, low, high, color=style["color"], alpha=0.15, linewidth=0)
