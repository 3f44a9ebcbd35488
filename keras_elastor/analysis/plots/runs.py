"""Pictures of what runs have found: of one, and of several models over seeds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_elastor.analysis.intervals import student_interval
from keras_elastor.analysis.plots.predictions import (
    draw_calibration,
    draw_gain,
    draw_group_auc,
    draw_learning_curve,
    draw_roc,
)
from keras_elastor.analysis.plots.style import (
    COLORS,
    GREY,
    WIDTH,
    finish,
    legend_outside,
    new_figure,
    open_axis,
    shortened,
    styles_of,
)
from keras_elastor.analysis.predictions import (
    Predictions,
    auc_by_group_size,
    calibration_curve,
    ranking_curve,
)
from keras_elastor.analysis.run_ranks import read_lines
from keras_elastor.datasets.rows import Data
from keras_elastor.runs.build import load_data
from keras_elastor.runs.comparison import Comparison
from keras_elastor.runs.pictures import draws
from keras_elastor.runs.run_folder import require_same_data
from keras_elastor.runs.runner import read_config
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.optional import import_optional

# Of each family of metrics, in the order in which people look.
_CURVES = ("auc", "logloss", "gauc", "mse", "deviance", "mae", "rmse")
# Whether more of a metric is better.
_GROWS = {"auc": True, "logloss": False}
_VERDICTS = {
    "better than the baseline": {"color": COLORS[0], "marker": "s"},
    "worse": {"color": COLORS[1], "marker": "D"},
    "no difference beyond chance": {"color": GREY, "marker": "o"},
}


@draws("run")
def plot_run(
    folder: str | os.PathLike[str],
    data: Data | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Any:
    """What a finished run has found, on one picture; `RunResult.plot` calls it.

    Learning curves of the validation rows, then, of the best weights on the rows that runs are
    compared on: calibration, ROC and gain curves, and gAUC by the size of the group where there is
    a group. Several labels have a line each.

    Args:
        folder: The run's folder.
        data: The rows of the run. Default: None, its config's dataset is read.
        path: Where to write the picture, as `.svg` and `.png`, and its numbers, as `.csv`; its own
            suffix is replaced. Default: None, nowhere.

    Returns:
        A matplotlib Figure.

    Raises:
        ValueError: If there is no run, or it is not finished; the rows are not the run's; or `data`
            is missing for a run on rows that no dataset names.
        ImportError: If matplotlib or pandas is not installed.

    Example:

    >>> import tempfile
    >>> rows = {"item": ["a", "b"] * 100, "price": list(range(200)), "click": [0, 1, 1, 0] * 50}
    >>> data = ke.datasets.from_table(rows, label="click", numeric=["price"])
    >>> result = ke.runs.train(data, "logistic_regression", epochs=1, folder=tempfile.mkdtemp())
    >>> figure = result.plot()
    >>> [axis.get_title() for axis in figure.axes][3]
    'ROC (dashed: chance)'
    """
    run = Path(folder)
    config = read_config(run)
    evaluations = read_lines(run / "metrics.jsonl")
    if not (run / "result.json").is_file():
        raise ValueError(f"{run}: expected a finished run. Run it again: it goes on where it was")
    if data is None and config.dataset.name == "own_rows":
        raise ValueError(
            f"{run}: expected `data`, the rows that this run was trained on, as they have no name"
        )
    data = load_data(config) if data is None else data
    require_same_data(run, data)
    frame = import_optional("pandas", "analysis").DataFrame(evaluations)
    families = _families(frame, data.schema)
    curves = _curves(_predictions(run, data))
    panels = len(families) + len(curves)
    lines = -(-panels // 2)
    figure = new_figure(0.8 + 3.3 * lines, 2 * WIDTH)
    axes = figure.subplots(lines, 2, squeeze=False).reshape(-1)
    for axis in axes[panels:]:
        axis.remove()
    styles = styles_of(data.schema.labels)
    for axis, (family, columns) in zip(axes, families.items(), strict=False):
        for label, column in columns.items():
            draw_learning_curve(axis, frame, column, label, styles[label])
        open_axis(axis)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set_xlabel("training steps (circle: the best weights)")
        axis.set_ylabel(f"validation {family}")
        axis.set_title("Learning curve", fontsize=10)
    for axis, (draw, curve) in zip(axes[len(families) :], curves.values(), strict=False):
        # As if each label were a model: its colour is that of its learning curve.
        of_labels = {
            label: lines.assign(label="") for label, lines in curve.groupby("label", sort=False)
        }
        draw(axis, of_labels, data.schema.labels)
    if data.schema.num_tasks > 1:
        legend_outside(figure)
    name = config.name or config.model.name
    figure.suptitle(
        f"{shortened(name)}: curves of {data.judged} rows with the weights that were best on "
        "validation rows",
        fontsize=11,
    )
    return finish(figure, path, _numbers(frame, curves))


def _families(evaluations: Any, schema: FeatureSchema) -> dict[str, dict[str, str]]:
    """The first two families of metrics with, for each label, the column of its metric."""
    found: dict[str, dict[str, str]] = {}
    for family in _CURVES:
        for label in schema.labels:
            column = family if schema.num_tasks == 1 else f"{family}_{label}"
            if column in evaluations and evaluations[column].notna().any():
                found.setdefault(family, {})[label] = column
    return dict(list(found.items())[:2])


def _predictions(run: Path, data: Data) -> Predictions | None:
    """What the run kept of the rows that runs are compared on."""
    schema = data.schema
    binary = [i for i, kind in enumerate(schema.label_kinds) if kind == "binary"]
    if not binary or any(schema.optional_labels):
        return None
    rows = getattr(data, data.judged)
    groups = rows.group.get(schema.group_column)
    logits = np.load(run / "logits.npy").astype(np.float64)
    if len(rows) != len(logits):
        raise ValueError(
            f"{run}: expected the {len(logits)} {data.judged} rows of this run. Received: "
            f"{len(rows)}"
        )
    return Predictions(
        [schema.labels[index] for index in binary],
        np.asarray(rows.labels).reshape(len(logits), -1)[:, binary],
        logits[:, binary],
        groups,
    )


def _curves(predictions: Predictions | None) -> dict[str, tuple[Any, Any]]:
    """For each panel what draws it, and its frame."""
    if predictions is None:
        return {}
    ranking = ranking_curve(predictions)
    frames = {
        "calibration": (draw_calibration, calibration_curve(predictions)),
        "roc": (draw_roc, ranking),
        "gain": (draw_gain, ranking),
        "group_auc": (draw_group_auc, auc_by_group_size(predictions)),
    }
    return {panel: found for panel, found in frames.items() if found[1] is not None}


def _numbers(evaluations: Any, curves: Mapping[str, tuple[Any, Any]]) -> Any:
    """All that is drawn as one table, whose first column is `panel`."""
    pandas = import_optional("pandas", "analysis")
    # Trees have no evaluations on the way.
    frames = {"learning_curve": evaluations} if len(evaluations) else {}
    frames |= {
        panel: frame
        for panel, (_, frame) in curves.items()
        if panel != "gain"  # Another view of the ROC's numbers.
    }
    return pandas.concat(frames, names=["panel"]).reset_index(0)


@draws("comparison")
def plot_comparison(comparison: Comparison, path: str | os.PathLike[str] | None = None) -> Any:
    """Models beside one another, and what they gain; `Comparison.plot` calls it.

    To the left the mean of each metric over the seeds with its 95 % interval (Student's t over the
    seeds; none of a single seed) and a faint dot for each seed; to the right the difference to the
    first model with the comparison's own interval, paired by row and seed. A difference whose
    interval holds 0 is grey: it may be chance.

    Args:
        comparison: What `ke.runs.compare` returned.
        path: As for `plot_run`.

    Returns:
        A matplotlib Figure.

    Raises:
        ImportError: If matplotlib or pandas is not installed.

    Example:

    >>> interval = ke.runs.Interval(0.01, 0.002, 0.018)
    >>> none = ke.runs.Interval(0.0, 0.0, 0.0)
    >>> def model(name, auc, change):
    ...     values = {"auc": auc, "logloss": [0.4, 0.41]}
    ...     changes = {"auc": change, "logloss": none}
    ...     return ke.runs.ComparedModel(name, {"dense": 10}, "test", values, changes)
    >>> models = [model("dnn", [0.70, 0.71], none), model("fm", [0.71, 0.72], interval)]
    >>> figure = ke.runs.Comparison("runs/compare", models).plot()
    >>> figure.axes[1].get_xlabel()
    'auc minus that of dnn'

    Reference: Student, The probable error of a mean (Biometrika 1908).
    """
    frame = _compared(comparison)
    names = [model.name for model in comparison.models]
    seeds, split = int(frame.seeds.max()), comparison.models[0].split
    metrics = list(frame.metric.unique())
    figure = new_figure(1.6 + len(metrics) * (1.1 + 0.27 * len(names)), 2 * WIDTH)
    axes = figure.subplots(len(metrics), 2, sharey=True, squeeze=False)
    for (left, right), metric in zip(axes, metrics, strict=True):
        lines = frame[frame.metric == metric].reset_index()
        # With several tasks the label follows the metric.
        grows = _GROWS[metric.partition("_")[0]]
        _draw_means(left, lines, [model.values[metric] for model in comparison.models])
        _draw_differences(right, lines, grows)
        left.set_yticks(range(len(names)), [shortened(name) for name in names], fontsize="small")
        left.set_ylim(len(names) - 0.5, -0.5)
        better = "more" if grows else "less"
        left.set_xlabel(f"{split} {metric} ({better} is better)")
        right.set_xlabel(f"{metric} minus that of {shortened(names[0])}")
        for axis in (left, right):
            open_axis(axis, grid="x")
            axis.locator_params(axis="x", nbins=5)
    spread = "95 % interval over the seeds" if seeds > 1 else "no interval of a single seed"
    axes[0, 0].set_title(f"Mean of {seeds} seed{'s'[: seeds > 1]}\n({spread})", fontsize=10)
    axes[0, 1].set_title("Difference to the baseline\n(95 % interval, paired)", fontsize=10)
    for verdict, style in _VERDICTS.items():
        axes[0, 0].plot([], [], label=verdict, linestyle="none", markersize=5, **style)
    legend_outside(figure)
    return finish(figure, path, frame)


def _draw_means(axis: Any, lines: Any, values: list[list[float]]) -> None:
    for place, of_seeds in enumerate(values):
        axis.plot(of_seeds, [place] * len(of_seeds), "|", color=GREY, markersize=7, alpha=0.7)
    axis.errorbar(
        lines["mean"],
        lines.index,
        xerr=[lines["mean"] - lines.low, lines.high - lines["mean"]],
        fmt="o",
        color="black",
        markersize=4,
        capsize=3,
    )


def _draw_differences(axis: Any, lines: Any, grows: bool) -> None:
    axis.axvline(0, color=GREY, linestyle="--", linewidth=1)
    axis.plot(0, 0, "o", color="black", markersize=4)
    for place, line in lines.iloc[1:].iterrows():
        low, middle, high = line.difference_low, line.difference, line.difference_high
        verdict = "no difference beyond chance"
        if low > 0 or high < 0:
            verdict = "better than the baseline" if (low > 0) == grows else "worse"
        axis.errorbar(
            middle,
            place,
            xerr=[[max(middle - low, 0)], [max(high - middle, 0)]],
            linestyle="none",
            markersize=5,
            capsize=3,
            **_VERDICTS[verdict],
        )


def _compared(comparison: Comparison) -> Any:
    """A line for each model and metric."""
    lines = []
    for metric in comparison.models[0].values:
        for model in comparison.models:
            mean, low, high = student_interval(model.values[metric])
            change = model.differences[metric]
            lines.append(
                {
                    "model": model.name,
                    "split": model.split,
                    "metric": metric,
                    "seeds": len(model.values[metric]),
                    "mean": mean,
                    "low": low,
                    "high": high,
                    "difference": change.difference,
                    "difference_low": change.low,
                    "difference_high": change.high,
                }
            )
    return import_optional("pandas", "analysis").DataFrame(lines)
