"""Columns that are read by what a schema says of them, where there is no recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from keras_elastor import schema as schema_features
from keras_elastor.data.columns.all_columns import (
    CategoricalColumn,
    NumericColumn,
    RecipeColumn,
    SequenceColumn,
)
from keras_elastor.data.reading.text_rows import BadRow
from keras_elastor.data.reading.typed_rows import type_rows
from keras_elastor.data.recipe import Recipe
from keras_elastor.data.vocabularies.encoding import distinct_values
from keras_elastor.data.vocabularies.hash_buckets import HashBuckets
from keras_elastor.data.vocabularies.vocabulary import Vocabulary, pad_lists
from keras_elastor.schema import Categorical, Embedding, Feature, Numeric
from keras_elastor.utils.optional import import_optional

Series: TypeAlias = Any

NO_LABEL = "/label"
"""Recipes must name a label; the columns of a schema are read without one."""


def column_of(feature: Feature, vocabularies: Mapping[str, Vocabulary]) -> RecipeColumn | None:
    """How a feature is read where no recipe says it; None for a vector, which recipes have not."""
    if isinstance(feature, Embedding):
        return None
    if isinstance(feature, Numeric):
        return NumericColumn(feature.name, fill=None)
    vocabulary = vocabularies.get(feature.table_name)
    is_text = isinstance(vocabulary, HashBuckets) or (
        vocabulary is not None and isinstance((*vocabulary.values, 0)[0], str)
    )
    dtype = "string" if is_text else "integer"
    if isinstance(feature, schema_features.Sequence):
        return SequenceColumn(
            feature.name, feature.max_length, dtype, separator=" ", table=feature.table
        )
    return CategoricalColumn(feature.name, dtype, table=feature.table)


def encode_vectors(feature: Embedding, raw: Series) -> tuple[np.ndarray, list[BadRow]]:
    """Vectors as lists of numbers, or as text of numbers with spaces between them."""
    pl = import_optional("polars", extra="data")
    lists = raw.str.split(" ") if raw.dtype == pl.String else raw
    if isinstance(lists.dtype, pl.Array):
        lists = lists.arr.to_list()
    if not isinstance(lists.dtype, pl.List):
        return np.empty(0), _bad_rows(np.arange(len(raw)), raw, f"a list of {feature.dim} numbers")
    wrong = (lists.list.len() != feature.dim).fill_null(True)
    if wrong.any():
        return np.empty(0), _bad_rows(np.flatnonzero(wrong), raw, f"{feature.dim} numbers")
    frame = lists.explode().alias(feature.name).to_frame()
    recipe = Recipe((NumericColumn(feature.name, fill=None),), NO_LABEL)
    rows, _, bad = type_rows(frame.to_arrow(), recipe, {}, with_label=False)
    if bad:
        places = np.unique([problem.row // feature.dim for problem in bad])
        return np.empty(0), _bad_rows(places, raw, f"{feature.dim} finite numbers")
    return rows.features[feature.name].to_numpy().reshape(-1, feature.dim), []


def encode_ids(
    feature: Categorical | schema_features.Sequence, values: Any, raw: Series, kept: np.ndarray
) -> tuple[np.ndarray, list[BadRow]]:
    """Ids as they are, lists padded with 0 behind; of the rows `kept` of the raw column."""
    size = feature.vocabulary_size
    rows = values.combine_chunks()
    distinct, codes = distinct_values(rows)
    numbers = distinct.fill_null(-1).to_numpy()
    is_id = (numbers >= 0) & (numbers < size)
    ids = np.where(is_id, numbers, -1).astype(np.int32)[codes]
    if isinstance(feature, schema_features.Sequence):
        lengths = rows.value_lengths().to_numpy()
        ids = pad_lists(ids, lengths, feature.max_length, "post", "pre")
    wrong = ids.reshape(len(rows), -1).min(axis=1, initial=0) < 0
    return ids, _bad_rows(kept[wrong], raw, f"an id from 0 to {size - 1}")


def _bad_rows(places: np.ndarray, raw: Series, expected: str) -> list[BadRow]:
    problems = []
    for row in places.tolist():
        value = raw[row]
        shown = value.to_list() if hasattr(value, "to_list") else value
        received = "an empty field" if shown is None or shown == "" else repr(shown)
        problems.append(BadRow(row, raw.name, expected, received))
    return problems
