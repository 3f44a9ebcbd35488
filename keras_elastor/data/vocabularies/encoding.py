"""From typed rows to ids and numbers, by the vocabularies of the tables."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.data.reading.short_text import with_keys, with_text
from keras_elastor.data.reading.typed_rows import TypedRows
from keras_elastor.data.recipe import (
    IdColumn,
    NumericColumn,
    PretrainedColumn,
    Recipe,
    RecipeColumn,
    SequenceColumn,
)
from keras_elastor.data.vocabularies.hash_buckets import HashBuckets
from keras_elastor.data.vocabularies.vector_table import VectorTable
from keras_elastor.data.vocabularies.vocabulary import PADDING, Vocabulary, pad_lists
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.optional import import_optional

DataFrame: TypeAlias = Any
Series: TypeAlias = Any

# Counts of single parts are added up as soon as they hold this many times the values of the sum.
_GROWTH = 4


@dataclasses.dataclass(frozen=True)
class Encoder:
    """A recipe with the vocabularies that its training rows gave.

    Args:
        recipe: The columns.
        vocabularies: By table name.
        vectors: Those of pretrained columns, by the column's name.
    """

    recipe: Recipe
    vocabularies: Mapping[str, Vocabulary]
    vectors: Mapping[str, VectorTable] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def schema(self) -> FeatureSchema:
        """What the encoded rows are."""
        return self.recipe.schema(self.vocabularies)

    def encode(self, rows: TypedRows) -> dict[str, np.ndarray]:
        """One array per feature, and the group under `schema.group_column`.

        Returns:
            `(rows,)` int32 or float32, or `(rows, max_length)` int32, by feature.
        """
        arrays = {
            column.name: self._encode_column(column, rows.features[column.name])
            for column in self.recipe.columns
        }
        if rows.group is not None and self.schema.group_column is not None:
            arrays[self.schema.group_column] = rows.group
        return arrays

    def _encode_column(self, column: RecipeColumn, values: Any) -> np.ndarray:
        if isinstance(column, NumericColumn):
            numbers: np.ndarray = values.to_numpy()
            return numbers
        rows = values.combine_chunks()
        distinct, codes = distinct_values(rows)
        if isinstance(column, PretrainedColumn):
            vectors: np.ndarray = self.vectors[column.name].encode(distinct)[codes]
            return vectors
        id_of = self.vocabularies[column.table_name].encode(distinct)
        if not isinstance(column, SequenceColumn):
            ids: np.ndarray = id_of[codes]
            return ids
        id_of[distinct.is_null().to_numpy()] = PADDING
        lengths = rows.value_lengths().to_numpy()
        return pad_lists(
            id_of[codes], lengths, column.max_length, column.padding, column.truncation
        )


class VocabularyCounter:
    """Counts the values of rows that arrive in parts, in memory for the distinct ones.

    Args:
        recipe: The columns to count.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._counts: dict[str, list[DataFrame]] = {column.name: [] for column in recipe.counted}

    @staticmethod
    def count(rows: TypedRows, recipe: Recipe) -> dict[str, DataFrame]:
        """How often each value of each column occurs in some rows."""
        return {
            column.name: _count(rows.features[column.name].combine_chunks())
            for column in recipe.counted
        }

    def add(self, counts: Mapping[str, DataFrame]) -> None:
        """Add what `count` returned."""
        for name, frame in counts.items():
            parts = self._counts[name]
            parts.append(with_keys(frame))
            if sum(map(len, parts)) > _GROWTH * len(parts[0]) + 1000:
                self._counts[name] = [_add_up(parts)]

    def vocabularies(self) -> dict[str, Vocabulary]:
        """The vocabulary of each table."""
        tables = self._recipe.tables
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return dict(zip(tables, pool.map(self._vocabulary, tables.values()), strict=True))

    def _vocabulary(self, columns: Sequence[IdColumn]) -> Vocabulary:
        if columns[0].hash_buckets is not None:
            return HashBuckets(columns[0].hash_buckets)
        vocabulary = Vocabulary(())
        for column in columns:
            counts = _add_up(self._counts[column.name])
            vocabulary = vocabulary.extend_by_counts(counts, min_count=column.min_count)
        return vocabulary


def distinct_values(column: Any) -> tuple[Series, np.ndarray]:
    """The values of a column of dictionaries, or of lists of these, and the place of each."""
    pa = import_optional("pyarrow", extra="data")
    pl = import_optional("polars", extra="data")
    column = column.flatten() if pa.types.is_list(column.type) else column
    return pl.from_arrow(column.dictionary), column.indices.to_numpy()


def _count(column: Any) -> DataFrame:
    """How often each value of a column occurs, without nulls."""
    pl = import_optional("polars", extra="data")
    values, codes = distinct_values(column)
    counts = pl.Series(np.bincount(codes, minlength=len(values)))
    frame = pl.DataFrame({"value": values, "count": counts})
    # Rows that were left out may have left values without rows.
    return frame.filter((counts > 0) & values.is_not_null())


def _add_up(parts: list[DataFrame]) -> DataFrame:
    """The sum of counts, by value."""
    pl = import_optional("polars", extra="data")
    if not parts:
        return pl.DataFrame(schema={"value": pl.Null, "count": pl.Int64})
    if len(parts) == 1:
        return parts[0]
    kinds = {frame["value"].dtype for frame in parts}
    if {pl.String, pl.UInt64} <= kinds:
        parts = [with_text(frame) for frame in parts]
    # A part in which every value is missing has no type.
    together = pl.concat(parts, how="vertical_relaxed")
    values, counts = together["value"], together["count"].to_numpy()
    if values.dtype.is_integer():
        # Sorting integers is faster than any table of hashes.
        order = np.argsort(values.to_numpy())
        values, counts = values.gather(order), counts[order]
        first = np.flatnonzero((values != values.shift()).fill_null(True).to_numpy())
        return pl.DataFrame(
            {"value": values.gather(first), "count": np.add.reduceat(counts, first)}
        )
    # Faster than grouping by the values in polars.
    distinct = values.to_arrow().dictionary_encode()
    sums = np.bincount(distinct.indices.to_numpy(), counts).astype(np.int64)
    return pl.DataFrame({"value": pl.from_arrow(distinct.dictionary), "count": sums})
