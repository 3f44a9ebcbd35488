"""Pictures of effective ranks; each takes the frames of this package and gives back a Figure."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_elastor.utils.files import atomic_path, make_folder
from keras_elastor.utils.optional import import_optional

# Okabe and Ito's colours, told apart by every kind of colour vision; markers for print.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_EXPANDS, _CONTRACTS, _NEITHER = "#0072B2", "#D55E00", "#767676"
_MATRICES = {
    "tokens": "tokens of a row",
    "batch": "rows of a window",
    "token_batch": "one token over a window",
}


def plot_rank_trajectories(
    ranks: Mapping[str, Any],
    kind: str = "stable",
    view: str = "tokens",
    path: str | os.PathLike[str] | None = None,
) -> Any:
    """The mean effective rank of each stage, for one or several models.

    Models of the same stages, and shallower ones, share a panel. Bars are two standard errors to
    each side.

    Args:
        ranks: For each name of a model, what `layer_ranks` gave for it.
        kind: One of the kinds measured. Default: "stable".
        view: One of the views measured. Default: "tokens".
        path: Where to write the picture, as `.svg` and `.png`, and its numbers, as `.csv`; its own
            suffix is replaced. Default: None, nowhere.

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
    'stable rank (tokens of a row)'

    Reference: RankElastor, figures 2 and 6.
    """
    chosen = {name: _choose(frame, kind, view, f"'{name}'") for name, frame in ranks.items()}
    if not chosen:
        raise ValueError("Expected the ranks of at least one model. Received: none")
    panels: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(chosen, key=lambda name: -len(chosen[name])):
        stages = tuple(chosen[name].stage)
        panel = next((longer for longer in panels if longer[: len(stages)] == stages), stages)
        panels.setdefault(panel, []).append(name)
    width = sum(max(3.2, 0.75 * len(stages)) for stages in panels)
    figure = _figure(width + 0.8)
    ratios = [max(4, len(stages)) for stages in panels]
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False, width_ratios=ratios)[0]
    style = dict(zip(chosen, _styles(), strict=False))
    for axis, (stages, names) in zip(axes, panels.items(), strict=True):
        for name in names:
            lines = chosen[name]
            axis.errorbar(
                range(len(lines)),
                lines["mean"],
                yerr=2 * lines.standard_error.fillna(0),
                label=name,
                capsize=3,
                **style[name],
            )
        _label_stages(axis, stages)
        axis.legend(frameon=False)
    axes[0].set_ylabel(f"{kind} rank ({_MATRICES.get(view, view)})")
    axes[0].set_ylim(bottom=0)
    figure.suptitle(f"Mean {kind} rank through the layers (bars: 2 standard errors)")
    data = import_optional("pandas", "analysis").concat(chosen, names=["model"]).reset_index(0)
    return _finish(figure, path, data)


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
    lines = _choose(ranks, kind, view, "the model")
    figure = _figure(max(4.5, 0.95 * len(lines) + 1))
    axis = figure.subplots()
    positions = range(len(lines))
    axis.bar(
        positions, lines.q90 - lines.q10, bottom=lines.q10, width=0.4, color="#D9D9D9", zorder=1
    )
    axis.hlines(
        lines.q50, [p - 0.2 for p in positions], [p + 0.2 for p in positions], color="#555555"
    )
    changes = [shift_of(*pair) for pair in itertools.pairwise(lines.to_dict("records"))]
    colors = {"expands": _EXPANDS, "contracts": _CONTRACTS, "inside the error": _NEITHER}
    means = lines["mean"].tolist()
    for index, change in enumerate(changes):
        axis.annotate(
            "",
            xy=(index + 1, means[index + 1]),
            xytext=(index, means[index]),
            arrowprops={"arrowstyle": "-|>", "color": colors[change], "lw": 2},
        )
    for change, color in colors.items():
        axis.plot([], [], color=color, lw=2, label=f"{change} ({changes.count(change)})")
    axis.scatter(positions, means, color="black", s=14, zorder=3, label="mean")
    # Room above the data, so that the legend hides nothing.
    axis.set_ylim(0, 1.35 * max(*lines.q90, *means, 0.1))
    axis.legend(frameon=False, ncols=2, loc="upper center", fontsize="small")
    _label_stages(axis, lines.stage)
    axis.set_ylabel(f"{kind} rank ({_MATRICES.get(view, view)})")
    axis.set_title("What each layer does to the rank\n(bars: 10th to 90th percentile)", fontsize=10)
    return _finish(figure, path, lines)


def shift_of(before: Any, after: Any) -> str:
    """What happened between two lines of `layer_ranks`: "expands", "contracts" or neither."""
    difference = after["mean"] - before["mean"]
    # An unknown error is no proof of a change.
    error = math.hypot(before["standard_error"], after["standard_error"])
    if not abs(difference) > 2 * error:
        return "inside the error"
    return "expands" if difference > 0 else "contracts"


def _choose(frame: Any, kind: str, view: str, name: str) -> Any:
    lines = frame[(frame.kind == kind) & (frame["view"] == view)].reset_index(drop=True)
    if lines.empty:
        measured = sorted({*zip(frame.kind, frame["view"], strict=True)})
        raise ValueError(
            f"Expected ranks of {name} of the kind '{kind}' in the view '{view}'. "
            f"Received: only {measured}"
        )
    return lines


def _styles() -> list[dict[str, Any]]:
    return [
        {"color": color, "marker": marker, "linestyle": line}
        for line in ("-", "--", ":")
        for color, marker in zip(_COLORS, _MARKERS, strict=True)
    ]


def _figure(width: float) -> Any:
    # Not pyplot's, which would hold every figure until it is closed.
    figure = import_optional("matplotlib.figure", "analysis")
    return figure.Figure(figsize=(width, 4), layout="constrained")


def _label_stages(axis: Any, stages: Any) -> None:
    axis.set_xticks(range(len(stages)), stages, rotation=45, ha="right", rotation_mode="anchor")
    axis.grid(axis="y", alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)


def _finish(figure: Any, path: str | os.PathLike[str] | None, data: Any) -> Any:
    """Write picture and numbers where a path is given."""
    if path is not None:
        path = Path(path)
        make_folder(path.parent)
        for suffix in (".svg", ".png"):
            with atomic_path(path.with_suffix(suffix)) as temporary:
                figure.savefig(temporary, dpi=150)
        with atomic_path(path.with_suffix(".csv")) as temporary:
            data.to_csv(temporary, index=False)
    return figure
