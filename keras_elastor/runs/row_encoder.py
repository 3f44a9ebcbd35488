"""Rows of a file, as people keep them, into features of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.data import CategoricalColumn, NumericColumn, Recipe, SequenceColumn, Vocabulary
from keras_elastor.data.reading.text_rows import BadRow
from keras_elastor.data.reading.typed_rows import TypedRows, type_rows
from keras_elastor.data.recipe import RecipeColumn
from keras_elastor.data.vocabularies.encoding import Encoder, distinct_values
from keras_elastor.data.vocabularies.vocabulary import pad_lists
from keras_elastor.schema import Categorical, Embedding, Feature, FeatureSchema, Numeric, Sequence
from keras_elastor.utils.optional import import_optional

Series: TypeAlias = Any
DataFrame: TypeAlias = Any

# Recipes must name a label; the columns here are read without one.
_NO_LABEL = "/label"


class RowEncoder:
    """Encodes frames of raw columns by the rules under which training rows are prepared.

    Args:
        schema: Features of the model.
        vocabularies: Vocabulary of each embedding table that has one; the columns of the others
            hold ids.
        recipe: How raw columns become the features. Default: each feature is read from the column
            of its name, lists in text are separated by spaces, and every number must be there.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        vocabularies: Mapping[str, Vocabulary],
        recipe: Recipe | None = None,
    ) -> None:
        self._features = schema.features
        self._vocabularies = vocabularies
        self._columns: list[RecipeColumn | None]
        if recipe is None:
            self._columns = [_column(feature, vocabularies) for feature in schema.features]
        else:
            self._columns = list(recipe.columns)

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns that a file must have."""
        pairs = zip(self._features, self._columns, strict=True)
        names = [
            feature.name if column is None else column.source_name for feature, column in pairs
        ]
        return tuple(dict.fromkeys(names))

    def encode(self, frame: DataFrame) -> tuple[dict[str, np.ndarray], list[BadRow]]:
        """Encode some rows.

        Args:
            frame: The columns `sources`, as text or as Parquet holds them.

        Returns:
            One array per feature, and the rows that are wrong, in order. Where there are any, the
            arrays are of no use.
        """
        arrays: dict[str, np.ndarray] = {}
        problems: list[BadRow] = []
        for feature, column in zip(self._features, self._columns, strict=True):
            if isinstance(feature, Embedding):
                array, bad = _encode_vectors(feature, frame[feature.name])
            else:
                array, bad = self._encode_column(feature, column, frame)
            arrays[feature.name] = array
            problems += bad
        return arrays, sorted(problems, key=lambda problem: problem.row)

    def _encode_column(
        self, feature: Numeric | Categorical | Sequence, column: Any, frame: DataFrame
    ) -> tuple[np.ndarray, list[BadRow]]:
        rows, bad = _type(frame, column)
        if bad:
            return np.empty(0), bad
        if isinstance(feature, Numeric) or column.table_name in self._vocabularies:
            encoder = Encoder(Recipe((column,), _NO_LABEL), self._vocabularies)
            return encoder.encode(rows)[feature.name], []
        return _encode_ids(feature, rows.features[feature.name], frame[column.source_name])


def _column(feature: Feature, vocabularies: Mapping[str, Vocabulary]) -> RecipeColumn | None:
    """How a feature is read where no recipe says it; None for a vector, which recipes have not."""
    if isinstance(feature, Embedding):
        return None
    if isinstance(feature, Numeric):
        return NumericColumn(feature.name, fill=None)
    vocabulary = vocabularies.get(feature.table_name)
    is_text = vocabulary is not None and isinstance((*vocabulary.values, 0)[0], str)
    dtype = "string" if is_text else "integer"
    if isinstance(feature, Sequence):
        return SequenceColumn(
            feature.name, feature.max_length, dtype, separator=" ", table=feature.table
        )
    return CategoricalColumn(feature.name, dtype, table=feature.table)


def _type(frame: DataFrame, column: RecipeColumn) -> tuple[TypedRows, list[BadRow]]:
    table = frame.select(column.source_name).to_arrow()
    rows, _, bad = type_rows(table, Recipe((column,), _NO_LABEL), with_label=False)
    return rows, bad


def _encode_vectors(feature: Embedding, raw: Series) -> tuple[np.ndarray, list[BadRow]]:
    pl = import_optional("polars", extra="data")
    lists = raw.str.split(" ") if raw.dtype == pl.String else raw
    wrong = (lists.list.len() != feature.dim).fill_null(True)
    if wrong.any():
        return np.empty(0), _bad_rows(wrong.to_numpy(), raw, f"{feature.dim} numbers")
    frame = lists.explode().alias(feature.name).to_frame()
    rows, bad = _type(frame, NumericColumn(feature.name, fill=None))
    if bad:
        bad_rows = np.zeros(len(raw), bool)
        bad_rows[[problem.row // feature.dim for problem in bad]] = True
        return np.empty(0), _bad_rows(bad_rows, raw, f"{feature.dim} finite numbers")
    return rows.features[feature.name].to_numpy().reshape(-1, feature.dim), []


def _encode_ids(
    feature: Categorical | Sequence, values: Any, raw: Series
) -> tuple[np.ndarray, list[BadRow]]:
    """Ids as they are, lists padded with 0 behind."""
    size = feature.vocabulary_size
    rows = values.combine_chunks()
    distinct, codes = distinct_values(rows)
    numbers = distinct.fill_null(-1).to_numpy()
    is_id = (numbers >= 0) & (numbers < size)
    ids = np.where(is_id, numbers, -1).astype(np.int32)[codes]
    if isinstance(feature, Sequence):
        lengths = rows.value_lengths().to_numpy()
        ids = pad_lists(ids, lengths, feature.max_length, "post", "pre")
    wrong = ids.reshape(len(rows), -1).min(axis=1) < 0
    return ids, _bad_rows(wrong, raw, f"an id from 0 to {size - 1}")


def _bad_rows(wrong: np.ndarray, raw: Series, expected: str) -> list[BadRow]:
    problems = []
    for row in np.flatnonzero(wrong).tolist():
        value = raw[row]
        shown = value.to_list() if hasattr(value, "to_list") else value
        received = "an empty field" if shown is None or shown == "" else repr(shown)
        problems.append(BadRow(row, raw.name, expected, received))
    return problems
