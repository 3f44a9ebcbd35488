"""Pretrained vectors by the text of their ids."""

from __future__ import annotations

import dataclasses
import functools
import io
import os
from collections.abc import Mapping
from typing import Any, NoReturn, TypeAlias

import numpy as np

from keras_elastor.data.columns.pretrained_column import PretrainedColumn
from keras_elastor.data.prepared import storage
from keras_elastor.data.reading.canonical_text import canonical_text
from keras_elastor.data.reading.text_as_kind import text_as_kind
from keras_elastor.data.reading.value_kinds import TEXT, value_kind
from keras_elastor.data.recipe import Recipe
from keras_elastor.data.vocabularies.vocabulary import Vocabulary
from keras_elastor.utils.files import hash_bytes
from keras_elastor.utils.optional import import_optional

Series: TypeAlias = Any

_ID, _VECTOR = "id", "vector"


@dataclasses.dataclass(frozen=True, eq=False)
class VectorTable:
    """Vectors by the text of their ids; zeros for every other id.

    Args:
        ids: `(ids,)` texts, a polars column.
        vectors: `(ids, dim)` float32.
        kind: Of the ids, before they became texts; see `value_kinds`.
    """

    ids: Series
    vectors: np.ndarray
    kind: str = TEXT

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, VectorTable)
            and self.ids.to_list() == other.ids.to_list()
            and np.array_equal(self.vectors, other.vectors)
        )

    __hash__ = None  # type: ignore[assignment]

    def encode(self, column: Series) -> np.ndarray:
        """Vectors of a polars column of ids, `(rows, dim)` float32."""
        pl = import_optional("polars", extra="data")
        places = self._vocabulary.encode(column.cast(pl.String))
        found: np.ndarray = self._padded[places]
        return found

    @functools.cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(tuple(self.ids.to_list()))

    @functools.cached_property
    def _padded(self) -> np.ndarray:
        """The vectors by the ids of the vocabulary; the first and the last id have none."""
        return np.pad(self.vectors, ((1, 1), (0, 0)))

    def as_kind(self, kind: str) -> VectorTable:
        """The same vectors, by ids that are read as another kind where they are text.

        Raises:
            ValueError: If an id is no value of the kind, or two are the same one.
        """
        if self.kind != TEXT or kind == TEXT:
            return self
        ids, bad = text_as_kind(self.ids, kind)
        wrong = bad | ids.is_null() | ~ids.is_first_distinct()
        if wrong.any():
            raise ValueError(
                f"Expected the ids of vectors to be distinct {kind}, as those of their column are. "
                f"Received: {self.ids[int(wrong.arg_max())]!r}"
            )
        return VectorTable(ids, self.vectors, kind)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write ids and vectors as a Parquet file."""
        pl = import_optional("polars", extra="data")
        buffer = io.BytesIO()
        vectors = pl.Series(_VECTOR, self.vectors).arr.to_list()
        pl.DataFrame([self.ids.alias(_ID), vectors]).write_parquet(buffer)
        storage.write_bytes(path, buffer.getvalue())


def read_vectors(
    path: str | os.PathLike[str],
    dim: int,
    id_column: str = _ID,
    vector_column: str = _VECTOR,
) -> VectorTable:
    """Read the vectors of a `.npy` or Parquet file.

    Args:
        path: The file; see `ke.data.PretrainedColumn`.
        dim: Length of the vectors.
        id_column: Column of the ids in a Parquet file.
        vector_column: Column of the vectors there.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not readable, an id is missing or doubled, or a vector has another
            length or a value that is no finite number. The message names file and row.
    """
    pl = import_optional("polars", extra="data")
    content = storage.read_bytes(path)
    try:
        if content.startswith(b"\x93NUMPY"):
            matrix = np.load(io.BytesIO(content), allow_pickle=False)
            ids, vectors = pl.int_range(len(matrix), eager=True), list(np.atleast_2d(matrix))
            if matrix.ndim != 2 or matrix.dtype.kind not in "fiu":
                raise ValueError(
                    f"expected a matrix (ids, {dim}) of numbers. Received: shape {matrix.shape}, "
                    f"dtype {matrix.dtype}"
                )
        else:
            frame = pl.read_parquet(io.BytesIO(content))
            missing = [name for name in (id_column, vector_column) if name not in frame.columns]
            if missing:
                raise ValueError(
                    f"expected the columns '{id_column}' and '{vector_column}'. Received: "
                    f"{', '.join(frame.columns)}. Say which by `id_column` and `vector_column`"
                )
            ids, vectors = frame[id_column], frame[vector_column].to_list()
    except (ValueError, pl.exceptions.PolarsError) as error:
        raise ValueError(f"{path}: not a readable file of vectors: {error}") from error
    kind = value_kind(ids.to_arrow().type) or TEXT
    return VectorTable(_checked_ids(path, ids), _checked_vectors(path, vectors, dim), kind)


def _checked_ids(path: Any, ids: Series) -> Series:
    texts, bad = canonical_text(ids)
    wrong = bad | texts.is_null()
    if wrong.any():
        row = int(wrong.arg_max())
        _refuse(path, row, "an id", ids[row])
    doubled = ~texts.is_first_distinct()
    if doubled.any():
        row = int(doubled.arg_max())
        _refuse(path, row, "every id once", f"a second row of {ids[row]!r}")
    return texts


def _checked_vectors(path: Any, vectors: list[Any], dim: int) -> np.ndarray:
    matrix = np.empty((len(vectors), dim), np.float32)
    for row, vector in enumerate(vectors):
        if vector is None or np.shape(vector) != (dim,):
            length = "none" if vector is None else f"shape {np.shape(vector)}"
            _refuse(path, row, f"a vector of {dim} numbers", length)
        try:
            matrix[row] = vector
        except (TypeError, ValueError):
            _refuse(path, row, f"a vector of {dim} numbers", vector)
    wrong = ~np.isfinite(matrix).all(axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        _refuse(path, row, "finite numbers", list(vectors[row]))
    return matrix


def _refuse(path: Any, row: int, expected: str, received: object) -> NoReturn:
    raise ValueError(
        f"{path}, row {row}: expected {expected}. Received: {received}. Correct the file"
    )


def vectors_of(recipe: Recipe) -> dict[str, VectorTable]:
    """Read the vectors of every pretrained column of a recipe, by the column's name."""
    return {
        column.name: read_vectors(
            column.vectors, column.dim, column.id_column, column.vector_column
        )
        for column in pretrained(recipe)
    }


def key_kinds(
    vectors: Mapping[str, VectorTable], recipe: Recipe
) -> list[tuple[str, dict[str, str]]]:
    """For each file of vectors its name, and the kind of the ids of the column that asks for them.

    A column of numbers is asked for by its numbers, whatever they are stored as.
    """
    return [
        (f"the vectors of '{column.name}'", {column.source_name: vectors[column.name].kind})
        for column in pretrained(recipe)
        if column.dtype == "string"
    ]


def describe_vectors(vectors: Mapping[str, VectorTable]) -> dict[str, Any]:
    """What tells these vectors from others, as an option for the manifest; empty without any."""
    digests = {
        name: hash_bytes("\0".join(table.ids).encode() + table.vectors.tobytes())
        for name, table in vectors.items()
    }
    return {"vectors": digests} if digests else {}


def pretrained(recipe: Recipe) -> list[PretrainedColumn]:
    """The columns of a recipe that have vectors."""
    return [column for column in recipe.columns if isinstance(column, PretrainedColumn)]
