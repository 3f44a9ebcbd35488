"""Pictures of effective ranks; each takes the frames of this package and gives back a Figure."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Any

from keras_elastor.analysis.plots.style import (
    COLORS,
    GREY,
    MATRICES,
    WIDTH,
    depth_styles,
    finish,
    label_stages,
    legend_below,
    new_figure,
    open_axis,
    shortened,
    styles_of,
    together,
)
from keras_elastor.analysis.shifts import choose, shift_of

_SHIFTS = {"expands": COLORS[0], "contracts": COLORS[1], "inside the error": GREY}


def plot_rank_trajectories(
    ranks: Mapping[str, Any],
    kind: str = "stable",
    view: str = "tokens",
    path: str | os.PathLike[str] | None = None,
    names: Sequence[str] | None = None,
) -> Any:
    """The mean effective rank of each stage, for one or several models.

    Models of the same stages, and shallower ones, share a panel. Bars are two standard errors to
    each side; dots without bars have no known error.

    Args:
        ranks: For each name of a model, what `layer_ranks` gave for it.
        kind: One of the kinds measured. Default: "stable".
        view: One of the views measured. Default: "tokens".
        path: Where to write the picture, as `.svg` and `.png`, and its numbers, as `.csv`; its own
            suffix is replaced. Default: None, nowhere.
        names: Names of all models that have a colour, where other pictures show more than these.
            Default: the names given.

    Returns:
        A matplotlib Figure.

    Raises:
        ValueError: If the frame of a model has no line of this kind and view.
        ImportError: If matplotlib or pandas is not installed.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Categorical("item", 50)])
    >>> rows = {"user": np.arange(1, 41), "item": np.arange(1, 41)}
    >>> ranks = ke.analysis.layer_ranks(ke.models.RankMixer(schema), rows, window=20)
    >>> figure = ke.analysis.plot_rank_trajectories({"RankMixer": ranks})
    >>> figure.axes[0].get_ylabel()
    'stable rank'

    Reference: RankElastor, figures 2 and 6.
    """
    chosen = {name: choose(frame, kind, view, f"'{name}'") for name, frame in ranks.items()}
    if not chosen:
        raise ValueError("Expected the ranks of at least one model. Received: none")
    panels: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(chosen, key=lambda name: -len(chosen[name])):
        stages = tuple(chosen[name].stage)
        panel = next((longer for longer in panels if longer[: len(stages)] == stages), stages)
        panels.setdefault(panel, []).append(name)
    longest = max(map(len, panels))
    figure = new_figure(0.5 + 3.2 * len(panels), max(WIDTH, 0.5 * longest + 1))
    axes = figure.subplots(len(panels), 1, sharey=True, squeeze=False)[:, 0]
    styles = styles_of(names or list(chosen))
    for axis, (stages, of_panel) in zip(axes, panels.items(), strict=True):
        for name in of_panel:
            lines = chosen[name]
            axis.errorbar(
                range(len(lines)),
                lines["mean"],
                yerr=2 * lines.standard_error.fillna(0),
                label=shortened(name),
                capsize=3,
                markersize=5,
                **styles[name],
            )
        label_stages(axis, stages)
        axis.legend(frameon=False, fontsize="small")
        axis.set_ylabel(f"{kind} rank")
    axes[0].set_ylim(bottom=0)
    figure.suptitle(
        f"Mean {kind} rank through the layers\n"
        f"({MATRICES.get(view, view)}; bars: 2 standard errors)",
        fontsize=10,
    )
    return finish(figure, path, together(chosen))


def plot_rank_shift(
    ranks: Any,
    kind: str = "stable",
    view: str = "tokens",
    path: str | os.PathLike[str] | None = None,
) -> Any:
    """How each layer of a model shifts the distribution of effective ranks.

    A bar reaches from the 10th to the 90th percentile of a stage, with its median as a line. An
    arrow goes from the mean before a layer to the mean after it; its colour says whether the layer
    expands, contracts, or does neither by more than two standard errors of the difference.

    Args:
        ranks: What `layer_ranks` gave for a model.
        kind: One of the kinds measured. Default: "stable".
        view: One of the views measured. Default: "tokens".
        path: As for `plot_rank_trajectories`.

    Returns:
        A matplotlib Figure.

    Raises:
        ValueError: If there is no line of this kind and view.
        ImportError: If matplotlib is not installed.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Categorical("item", 50)])
    >>> rows = {"user": np.arange(1, 41), "item": np.arange(1, 41)}
    >>> ranks = ke.analysis.layer_ranks(ke.models.RankMixer(schema), rows, window=20)
    >>> figure = ke.analysis.plot_rank_shift(ranks)
    >>> [text.get_text() for text in figure.axes[0].get_xticklabels()][:3]
    ['encoder', 'tokenizer', 'mixing_0']

    Reference: RankElastor, figures 1 and 5.
    """
    lines = choose(ranks, kind, view, "the model")
    figure = new_figure(4, max(WIDTH, 0.5 * len(lines) + 1))
    axis = figure.subplots()
    positions = range(len(lines))
    axis.bar(
        positions, lines.q90 - lines.q10, bottom=lines.q10, width=0.4, color="#D9D9D9", zorder=1
    )
    axis.hlines(
        lines.q50, [p - 0.2 for p in positions], [p + 0.2 for p in positions], color="#555555"
    )
    changes = [shift_of(*pair) for pair in itertools.pairwise(lines.to_dict("records"))]
    means = lines["mean"].tolist()
    for index, change in enumerate(changes):
        axis.annotate(
            "",
            xy=(index + 1, means[index + 1]),
            xytext=(index, means[index]),
            arrowprops={"arrowstyle": "-|>", "color": _SHIFTS[change], "lw": 2},
        )
    for change, color in _SHIFTS.items():
        axis.plot([], [], color=color, lw=2, label=f"{change} ({changes.count(change)})")
    axis.scatter(positions, means, color="black", s=14, zorder=3, label="mean")
    # Room above the data, so that the legend hides nothing.
    axis.set_ylim(0, 1.35 * max(*lines.q90, *means, 0.1))
    axis.legend(frameon=False, ncols=2, loc="upper center", fontsize="small")
    label_stages(axis, lines.stage)
    axis.set_ylabel(f"{kind} rank ({MATRICES.get(view, view)})")
    axis.set_title("What each layer does to the rank\n(bars: 10th to 90th percentile)", fontsize=10)
    return finish(figure, path, lines)


def plot_rank_over_time(
    ranks: Any,
    kind: str = "stable",
    view: str = "tokens",
    path: str | os.PathLike[str] | None = None,
) -> Any:
    """The mean effective rank of each stage while a model trains.

    Deeper stages have lighter lines; bands are two standard errors to each side.

    Args:
        ranks: `RankCallback.frame()`, or the lines of a run's `ranks.jsonl` as a pandas frame.
        kind: One of the kinds measured. Default: "stable".
        view: One of the views measured. Default: "tokens".
        path: As for `plot_rank_trajectories`.

    Returns:
        A matplotlib Figure.

    Raises:
        ValueError: If there is no line of this kind and view.
        ImportError: If matplotlib is not installed.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Categorical("item", 50)])
    >>> rows = {"user": np.arange(1, 41), "item": np.arange(1, 41)}
    >>> model = ke.models.RankMixer(schema, num_blocks=1)
    >>> model.compile()
    >>> callback = ke.analysis.RankCallback(rows, views=["tokens"])
    >>> history = model.fit(rows, np.arange(40) % 2, callbacks=[callback], verbose=0)
    >>> figure = ke.analysis.plot_rank_over_time(callback.frame())
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['encoder', 'tokenizer', 'mixing_0', 'ffn_0']
    """
    lines = choose(ranks, kind, view, "the training")
    figure = new_figure(4)
    axis = figure.subplots()
    for stage, style in depth_styles(list(dict.fromkeys(lines.stage))).items():
        of_stage = lines[lines.stage == stage]
        error = 2 * of_stage.standard_error.astype(float).fillna(0)
        axis.plot(of_stage.step, of_stage["mean"], label=shortened(stage), markersize=4, **style)
        axis.fill_between(
            of_stage.step,
            of_stage["mean"] - error,
            of_stage["mean"] + error,
            color=style["color"],
            alpha=0.2,
            linewidth=0,
        )
    axis.set_ylim(bottom=0)
    open_axis(axis)
    axis.set_xlabel("training steps")
    axis.set_ylabel(f"{kind} rank ({MATRICES.get(view, view)})")
    axis.set_title(f"Mean {kind} rank while the model trains", fontsize=10)
    legend_below(axis, columns=3)
    return finish(figure, path, lines)
