"""How many directions the embedding tables of a model use."""

from __future__ import annotations

from typing import Any

import keras

from keras_elastor.analysis.effective_rank import effective_ranks, information_abundance
from keras_elastor.layers import FeatureEncoder
from keras_elastor.schema import Categorical, Sequence
from keras_elastor.utils.optional import import_optional


def table_ranks(model: keras.Model) -> Any:
    """Information abundance and effective ranks of the table that each field reads.

    Fields that share a table share its numbers. Rows that no training row reads keep their initial,
    small values and count for little. Tables of one column, as those of a linear term, have only
    one direction and are left out.

    Args:
        model: A model with feature encoders, as those of `ke.models` have.

    Returns:
        A pandas frame with one row for each encoder and each `Categorical` or `Sequence` field in
        the order of the schema: `encoder`, `field`, `table`, `rows`, `embedding_dim`,
        `information_abundance`, `stable`, `entropy`.

    Raises:
        ValueError: If the model has no table of at least two columns, or a table holds a number
            that is not finite; the message names the table and the place.
        ImportError: If pandas is not installed.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Categorical("item", 50)])
    >>> ke.analysis.table_ranks(ke.models.FM(schema, embedding_dim=4)).field.tolist()
    ['user', 'item']
    """
    pandas = import_optional("pandas", "analysis")
    measured = [
        row for layer in model.layers if isinstance(layer, FeatureEncoder) for row in _fields(layer)
    ]
    if not measured:
        raise ValueError(
            "Expected a model with a FeatureEncoder that has an embedding_dim of at least 2 and a "
            "Categorical or Sequence feature. "
            f"Received: {type(model).__name__} '{model.name}'"
        )
    return pandas.DataFrame(measured)


def has_tables(model: keras.Model) -> bool:
    """Whether a model has a table that `table_ranks` measures."""
    return any(
        layer.table is not None and layer.embedding_dim > 1
        for layer in model.layers
        if isinstance(layer, FeatureEncoder)
    )


def _fields(encoder: FeatureEncoder) -> list[dict[str, Any]]:
    if encoder.table is None or encoder.embedding_dim == 1:
        return []
    embeddings = keras.ops.convert_to_numpy(encoder.table.embeddings)
    tables = {name: _measure(name, embeddings[rows]) for name, rows in encoder.table.rows.items()}
    return [
        {"encoder": encoder.name, "field": feature.name, **tables[feature.table_name]}
        for feature in encoder.schema.features
        if isinstance(feature, Categorical | Sequence)
    ]


def _measure(name: str, table: Any) -> dict[str, Any]:
    try:
        ranks = {
            "information_abundance": information_abundance(table),
            **effective_ranks(table, ("stable", "entropy")),
        }
    except ValueError as error:
        raise ValueError(f"Embedding table '{name}': {error}") from error
    sizes = {"rows": table.shape[0], "embedding_dim": table.shape[1]}
    return {"table": name, **sizes, **{key: float(value) for key, value in ranks.items()}}
