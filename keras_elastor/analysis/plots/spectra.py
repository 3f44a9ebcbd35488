"""Pictures of singular values and of what embedding tables use of their width."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_elastor.analysis.plots.style import (
    GREY,
    WIDTH,
    depth_styles,
    finish,
    legend_below,
    new_figure,
    open_axis,
    shortened,
    styles_of,
    together,
)
from keras_elastor.analysis.singular_values import Array
from keras_elastor.utils.optional import import_optional

# Below this share of the largest one a singular value is drawn as nothing.
_SMALLEST = 1e-4


def plot_spectra(spectra: Mapping[str, Array], path: str | os.PathLike[str] | None = None) -> Any:
    """The singular values of each stage, as shares of the largest one.

    A line that stays high uses all directions; one that falls at once has collapsed to a few.
    Lines are means over the matrices of a stage, bands reach from the 10th to the 90th percentile.

    Args:
        spectra: For each stage what `spectrum` gave for its matrices, such as `layer_spectra` does.
            Zero matrices are left out.
        path: Where to write the picture, as `.svg` and `.png`, and its numbers, as `.csv`; its own
            suffix is replaced. Default: None, nowhere.

    Returns:
        A matplotlib Figure.

    Raises:
        ValueError: If there is no stage, or one has only zero matrices.
        ImportError: If matplotlib or pandas is not installed.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Categorical("item", 50)])
    >>> rows = {"user": np.arange(1, 41), "item": np.arange(1, 41)}
    >>> spectra = ke.analysis.layer_spectra(ke.models.RankMixer(schema, num_blocks=1), rows)
    >>> figure = ke.analysis.plot_spectra(spectra)
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['encoder', 'tokenizer', 'mixing_0', 'ffn_0']
    """
    if not spectra:
        raise ValueError("Expected the singular values of at least one stage. Received: none")
    pandas = import_optional("pandas", "analysis")
    frames = {stage: _shares(stage, values) for stage, values in spectra.items()}
    figure = new_figure(4)
    axis = figure.subplots()
    for stage, style in depth_styles(list(frames)).items():
        lines = frames[stage]
        axis.plot(
            lines["index"],
            lines["mean"],
            label=shortened(stage),
            markersize=4,
            markevery=max(1, len(lines) // 10),
            **style,
        )
        axis.fill_between(
            lines["index"], lines.q10, lines.q90, color=style["color"], alpha=0.15, linewidth=0
        )
    axis.set_yscale("log")
    axis.set_ylim(_SMALLEST, 1.3)
    axis.xaxis.get_major_locator().set_params(integer=True)
    open_axis(axis)
    axis.set_xlabel("singular value, the largest first")
    axis.set_ylabel("share of the largest one")
    axis.set_title("Spectra of the stages\n(bands: 10th to 90th percentile)", fontsize=10)
    legend_below(axis, columns=3)
    return finish(figure, path, pandas.concat(frames.values(), ignore_index=True))


def _shares(stage: str, values: Array) -> Any:
    """Mean and percentiles of singular values over the largest one, a line for each."""
    values = np.asarray(values, np.float64)
    values = values.reshape(-1, values.shape[-1])
    values = values[values[:, 0] > 0]
    if not len(values):
        raise ValueError(
            f"Stage '{stage}': expected the singular values of a matrix other than zero. "
            "Received: none"
        )
    shares = values / values[:, :1]
    low, high = np.quantile(shares, (0.1, 0.9), axis=0)
    return import_optional("pandas", "analysis").DataFrame(
        {
            "stage": stage,
            "index": np.arange(1, shares.shape[1] + 1),
            "mean": shares.mean(axis=0).clip(_SMALLEST / 10),
            "q10": low,
            "q90": high,
            "matrices": len(shares),
        }
    )


def plot_information_abundance(
    tables: Mapping[str, Any],
    path: str | os.PathLike[str] | None = None,
    names: Sequence[str] | None = None,
) -> Any:
    """The information abundance of each field's embedding table, for one or several models.

    A mark stands at the number of directions that a table uses; the dashed line is the width of the
    embeddings, which is the most there can be.

    Args:
        tables: For each name of a model, what `table_ranks` gave for it.
        path: As for `plot_spectra`.
        names: As for `plot_rank_trajectories`.

    Returns:
        A matplotlib Figure.

    Raises:
        ValueError: If there is no model.
        ImportError: If matplotlib or pandas is not installed.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Categorical("item", 50)])
    >>> tables = ke.analysis.table_ranks(ke.models.FM(schema, embedding_dim=4))
    >>> figure = ke.analysis.plot_information_abundance({"FM": tables})
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['user', 'item']

    Reference: Guo et al. (ICML 2024), On the Embedding Collapse when Scaling up Recommendation
    Models.
    """
    if not tables:
        raise ValueError("Expected the tables of at least one model. Received: none")
    fields = list(dict.fromkeys(field for frame in tables.values() for field in frame.field))
    figure = new_figure(1.6 + 0.19 * len(fields), WIDTH)
    axis = figure.subplots()
    styles = styles_of(names or list(tables))
    for name, frame in tables.items():
        axis.plot(
            frame.information_abundance,
            [fields.index(field) for field in frame.field],
            label=shortened(name),
            markersize=5,
            **{**styles[name], "linestyle": "none"},
        )
    for width in sorted({width for frame in tables.values() for width in frame.embedding_dim}):
        axis.axvline(width, color=GREY, linestyle="--", linewidth=1)
    axis.set_yticks(range(len(fields)), [shortened(field) for field in fields], fontsize="small")
    axis.set_ylim(len(fields) - 0.5, -0.5)
    axis.set_xlim(left=0)
    open_axis(axis, grid="both")
    axis.set_xlabel("information abundance (dashed: width)")
    axis.set_title("Directions that embedding tables use", fontsize=10)
    figure.legend(frameon=False, fontsize="small", ncols=2, loc="outside lower center")
    return finish(figure, path, together(tables))
