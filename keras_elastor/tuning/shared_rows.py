"""Rows that are read once and then opened by every worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from keras_elastor.data import Split
from keras_elastor.datasets.rows import Data
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.files import atomic_folder, make_folder

_SPLITS = ("train", "valid", "test")
_MARK = "schema.json"


def is_shareable(data: Data) -> bool:
    """Whether the rows are in memory; those of a prepared folder lie on the disk already."""
    return all(isinstance(getattr(data, split), Split) for split in _SPLITS)


def write_rows(data: Data, folder: Path) -> None:
    """Write rows for `open_rows`, all of them or nothing.

    Args:
        data: Rows for which `is_shareable` holds.
        folder: Where they shall be.

    Raises:
        DiskError: If the disk refuses.
    """
    with atomic_folder(folder, _MARK) as made:
        for name in _SPLITS:
            split = getattr(data, name)
            make_folder(made / name)
            for index, (feature, values) in enumerate(split.columns.items()):
                np.save(made / name / f"{index}.npy", _plain(values))
                (made / name / f"{index}.txt").write_text(feature, encoding="utf-8")
            np.save(made / name / "labels.npy", split.labels)
            if split.weights is not None:
                np.save(made / name / "weights.npy", split.weights)
        (made / _MARK).write_text(data.schema.to_json(), encoding="utf-8")


def open_rows(folder: Path, with_test: bool = True) -> Data:
    """The rows of a folder, of which the disk's cache holds one copy for all processes.

    Args:
        folder: What `write_rows` wrote.
        with_test: Whether to open the test rows; otherwise there are none. Default: yes.
    """
    schema = FeatureSchema.from_json((folder / _MARK).read_text(encoding="utf-8"))
    splits = {
        name: _open_split(folder / name, schema) for name in _SPLITS if name != "test" or with_test
    }
    return Data(schema, splits["train"], splits["valid"], splits.get("test", no_rows()))


def no_rows() -> Split:
    """A split without a row."""
    return Split({}, np.zeros(0, np.float32))


def _open_split(folder: Path, schema: FeatureSchema) -> Split:
    columns = {
        path.read_text(encoding="utf-8"): np.load(path.with_suffix(".npy"), mmap_mode="r")
        for path in sorted(folder.glob("*.txt"), key=lambda path: int(path.stem))
    }
    group = {name: columns.pop(name) for name in columns.keys() - set(schema.names)}
    path = folder / "weights.npy"
    weights = np.load(path, mmap_mode="r") if path.exists() else None
    return Split(columns, np.load(folder / "labels.npy", mmap_mode="r"), weights, group)


def _plain(values: Any) -> Any:
    """Groups of any type as numbers: which rows are of one group is all that matters."""
    if values.dtype != object:
        return values
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], np.int64)
