"""A picture of what features are worth."""

from __future__ import annotations

import os
from typing import Any

from keras_elastor.analysis.plots.style import (
    GREY,
    WIDTH,
    finish,
    legend_outside,
    new_figure,
    open_axis,
    shortened,
    styles_of,
)


def plot_feature_importance(
    importance: Any, path: str | os.PathLike[str] | None = None, most: int = 20
) -> Any:
    """What each feature is worth, with its interval, the most important one on top.

    A feature whose interval holds 0 has an empty mark: it may be worth nothing.

    Args:
        importance: What `feature_importance` gave.
        path: Where to write the picture, as `.svg` and `.png`, and the whole frame, as `.csv`; its
            own suffix is replaced. Default: None, nowhere.
        most: Features to draw, from the first on. Default: 20.

    Returns:
        A matplotlib Figure.

    Raises:
        ValueError: If there is no line in the frame.
        ImportError: If matplotlib is not installed.

    Example:

    >>> schema = ke.FeatureSchema([ke.Numeric("price"), ke.Numeric("age")], label="click")
    >>> rows = {name: np.arange(40.0, dtype="float32") for name in schema.names}
    >>> model = ke.models.LogisticRegression(schema)
    >>> worth = ke.analysis.feature_importance(model, (rows, np.arange(40) % 2))
    >>> figure = ke.analysis.plot_feature_importance(worth)
    >>> len(figure.axes[0].get_yticklabels())
    2
    """
    if not len(importance):
        raise ValueError("Expected the importance of at least one feature. Received: none")
    features = importance.feature.drop_duplicates().head(most).tolist()
    labels = importance.label.drop_duplicates().tolist()
    figure = new_figure(1.5 + 0.27 * len(features), WIDTH + 1)
    axis = figure.subplots()
    styles = styles_of(labels)
    for number, label in enumerate(labels):
        # The marks of several labels stand below one another.
        shift = 0.5 * (number / len(labels) - (len(labels) - 1) / (2 * len(labels)))
        style = {**styles[label], "linestyle": "none"}
        axis.plot([], [], label=shortened(label), **style)
        lines = importance[(importance.label == label) & importance.feature.isin(features)]
        for line in lines.itertuples():
            may_be_none = line.low <= 0 <= line.high
            axis.errorbar(
                line.importance,
                features.index(line.feature) + shift,
                xerr=[
                    [max(line.importance - line.low, 0)],
                    [max(line.high - line.importance, 0)],
                ],
                capsize=2,
                markersize=5,
                markerfacecolor="white" if may_be_none else style["color"],
                **style,
            )
    axis.axvline(0, color=GREY, linestyle="--", linewidth=1)
    axis.set_yticks(range(len(features)), [shortened(name) for name in features], fontsize="small")
    axis.set_ylim(len(features) - 0.5, -0.5)
    open_axis(axis, grid="x")
    metric = importance.metric.iloc[0]
    change = "rise" if metric == "logloss" else "loss"
    axis.set_xlabel(f"{change} of {metric} when the column is shuffled")
    left_out = importance.feature.nunique() - len(features)
    more = f"\n{left_out} less important ones are left out" if left_out else ""
    axis.set_title(
        f"What each feature is worth\n(bars: 95 % intervals; empty: may be nothing){more}",
        fontsize=10,
    )
    if len(labels) > 1:
        legend_outside(figure)
    return finish(figure, path, importance)
