"""Pictures of a training's metrics and of what its predictions are worth.

Each draws on an axis, and `plot_...` puts one of them on a picture of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from keras_elastor.analysis.plots.style import (
    GREY,
    finish,
    label_stages,
    legend_outside,
    new_figure,
    open_axis,
    shortened,
    styles_of,
    together,
)


def plot_learning_curves(
    evaluations: Mapping[str, Any],
    metrics: list[str],
    path: str | os.PathLike[str] | None = None,
    names: Sequence[str] | None = None,
) -> Any:
    """Metrics of the validation rows while models train, a panel for each metric.

    Args:
        evaluations: For each name of a model, its evaluations as a pandas frame with `step`, `gain`
            and the metrics, as a run's `metrics.jsonl` has them.
        metrics: Which.
        path: Where to write picture and numbers. Default: None, nowhere.
        names: As for `plot_rank_trajectories`.
    """
    figure = new_figure(0.6 + 2.4 * len(metrics))
    axes = figure.subplots(len(metrics), 1, sharex=True, squeeze=False)[:, 0]
    styles = styles_of(names or list(evaluations))
    for name, frame in evaluations.items():
        for axis, metric in zip(axes, metrics, strict=True):
            if metric in frame:
                draw_learning_curve(axis, frame, metric, name, styles[name])
    for axis, metric in zip(axes, metrics, strict=True):
        axis.set_ylabel(f"validation {metric}")
        open_axis(axis)
    axes[-1].set_xlabel("training steps (circle: the best weights)")
    axes[0].set_title("Learning curves", fontsize=10)
    legend_outside(figure)
    return finish(figure, path, together(evaluations))


def draw_learning_curve(
    axis: Any, frame: Any, metric: str, name: str, style: Mapping[str, Any]
) -> None:
    """One metric of one model, with a circle at the best weights."""
    axis.plot(frame.step, frame[metric], label=shortened(name), markersize=4, **style)
    best = frame[frame.gain.astype(bool)].tail(1)
    axis.plot(
        best.step,
        best[metric],
        marker="o",
        markersize=11,
        markerfacecolor="none",
        color=style["color"],
        linestyle="none",
    )


def plot_calibration(
    curves: Mapping[str, Any],
    path: str | os.PathLike[str] | None = None,
    names: Sequence[str] | None = None,
) -> Any:
    """Observed click rates against predicted ones; on the dashed line they are equal.

    Args:
        curves: For each name of a model, its `calibration_curve`.
        path: Where to write picture and numbers. Default: None, nowhere.
        names: As for `plot_rank_trajectories`.
    """
    return _plot(draw_calibration, 4.6, curves, path, names)


def draw_calibration(axis: Any, curves: Mapping[str, Any], names: Sequence[str] | None) -> None:
    """Observed click rates against predicted ones."""
    for name, frame, style in _lines(curves, names):
        axis.errorbar(
            frame.predicted,
            frame.observed,
            yerr=2 * frame.standard_error,
            label=shortened(name),
            markersize=4,
            capsize=2,
            linewidth=1,
            **style,
        )
    top = 1.05 * max(frame[["predicted", "observed"]].max(axis=None) for frame in curves.values())
    axis.plot([0, top], [0, top], color=GREY, linestyle="--", linewidth=1)
    axis.set_xlim(0, top)
    axis.set_ylim(0, top)
    open_axis(axis, grid="both")
    axis.set_xlabel("mean predicted probability of a bin")
    axis.set_ylabel("observed rate")
    axis.set_title("Calibration (bars: 2 standard errors; dashed: right)", fontsize=10)


def draw_gain(axis: Any, curves: Mapping[str, Any], names: Sequence[str] | None) -> None:
    """Share of all clicks among the rows of the highest predictions."""
    for name, frame, style in _lines(curves, names):
        share, found = frame.share_of_rows, frame.true_positive_rate
        axis.plot(share, found, label=shortened(name), **{**style, "marker": None})
    _unit_square(axis)
    axis.set_xlabel("share of the rows, highest predictions first")
    axis.set_ylabel("share of the clicks among them")
    axis.set_title("Gain (dashed: rows in random order)", fontsize=10)


def draw_roc(axis: Any, curves: Mapping[str, Any], names: Sequence[str] | None) -> None:
    """True against false positives at every threshold."""
    for name, frame, style in _lines(curves, names):
        wrong, found = frame.false_positive_rate, frame.true_positive_rate
        axis.plot(wrong, found, label=shortened(name), **{**style, "marker": None})
    _unit_square(axis)
    axis.set_xlabel("false positive rate")
    axis.set_ylabel("true positive rate")
    axis.set_title("ROC (dashed: chance)", fontsize=10)


def _unit_square(axis: Any) -> None:
    axis.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1.02)
    open_axis(axis, grid="both")


def plot_group_auc(
    groups: Mapping[str, Any],
    path: str | os.PathLike[str] | None = None,
    names: Sequence[str] | None = None,
) -> Any:
    """GAUC by the number of rows of a group.

    Args:
        groups: For each name of a model, what `auc_by_group_size` gave for it.
        path: Where to write picture and numbers. Default: None, nowhere.
        names: As for `plot_rank_trajectories`.
    """
    return _plot(draw_group_auc, 3.8, groups, path, names)


def draw_group_auc(axis: Any, groups: Mapping[str, Any], names: Sequence[str] | None) -> None:
    """GAUC by the number of rows of a group."""
    smallest = sorted({size for frame in groups.values() for size in frame.smallest})
    for name, frame, style in _lines(groups, names):
        places = [smallest.index(size) for size in frame.smallest]
        axis.plot(places, frame.gauc, label=shortened(name), markersize=5, **style)
    axis.axhline(0.5, color=GREY, linestyle="--", linewidth=1)
    label_stages(axis, [f"from {size}" for size in smallest])
    axis.set_xlabel("rows of a group")
    axis.set_ylabel("gAUC (dashed: chance)")
    axis.set_title("gAUC by the size of the group", fontsize=10)


def _plot(
    draw: Callable[[Any, Mapping[str, Any], Sequence[str] | None], None],
    height: float,
    frames: Mapping[str, Any],
    path: str | os.PathLike[str] | None,
    names: Sequence[str] | None,
) -> Any:
    figure = new_figure(height)
    draw(figure.subplots(), frames, names)
    legend_outside(figure)
    return finish(figure, path, together(frames))


def _lines(
    frames: Mapping[str, Any], names: Sequence[str] | None
) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Name, frame and style of each line: one for each model, or for each of its labels."""
    pairs = {
        (model, label): of_label
        for model, frame in frames.items()
        for label, of_label in frame.groupby("label", sort=False)
    }
    labels = list(dict.fromkeys(label for _, label in pairs))
    if len(labels) == 1:
        styles = styles_of(names or list(frames))
        for (model, _), frame in pairs.items():
            yield model, frame, styles[model]
        return
    styles = styles_of([f"{model}, {label}" for model in names or frames for label in labels])
    for (model, label), frame in pairs.items():
        yield f"{model}, {label}", frame, styles[f"{model}, {label}"]
