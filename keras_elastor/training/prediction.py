"""Probabilities for the rows of a file, a batch at a time."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_elastor.data import Vocabulary
from keras_elastor.optional import import_optional
from keras_elastor.training.errors import writing
from keras_elastor.training.row_encoder import RowEncoder
from keras_elastor.training.runner import load_model

_FORMATS = (".csv", ".parquet")


def predict_file(
    run: str | Path,
    input_path: str | Path,
    output_path: str | Path,
    batch_size: int = 4096,
    verbose: bool = False,
) -> int:
    """Write the rows of a file with their click probabilities to another file.

    Args:
        run: folder of a run.
        input_path: CSV or Parquet with a column for each feature of the run's schema. Values are
            those of the original data where the run has vocabularies, and ids otherwise. Lists in
            CSV are separated by spaces. Other columns are kept as they are.
        output_path: CSV or Parquet; has the columns of the input and `probability`, or
            `probability_<label>` for each of several labels. It appears when all is written.
        batch_size: rows at a time; memory does not grow with the file.
        verbose: whether to show a progress bar.

    Returns:
        The number of rows.

    Raises:
        ValueError: a column is missing, or a value is wrong; the message names file, row and
            column. Nothing is written.
        RunError: the disk refuses.
    """
    source, target = Path(input_path), Path(output_path)
    for path in (source, target):
        if path.suffix not in _FORMATS:
            raise ValueError(f"{path}: expected a name that ends in .csv or .parquet")
    if batch_size < 1:
        raise ValueError(f"Expected batch_size of at least 1. Received: {batch_size}")
    if not source.is_file():
        raise FileNotFoundError(f"{source}: there is no such file")
    model = load_model(run)
    schema = model.schema
    encoder = RowEncoder(schema, _read_vocabularies(Path(run)), source)
    names = ["probability"]
    if schema.num_tasks > 1:
        names = [f"probability_{label}" for label in schema.labels]
    pa = import_optional("pyarrow", extra="data")
    progress = keras.utils.Progbar(None, verbose=int(verbose), unit_name="batch")
    with _open_writer(target) as write:
        for step, table in enumerate(_read_tables(source, batch_size), start=1):
            logits = np.asarray(model.predict_on_batch(encoder.encode(table)), np.float64)
            for name, column in zip(names, (1 / (1 + np.exp(-logits))).T, strict=True):
                table = table.append_column(name, pa.array(column))
            write(table)
            progress.update(step)
    return encoder.rows


def _read_vocabularies(run: Path) -> dict[str, Vocabulary]:
    path = run / "vocabularies.json"
    if not path.exists():
        return {}
    configs = json.loads(path.read_text()).items()
    return {name: Vocabulary.from_config(config) for name, config in configs}


def _read_tables(path: Path, batch_size: int) -> Iterator[Any]:
    """Arrow tables of at most that many rows; fields of CSV stay texts."""
    pa = import_optional("pyarrow", extra="data")
    if path.suffix == ".parquet":
        parquet = import_optional("pyarrow.parquet", extra="data")
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size):
                yield pa.Table.from_batches([batch])
        return
    csv = import_optional("pyarrow.csv", extra="data")
    try:
        with open(path, encoding="utf-8") as file:
            header = file.readline()
        names = csv.read_csv(pa.BufferReader(header.encode())).column_names
        options = csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
        )
        with csv.open_csv(path, convert_options=options) as reader:
            for batch in reader:
                table = pa.Table.from_batches([batch])
                for start in range(0, len(table), batch_size):
                    yield table.slice(start, batch_size)
    except (pa.ArrowInvalid, UnicodeError) as error:
        raise ValueError(f"{path}: cannot be read as CSV. {error}") from error


@contextlib.contextmanager
def _open_writer(path: Path) -> Iterator[Any]:
    """A function that appends a table to a file, which appears when all is written."""
    csv = import_optional("pyarrow.csv", extra="data")
    parquet = import_optional("pyarrow.parquet", extra="data")
    make = csv.CSVWriter if path.suffix == ".csv" else parquet.ParquetWriter
    temporary = path.with_name(f".{path.name}.part")
    writer = None

    def write(table: Any) -> None:
        nonlocal writer
        if writer is None:
            writer = make(temporary, table.schema)
        writer.write_table(table)

    with writing(path):
        try:
            yield write
            if writer is None:
                raise ValueError("Expected rows to predict. Received: none")
            writer.close()
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
