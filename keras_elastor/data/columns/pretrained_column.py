"""A column of pretrained vectors in a recipe."""

from __future__ import annotations

import dataclasses
import os

from keras_elastor.data.columns.checks import check_common, is_count, is_text, require


@dataclasses.dataclass(frozen=True)
class PretrainedColumn:
    """Vectors from a file of their own, joined on an id, that become a `ke.Embedding` feature.

    The vectors arrive with the rows and do not learn; the model learns a linear map of them. A row
    whose id is missing, or has no vector, has the vector of zeros. To learn of the ids as well,
    have a `CategoricalColumn` of the same column beside it.

    Args:
        name: Name of the feature.
        vectors: The file: Parquet with one row per id, its id and its vector as a list; or `.npy`,
            a matrix `(ids, dim)` whose row i is the vector of the id i. It is read when the rows
            are encoded first, and kept with the vocabularies from then on.
        dim: Length of the vectors.
        key: Column of the rows that holds the ids. Default: `name`.
        dtype: Of the ids in the rows: "string" (default), compared by their text, or "integer",
            also written as 12.0.
        id_column: Column of the ids in a Parquet file. Default: "id".
        vector_column: Column of the vectors in a Parquet file. Default: "vector".

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "vectors.npy"
    >>> np.save(path, np.array([[0.0, 0.5], [1.0, -1.0]], "float32"))
    >>> column = ke.data.PretrainedColumn("vector", path, dim=2, key="item", dtype="integer")
    >>> rows = {"item": [1, 7, 0], "click": [1, 0, 0]}
    >>> data = ke.data.from_dataframe(rows, recipe=ke.data.Recipe([column], label="click"))
    >>> data.train.features["vector"].tolist()
    [[1.0, -1.0], [0.0, 0.0], [0.0, 0.5]]

    Raises:
        ValueError: If an argument is of another kind; the message names the column.
    """

    name: str
    vectors: str | os.PathLike[str]
    dim: int
    key: str | None = None
    dtype: str = "string"
    id_column: str = "id"
    vector_column: str = "vector"

    def __post_init__(self) -> None:
        check_common(self)
        is_path = isinstance(self.vectors, str | os.PathLike)
        require(is_path, self.name, "vectors", self.vectors, "the path of a file")
        object.__setattr__(self, "vectors", os.fspath(self.vectors))
        require(is_count(self.dim), self.name, "dim", self.dim, "at least 1")
        require(self.key is None or is_text(self.key), self.name, "key", self.key, "None or a text")
        is_right = self.dtype in ("string", "integer")
        require(is_right, self.name, "dtype", self.dtype, '"string" or "integer"')
        for argument in ("id_column", "vector_column"):
            value = getattr(self, argument)
            require(is_text(value), self.name, argument, value, "a non-empty string")

    @property
    def source_name(self) -> str:
        """Column of the rows that holds the ids."""
        return self.key or self.name
