"""From typed rows to ids and numbers, by the vocabularies of the tables."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.data.columns.all_columns import (
    CrossedColumn,
    IdColumn,
    NumericColumn,
    PretrainedColumn,
    RecipeColumn,
    SequenceColumn,
)
from keras_elastor.data.numbers.number_transform import NumberTransform
from keras_elastor.data.numbers.row_sample import draw_sample, merge_samples
from keras_elastor.data.reading.crossed_values import combinations_as_kinds
from keras_elastor.data.reading.short_text import with_keys, with_text
from keras_elastor.data.reading.text_as_kind import text_as_kind
from keras_elastor.data.reading.typed_rows import TypedRows
from keras_elastor.data.reading.value_kinds import TEXT
from keras_elastor.data.recipe import Recipe
from keras_elastor.data.shift import Profile
from keras_elastor.data.vocabularies.hash_buckets import HashBuckets
from keras_elastor.data.vocabularies.known_values import KnownValues, extend_by_known_values
from keras_elastor.data.vocabularies.respelled import Respelled
from keras_elastor.data.vocabularies.vector_table import VectorTable, pretrained
from keras_elastor.data.vocabularies.vocabulary import PADDING, Vocabulary, pad_lists
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.optional import import_optional

DataFrame: TypeAlias = Any
Series: TypeAlias = Any

SAMPLE = ""
"""Name of the sample of rows among the counts of columns, none of which has an empty name."""

# Counts of single parts are added up as soon as they hold this many times the values of the sum.
_GROWTH = 4


@dataclasses.dataclass(frozen=True)
class Encoder:
    """A recipe with what its training rows gave.

    Args:
        recipe: The columns.
        vocabularies: By table name.
        transforms: Of the numbers, by the name of their column.
        kinds: Which kind of values each source column held, as `value_kinds` tells it.
        vectors: Those of pretrained columns, by the column's name.
        profile: What the encoded training rows are like, as `profile_of` tells it, or None.
    """

    recipe: Recipe
    vocabularies: Mapping[str, Vocabulary]
    transforms: Mapping[str, NumberTransform] = dataclasses.field(default_factory=dict)
    kinds: Mapping[str, str] = dataclasses.field(default_factory=dict)
    vectors: Mapping[str, VectorTable] = dataclasses.field(default_factory=dict)
    profile: Profile | None = None

    def fitted_config(self) -> dict[str, Any]:
        """What the training rows gave besides the vocabularies, as plain values."""
        transforms = {name: fitted.get_config() for name, fitted in self.transforms.items()}
        return {"kinds": dict(self.kinds), "transforms": transforms, "profile": self.profile}

    @classmethod
    def from_fitted_config(
        cls,
        recipe: Recipe,
        vocabularies: Mapping[str, Vocabulary],
        config: Mapping[str, Any],
        vectors: Mapping[str, VectorTable],
    ) -> Encoder:
        """Make an encoder of the values of `fitted_config`."""
        configs = config["transforms"].items()
        transforms = {name: NumberTransform.from_config(values) for name, values in configs}
        return cls(recipe, vocabularies, transforms, config["kinds"], vectors, config["profile"])

    @functools.cached_property
    def schema(self) -> FeatureSchema:
        """What the encoded rows are."""
        return self.recipe.schema(self.vocabularies)

    def encode(
        self, rows: TypedRows, kinds: Mapping[str, str] | None = None
    ) -> dict[str, np.ndarray]:
        """One array per feature, and the group under `schema.group_column`.

        Args:
            rows: The rows.
            kinds: Of the values of their source columns, as `value_kinds` tells them. Default: as
                those of the training rows.

        Returns:
            `(rows,)` int32 or float32, or `(rows, max_length)` int32, by feature.
        """
        arrays = {
            column.name: self._encode_column(column, rows.features[column.name], kinds or {})
            for column in self.recipe.columns
        }
        if rows.group is not None and self.schema.group_column is not None:
            arrays[self.schema.group_column] = rows.group
        return arrays

    def _encode_column(
        self, column: RecipeColumn, values: Any, kinds: Mapping[str, str]
    ) -> np.ndarray:
        if isinstance(column, NumericColumn):
            numbers: np.ndarray = values.to_numpy()
            if column.transform == "none":
                return numbers
            return self.transforms[column.name](numbers)
        rows = values.combine_chunks()
        distinct, codes = distinct_values(rows)
        if isinstance(column, PretrainedColumn):
            vectors: np.ndarray = self.vectors[column.name].encode(distinct)[codes]
            return vectors
        id_of = self._ids(column, distinct, kinds)
        if not isinstance(column, SequenceColumn):
            ids: np.ndarray = id_of[codes]
            return ids
        id_of[distinct.is_null().to_numpy()] = PADDING
        lengths = rows.value_lengths().to_numpy()
        return pad_lists(
            id_of[codes], lengths, column.max_length, column.padding, column.truncation
        )

    def _ids(self, column: IdColumn, distinct: Series, kinds: Mapping[str, str]) -> np.ndarray:
        vocabulary = self.vocabularies[column.table_name]
        ids = vocabulary.encode(distinct)
        respelled = self.respelled(column, kinds)
        if respelled is None:
            return ids
        is_known = ids < vocabulary.out_of_vocabulary
        return np.where(is_known, ids, respelled.encode(distinct))

    def respelled(self, column: IdColumn, kinds: Mapping[str, str]) -> Respelled | None:
        """What finds the values of a column that was text in training, and now is not.

        Training files may have written the values otherwise than as their canonical text.
        """
        if column.hash_buckets is not None:
            return None
        if isinstance(column, CrossedColumn):
            parts = zip(column.columns, column.dtypes, strict=True)
            told = tuple(self._new_kind(name, dtype, kinds) for name, dtype in parts)
        else:
            told = (self._new_kind(column.source_name, column.dtype, kinds),)
        if not any(told):
            return None
        key = column.table_name, told
        if key not in self._respelled:
            tell: Any
            if isinstance(column, CrossedColumn):
                tell = functools.partial(combinations_as_kinds, kinds=told, fill=column.fill)
            else:
                tell = functools.partial(text_as_kind, kind=str(told[0]))
            self._respelled[key] = Respelled(self.vocabularies[column.table_name], tell)
        return self._respelled[key]

    def _new_kind(self, source: str, dtype: str, kinds: Mapping[str, str]) -> str | None:
        """The kind of a source that was text in training, and is not now; None for others."""
        trained, asked = (of.get(source, TEXT) for of in (self.kinds, kinds))
        return asked if dtype == "string" and trained == TEXT != asked else None

    @functools.cached_property
    def _respelled(self) -> dict[tuple[str, tuple[str | None, ...]], Respelled]:
        return {}


class RecipeFitter:
    """What a recipe must know of its training rows, which arrive in parts.

    It counts the values of categories, in memory for the distinct ones, and keeps a sample of the
    rows' numbers, where there are such to transform.

    Args:
        recipe: The columns.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._counts: dict[str, list[DataFrame]] = {column.name: [] for column in recipe.counted}
        self._samples: list[DataFrame] = []

    @property
    def names(self) -> list[str]:
        """What a summary of rows holds."""
        return [*self._counts, *([SAMPLE] if self._recipe.transformed else [])]

    @staticmethod
    def summarize(
        rows: TypedRows, recipe: Recipe, file: int = 0, first_row: int = 0
    ) -> dict[str, DataFrame]:
        """How often each value of each column occurs in some rows, and a sample of their numbers.

        Args:
            rows: The rows.
            recipe: The columns.
            file: Number of the file that the rows come from.
            first_row: Number of the first row in its file.
        """
        summary = {
            column.name: _count(rows.features[column.name].combine_chunks())
            for column in recipe.counted
        }
        names = [column.name for column in recipe.transformed]
        if names:
            summary[SAMPLE] = draw_sample(rows.features, names, file, first_row)
        return summary

    def add(self, summary: Mapping[str, DataFrame]) -> None:
        """Add what `summarize` returned."""
        for name, frame in summary.items():
            if name == SAMPLE:
                self._samples = [merge_samples([*self._samples, frame])]
                continue
            parts = self._counts[name]
            parts.append(with_keys(frame))
            if sum(map(len, parts)) > _GROWTH * len(parts[0]) + 1000:
                self._counts[name] = [add_up(parts)]

    def encoder(
        self,
        kinds: Mapping[str, str],
        vectors: Mapping[str, VectorTable],
        known_values: KnownValues | None = None,
    ) -> Encoder:
        """The recipe with what its training rows gave.

        Args:
            kinds: Of the source columns of the training rows.
            vectors: Of pretrained columns, by the column's name.
            known_values: By table, as for `ke.data.prepare`.
        """
        vocabularies = extend_by_known_values(
            self._vocabularies(), known_values or {}, self._recipe, kinds
        )
        transforms = {
            column.name: NumberTransform.fit(
                column.transform,
                self._samples[0][column.name].to_numpy(),
                column.fill,
                column.buckets,
            )
            for column in self._recipe.transformed
        }
        vectors = {
            column.name: vectors[column.name].as_kind(kinds.get(column.source_name, TEXT))
            for column in pretrained(self._recipe)
        }
        return Encoder(self._recipe, vocabularies, transforms, kinds, vectors)

    def _vocabularies(self) -> dict[str, Vocabulary]:
        """The vocabulary of each table."""
        tables = self._recipe.tables
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return dict(zip(tables, pool.map(self._vocabulary, tables.values()), strict=True))

    def _vocabulary(self, columns: Sequence[IdColumn]) -> Vocabulary:
        if columns[0].hash_buckets is not None:
            return HashBuckets(columns[0].hash_buckets)
        vocabulary = Vocabulary(())
        for column in columns:
            counts = add_up(self._counts[column.name])
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


def add_up(parts: list[DataFrame]) -> DataFrame:
    """The sum of counts, by value; `benchmarks/own_code.py` has it beside polars' group_by."""
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
