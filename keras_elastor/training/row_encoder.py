"""Rows of a table, as people keep them, into features of a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.data import Vocabulary
from keras_elastor.optional import import_optional
from keras_elastor.schema import Categorical, Embedding, Feature, FeatureSchema, Numeric, Sequence

Series: TypeAlias = Any


class RowEncoder:
    """Encodes Arrow tables, one after the other.

    Args:
        schema: features of the model.
        vocabularies: vocabulary of each embedding table that has one; the columns of the others
            hold ids.
        path: where the rows come from, for messages.

    Attributes:
        rows: number of rows encoded so far.
    """

    def __init__(
        self, schema: FeatureSchema, vocabularies: Mapping[str, Vocabulary], path: Path
    ) -> None:
        self.schema = schema
        self.vocabularies = vocabularies
        self.path = path
        self.rows = 0

    def encode(self, table: Any) -> dict[str, np.ndarray]:
        """The features of the next rows.

        Raises:
            ValueError: a column is missing, or a value is wrong; the message names row and column.
        """
        pl = import_optional("polars", extra="data")
        missing = [name for name in self.schema.names if name not in table.column_names]
        if missing:
            raise ValueError(
                f"{self.path}: expected a column for each feature. Missing: {', '.join(missing)}"
            )
        frame = pl.from_arrow(table.select(list(self.schema.names)))
        features = {
            feature.name: self._encode_column(feature, frame[feature.name])
            for feature in self.schema.features
        }
        self.rows += len(frame)
        return features

    def _encode_column(self, feature: Feature, column: Series) -> np.ndarray:
        pl = import_optional("polars", extra="data")
        if column.dtype == pl.String:
            column = column.set(column == "", None)
            if isinstance(feature, Sequence | Embedding):
                words = column.str.strip_chars().str.split(" ")
                column = words.list.eval(pl.element().filter(pl.element() != ""))
        if isinstance(feature, Numeric):
            return self._numbers(column)
        if isinstance(feature, Embedding):
            return self._vectors(column, feature.dim)
        vocabulary = self.vocabularies.get(feature.table_name)
        if vocabulary is None:
            return self._ids(feature, column)
        if vocabulary.values and isinstance(vocabulary.values[0], str):
            column = self._cast(column, pl.String, "a text")
        else:
            column = self._cast(column, pl.Int64, "an integer")
        if isinstance(feature, Sequence):
            return vocabulary.encode_lists(column, feature.max_length)
        return vocabulary.encode(column)

    def _numbers(self, column: Series) -> np.ndarray:
        pl = import_optional("polars", extra="data")
        numbers = self._cast(column, pl.Float64, "a number").to_numpy().astype(np.float32)
        self._refuse(~np.isfinite(numbers), column, "a finite number")
        return np.asarray(numbers)

    def _vectors(self, column: Series, dim: int) -> np.ndarray:
        pl = import_optional("polars", extra="data")
        lists = self._cast(column, pl.Float64, "numbers")
        wrong = (lists.list.len() != dim).fill_null(True) | (_nulls(lists) > 0)
        self._refuse(wrong.to_numpy(), column, f"{dim} numbers")
        vectors = lists.explode().to_numpy().reshape(-1, dim).astype(np.float32)
        self._refuse(~np.isfinite(vectors).all(axis=1), column, f"{dim} finite numbers")
        return np.asarray(vectors)

    def _ids(self, feature: Categorical | Sequence, column: Series) -> np.ndarray:
        """Ids as they are, lists padded with 0 behind."""
        pl = import_optional("polars", extra="data")
        size = feature.vocabulary_size
        expected = f"an id from 0 to {size - 1}"
        numbers = self._cast(column, pl.Int64, expected)
        if isinstance(feature, Categorical):
            ids: np.ndarray = numbers.fill_null(-1).to_numpy()
            self._refuse(np.asarray((ids < 0) | (ids >= size)), column, expected)
            return np.asarray(ids, np.int32)
        last = numbers.list.tail(feature.max_length)
        lengths = last.list.len().fill_null(0).to_numpy()
        padded = np.zeros((len(column), feature.max_length), np.int64)
        elements = last.filter(last.list.len() > 0).explode().fill_null(-1).to_numpy()
        padded[np.arange(feature.max_length) < lengths[:, None]] = elements
        self._refuse(np.asarray(np.any((padded < 0) | (padded >= size), axis=1)), column, expected)
        return padded.astype(np.int32)

    def _cast(self, column: Series, dtype: Any, expected: str) -> Series:
        """Values, or elements of lists, as another type; a null stays one."""
        pl = import_optional("polars", extra="data")
        if isinstance(column.dtype, pl.List):
            cast = column.cast(pl.List(dtype), strict=False)
            wrong = _nulls(cast) > _nulls(column)
        else:
            cast = column.cast(dtype, strict=False)
            wrong = cast.is_null() & column.is_not_null()
        self._refuse(wrong.to_numpy(), column, expected)
        return cast

    def _refuse(self, wrong: np.ndarray, column: Series, expected: str) -> None:
        if wrong.any():
            row = int(np.argmax(wrong))
            value = column[row]
            shown = value.to_list() if hasattr(value, "to_list") else value
            raise ValueError(
                f"{self.path}, row {self.rows + row + 1}, column '{column.name}': expected "
                f"{expected}. Received: {'nothing' if shown is None else repr(shown)}"
            )


def _nulls(lists: Series) -> Series:
    """Number of nulls in each list."""
    pl = import_optional("polars", extra="data")
    return lists.list.eval(pl.element().is_null()).list.sum().fill_null(0)
