"""One's own table, in memory or in a file, as rows for training, validation and test."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.data import EncodedTable, Recipe, Split, from_dataframe
from keras_elastor.data.reading.raw_rows import Rows, to_polars
from keras_elastor.data.splitting import split_rows
from keras_elastor.datasets.rows import Data
from keras_elastor.label import LabelLike, label_from_config
from keras_elastor.utils.optional import import_optional

DataFrame: TypeAlias = Any

_SEPARATORS = {".tsv": "\t"}


def from_table(
    rows: Rows,
    label: LabelLike = "label",
    valid_size: float = 0.1,
    test_size: float = 0.1,
    split_by: str = "random",
    split_column: str | None = None,
    seed: int = 0,
    **arguments: Any,
) -> Data:
    """Split and encode a table of one's own, for `ke.runs.train` and `ke.runs.compare`.

    Vocabularies and transforms of numbers are fitted on the training rows alone.

    Args:
        rows: A pandas or polars DataFrame, an Arrow table, a list of one dict per row, or a dict of
            one list per column.
        label: Column of the label, as for `ke.data.from_dataframe`.
        valid_size: Share of the rows to choose by. Default: 0.1.
        test_size: Share of the rows to report on. Default: 0.1.
        split_by: "random", "time" or "user", see `ke.data.train_test_split`.
        split_column: Column of the time or of the user.
        seed: Draws other rows or users. Default: 0.
        arguments: The others of `ke.data.from_dataframe`, such as `drop` or `group`.

    Returns:
        A `ke.runs.Data`; its `preprocessor` goes into a `ke.Predictor`, `print(data.table)` shows
        what became of each column, and why.

    Example:

    >>> rows = {"item": ["a", "b"] * 20, "price": list(range(40)), "click": [0, 1, 1, 0] * 10}
    >>> data = ke.datasets.from_table(rows, label="click", numeric=["price"])
    >>> len(data.train), len(data.valid), len(data.test)
    (32, 4, 4)

    Raises:
        ValueError: As for `ke.data.from_dataframe` and `ke.data.train_test_split`.
    """
    sizes = (1 - valid_size - test_size, valid_size, test_size)
    if split_by == "time" and split_column is not None:
        arguments.setdefault("time", split_column)
    train, valid, test = split_rows(to_polars(rows), sizes, split_by, split_column, seed)
    table = from_dataframe(train, label, **arguments)
    return data_of(table, valid, test)


def data_of(table: EncodedTable, valid: Rows, test: Rows | None = None) -> Data:
    """The rows of an encoded table with further ones, which are encoded by its rules."""
    none = Split({}, np.zeros(0, np.float32))
    return Data(
        table.schema,
        table.train,
        table.split(valid),
        none if test is None else table.split(test),
        table.preprocessor,
        table,
    )


def table_rows(
    path: str | os.PathLike[str],
    label: Any = "label",
    separator: str | None = None,
    recipe: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> Data:
    """Rows of a file that fits into memory; the dataset "table" of runs.

    Args:
        path: CSV, perhaps packed (`.gz`, `.zst`), or Parquet.
        label: Column of the label, or, where it is not 0 or 1,
            `{"name": "stars", "kind": "regression"}`; or a list of these.
        separator: Between the fields of a CSV file. Default: None, a comma, or a tab in `.tsv`.
        recipe: How columns become features, as `Recipe.get_config()` has it. Default: None, it is
            inferred.
        arguments: The others of `from_table`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not readable; or as for `from_table`.
    """
    if recipe is not None:
        arguments["recipe"] = Recipe.from_config(dict(recipe))
        return from_table(read_table(path, separator), **arguments)
    return from_table(read_table(path, separator), label_from_config(label), **arguments)


def read_table(path: str | os.PathLike[str], separator: str | None = None) -> DataFrame:
    """A CSV or Parquet file as a polars frame, with dates and numbers as such.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not readable.
    """
    pl = import_optional("polars", extra="data")
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    try:
        if ".parquet" in file.suffixes:
            return pl.read_parquet(file)
        plain = next((kind for kind in file.suffixes if kind in _SEPARATORS), "")
        return pl.read_csv(
            file,
            separator=separator or _SEPARATORS.get(plain, ","),
            infer_schema_length=None,
            try_parse_dates=True,
        )
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise ValueError(f"{path}: not a readable table ({first})") from error
