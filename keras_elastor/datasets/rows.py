"""Rows that runs train and measure on, in memory or in a prepared folder."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.data import EncodedTable, Manifest, Preprocessor, Split, load, synthetic
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.files import hash_text

Dataset: TypeAlias = Any

# Their arguments alone decide the rows.
_SAME_ROWS = ("kuairand_pure", "synthetic")
# Labels are read in large batches, as nothing else is kept of them.
_LABEL_BATCH = 1 << 16


@dataclasses.dataclass(frozen=True, eq=False)
class Data:
    """Rows to train and measure on.

    Args:
        schema: Their features.
        train: Rows to train on.
        valid: Rows to choose by.
        test: Rows to report, perhaps none.
        preprocessor: What raw rows were encoded by, where there were such.
        table: The encoded table of `ke.datasets.from_table`, which knows what became of columns.
    """

    schema: FeatureSchema
    train: Any
    valid: Any
    test: Any
    preprocessor: Preprocessor | None = None
    table: EncodedTable | None = None

    @property
    def judged(self) -> str:
        """What models are compared on: "test", or "valid" where there are no test rows."""
        return "test" if len(self.test) else "valid"


@dataclasses.dataclass(frozen=True, eq=False)
class PreparedSplit:
    """One split of a prepared folder, read from the disk as it is needed; used as a `Split`.

    Args:
        folder: What `ke.data.prepare` wrote.
        name: Of the split.
    """

    folder: Path
    name: str

    @functools.cached_property
    def _rows(self) -> int:
        return Manifest.load(self.folder).splits[self.name].rows

    def __len__(self) -> int:
        return self._rows

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """Labels of all rows in order, `(rows,)` or `(rows, tasks)` float32."""
        batches = self.dataset(_LABEL_BATCH).map(lambda features, labels, *weights: labels)
        return np.concatenate(list(batches.as_numpy_iterator()))

    @functools.cached_property
    def group(self) -> dict[str, np.ndarray]:
        """The group of all rows in order, as that of a `Split`."""
        name = Manifest.load(self.folder).schema.group_column
        if name is None:
            return {}
        batches = self.dataset(_LABEL_BATCH, with_group=True).map(
            lambda features, *others: features[name]
        )
        return {name: np.concatenate(list(batches.as_numpy_iterator()))}

    def dataset(self, batch_size: int, **arguments: Any) -> Dataset:
        """Batches of the rows; `ke.data.load` takes the other arguments."""
        return load(self.folder, self.name, batch_size, **arguments)


def synthetic_rows(
    train_rows: int = 100_000,
    valid_rows: int = 20_000,
    test_rows: int = 20_000,
    **arguments: Any,
) -> Data:
    """Rows of `keras_elastor.data.synthetic.synthetic`, which takes the other arguments."""
    source = synthetic(**arguments)
    train, valid, test = (
        Split(*source.arrays(rows, split))
        for split, rows in (("train", train_rows), ("valid", valid_rows), ("test", test_rows))
    )
    return Data(source.schema, train, valid, test)


def prepared_rows(data_dir: str | os.PathLike[str], valid: str = "valid") -> Data:
    """Rows of a prepared folder, which stay on the disk.

    Args:
        data_dir: What `ke.data.prepare` or `keras-elastor prepare` wrote.
        valid: Name of the split to choose by. Published results on datasets without a validation
            split choose by "test". Default: "valid".

    Raises:
        FileNotFoundError: If the folder holds no prepared data, or not all of it.
        ValueError: If there is no such split.
    """
    manifest = Manifest.load(data_dir)
    if valid not in manifest.splits or valid == "train":
        raise ValueError(
            f"{data_dir}: expected a split to choose the best weights by. Received: valid="
            f"{valid!r}; there are: {', '.join(manifest.splits)}. Prepare one, or name one by "
            "dataset.arguments.valid"
        )
    folder = Path(data_dir)
    test = Split({}, np.zeros(0, np.float32))
    return Data(
        manifest.schema,
        PreparedSplit(folder, "train"),
        PreparedSplit(folder, valid),
        PreparedSplit(folder, "test") if "test" in manifest.splits else test,
        Preprocessor.load(folder),
    )


def identity(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the rows of a dataset: its arguments, but what data hold for where they lie."""
    others = {key: value for key, value in arguments.items() if key != "data_dir"}
    if name in _SAME_ROWS or "data_dir" not in arguments:
        return others
    # Folders of one name may differ: sources and recipe tell them apart.
    plan = json.dumps(Manifest.load(arguments["data_dir"]).plan, sort_keys=True)
    return {**others, "plan": hash_text(plan)}
