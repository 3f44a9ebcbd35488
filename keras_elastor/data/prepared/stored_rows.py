"""Typed rows on disk, between the pass that reads them and the pass that encodes them."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np

from keras_elastor.data.reading.typed_rows import TypedRows
from keras_elastor.utils.files import atomic_file
from keras_elastor.utils.optional import import_optional

_PLACE = b"place"
_GROUP, _WEIGHT, _LABEL = "/group", "/weight", "/label"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where the rows of a segment come from, and where reading goes on behind them.

    Args:
        source: Number of the file within its split.
        end: `Segment.end`.
        next_row: Number of the row there.
        progress: `Segment.progress`.
        rejected: Rows of the segment that were left out.
    """

    source: int
    end: int
    next_row: int
    progress: int
    rejected: int


def save_rows(path: Path, rows: TypedRows, place: Place) -> None:
    """Write typed rows as an Arrow file, which is there whole or not at all.

    Raises:
        DiskError: If the disk refuses.
    """
    pa = import_optional("pyarrow", extra="data")
    table = rows.features
    others = {f"{_LABEL}{task}": labels for task, labels in enumerate(rows.labels.T)}
    others |= {} if rows.group is None else {_GROUP: rows.group}
    others |= {} if rows.weight is None else {_WEIGHT: rows.weight}
    for name, values in others.items():
        table = table.append_column(name, pa.array(np.ascontiguousarray(values)))
    schema = table.schema.with_metadata({_PLACE: json.dumps(dataclasses.asdict(place))})
    with atomic_file(path) as file, pa.ipc.new_file(file, schema) as writer:
        writer.write_table(table)


def load_rows(path: Path) -> tuple[TypedRows, Place]:
    """Read what `save_rows` wrote."""
    pa = import_optional("pyarrow", extra="data")
    with pa.OSFile(os.fspath(path)) as file:
        table = pa.ipc.open_file(file).read_all()
    others = {name: table[name].to_numpy() for name in table.column_names if name[0] == "/"}
    labels = [values for name, values in others.items() if name.startswith(_LABEL)]
    rows = TypedRows(
        table.drop_columns(list(others)),
        np.stack(labels, axis=1),
        others.get(_GROUP),
        others.get(_WEIGHT),
    )
    return rows, _place(table.schema)


def load_place(path: Path) -> Place:
    """Read the place alone."""
    pa = import_optional("pyarrow", extra="data")
    with pa.OSFile(os.fspath(path)) as file:
        return _place(pa.ipc.open_file(file).schema)


def _place(schema: object) -> Place:
    return Place(**json.loads(schema.metadata[_PLACE]))  # type: ignore[attr-defined]
