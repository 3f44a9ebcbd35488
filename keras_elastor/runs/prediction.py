"""Probabilities for the rows of a file, some rows at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np

from keras_elastor.data.reading.segment_rows import raise_bad_row
from keras_elastor.data.reading.segments import Segment, read_header, read_segments, require_columns
from keras_elastor.data.reading.text_rows import parse_lines
from keras_elastor.runs.predictor import open_predictor
from keras_elastor.utils.files import disk_errors, replacing
from keras_elastor.utils.optional import import_optional

DataFrame: TypeAlias = Any

_FORMATS = (".csv", ".parquet")
# How the predictions of a kind of label are called, where they are no probabilities.
_COLUMNS = {"regression": "value", "count": "rate"}
# What is in memory at a time: so many bytes of text, or 4,096 rows of Parquet.
_SEGMENT_BYTES = 1 << 20


def predict_file(
    run: str | Path,
    input_path: str | Path,
    output_path: str | Path,
    batch_size: int = 4096,
    verbose: bool = False,
) -> int:
    """Write the rows of a file with their predictions to another file.

    Args:
        run: Folder of a run, or one that `Predictor.save` wrote.
        input_path: CSV, perhaps packed (`.gz`), or Parquet (`.parquet`). A run on prepared data
            reads the raw columns of its recipe, in its format, by its rules; labels need not be
            there. Any other run reads a column for each feature: values of the original data where
            the run has vocabularies, and ids otherwise, lists in CSV separated by spaces. Other
            columns are kept as they are.
        output_path: CSV or Parquet; has the columns of the input and `probability`, or
            `probability_<label>` for each of several labels; `value` for a label that is a
            regression, `rate` for a count. It appears when all is written.
        batch_size: Rows per step of the model; memory does not grow with the file.
        verbose: Whether to show a progress bar.

    Returns:
        The number of rows.

    Raises:
        ValueError: If a column is missing, or a value is wrong; the message names file, row, column
            and value. Nothing is written.
        FileNotFoundError: If there is no such file.
        OSError: If the disk refuses to be written.
    """
    source, target = Path(input_path), Path(output_path)
    if target.suffix not in _FORMATS:
        raise ValueError(f"{target}: expected a name that ends in .csv or .parquet")
    if batch_size < 1:
        raise ValueError(f"Expected batch_size of at least 1. Received: {batch_size}")
    if not source.is_file():
        raise FileNotFoundError(f"{source}: there is no such file")
    predictor = open_predictor(run)
    preprocessor = predictor.preprocessor
    recipe = preprocessor.recipe
    separator, file_columns = (recipe.separator, recipe.file_columns) if recipe else (",", None)
    columns = read_header(source, separator, file_columns)
    require_columns(source, columns, preprocessor.sources)
    labels = predictor.labels
    names = [_COLUMNS.get(kind, "probability") for kind in preprocessor.schema.label_kinds]
    if len(labels) > 1:
        names = [f"{name}_{label}" for name, label in zip(names, labels, strict=True)]
    for name in names:
        if name in columns:
            raise ValueError(f"{source}: the column '{name}' is there already. Rename it")
    progress = keras.utils.Progbar(source.stat().st_size, verbose=int(verbose), unit_name="byte")
    rows = 0
    with _open_writer(target) as write:
        for segment in read_segments(source, columns, file_columns is None, _SEGMENT_BYTES):
            frame = _read_frame(segment, columns, separator)
            features, bad = preprocessor.encode(frame)
            if bad:
                raise_bad_row(segment, bad[0])
            found = predictor.predict_features(features, batch_size)
            write(frame, dict(zip(names, found.values(), strict=True)))
            rows += len(frame)
            progress.update(segment.progress)
    return rows


def _read_frame(segment: Segment, columns: list[str], separator: str) -> DataFrame:
    """All columns of a segment; those of a text file stay text."""
    pl = import_optional("polars", extra="data")
    table = segment.data
    if isinstance(table, bytes):
        table, _, bad = parse_lines(table, columns, columns, separator)
        if bad:
            raise_bad_row(segment, bad[0])
    return pl.from_arrow(table)


@contextlib.contextmanager
def _open_writer(path: Path) -> Iterator[Any]:
    """A function that appends columns to a file, which appears when all is written."""
    pl = import_optional("polars", extra="data")
    csv = import_optional("pyarrow.csv", extra="data")
    parquet = import_optional("pyarrow.parquet", extra="data")
    make = csv.CSVWriter if path.suffix == ".csv" else parquet.ParquetWriter
    writer = None

    def write(frame: DataFrame, columns: dict[str, np.ndarray]) -> None:
        nonlocal writer
        table = frame.with_columns(**{name: pl.Series(values) for name, values in columns.items()})
        # Older readers know no string views.
        table = table.to_arrow(compat_level=pl.CompatLevel.oldest())
        with disk_errors(path):
            if writer is None:
                writer = make(temporary, table.schema)
            writer.write_table(table)

    with replacing(path) as temporary:
        yield write
        if writer is None:
            raise ValueError("Expected rows to predict. Received: none")
        with disk_errors(path):
            writer.close()
