"""Singular values of the stages of a model."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_elastor.analysis.layer_ranks import VIEWS, matrices_of, stages_of
from keras_elastor.analysis.singular_values import Array, spectrum
from keras_elastor.analysis.windows import iterate_windows
from keras_elastor.models.ranking_model import RankingModel


def layer_spectra(
    model: RankingModel,
    dataset: Any,
    max_rows: int = 2000,
    view: str = "tokens",
    window: int = 500,
) -> dict[str, Array]:
    """Singular values of every stage of a model that has the view.

    Args:
        model: As for `layer_ranks`.
        dataset: As for `layer_ranks`.
        max_rows: Rows to measure, from the first. Default: 2000.
        view: One of the views of `layer_ranks`. Default: "tokens".
        window: As for `layer_ranks`. Default: 500.

    Returns:
        For each stage, in the order of computation, the singular values of its matrices, largest
        first: float64 of shape `(matrices, min(rows, columns))`.

    Raises:
        ValueError: If the model has no stages, or none with this view, or the dataset has no row,
            or fills no window.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Categorical("item", 50)])
    >>> rows = {"user": np.arange(1, 41), "item": np.arange(1, 41)}
    >>> model = ke.models.RankMixer(schema, embedding_dim=8, num_blocks=1)
    >>> {name: values.shape for name, values in ke.analysis.layer_spectra(model, rows).items()}
    {'encoder': (40, 2), 'tokenizer': (40, 2), 'mixing_0': (40, 2), 'ffn_0': (40, 2)}
    """
    if view not in VIEWS:
        raise ValueError(f"Expected `view` to be one of {list(VIEWS)}. Received: {view!r}")
    stages = stages_of(model)
    found: dict[str, list[Array]] = {}
    for features in iterate_windows(dataset, model.schema, window, max_rows):
        outputs = stages.predict_on_batch(features)
        is_whole = len(next(iter(features.values()))) == window
        for stage in stages.output:
            for _, matrices in matrices_of(outputs[stage], [view], is_whole):
                values = spectrum(matrices)
                found.setdefault(stage, []).append(values.reshape(-1, values.shape[-1]))
    if not found:
        raise ValueError(
            f"Expected a stage with the view '{view}' and rows that fill a window of {window}. "
            f"Received: the stages {', '.join(stages.output)} of '{model.name}'"
        )
    return {stage: np.concatenate(parts) for stage, parts in found.items()}
