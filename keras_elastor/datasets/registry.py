"""All names of datasets: of `get`, `prepare` and `load`, and of the configs of runs."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from keras_elastor import data
from keras_elastor.data import Manifest, Recipe
from keras_elastor.data.prepared import storage
from keras_elastor.data.prepared.manifest import MANIFEST
from keras_elastor.datasets import avazu, criteo, kuaivideo, movielens, taobaoad
from keras_elastor.datasets.files import find_files
from keras_elastor.datasets.kuairand import KUAIRAND_PURE, kuairand_pure
from keras_elastor.datasets.public_dataset import PublicDataset
from keras_elastor.datasets.rows import prepared_rows, synthetic_rows
from keras_elastor.datasets.table import table_rows
from keras_elastor.utils.plain_values import suggest

Batches: TypeAlias = Any

_BUILDERS = "keras_elastor.datasets.builders"


@dataclasses.dataclass(frozen=True)
class OwnRows:
    """A dataset without official files.

    Args:
        name: As a run's config has it.
        description: What its rows are.
    """

    name: str
    description: str


# Raw files of the first ones are prepared; what is read at once needs no preparation.
_PREPARED = MappingProxyType(
    {
        dataset.name: dataset
        for dataset in (
            criteo.CRITEO_X1,
            criteo.CRITEO_X4,
            avazu.AVAZU_X4,
            kuaivideo.KUAIVIDEO_X1,
            taobaoad.TAOBAOAD_X1,
            movielens.MOVIELENS_LATEST,
        )
    }
)
_DATASETS: MappingProxyType[str, PublicDataset | OwnRows] = MappingProxyType(
    {
        **_PREPARED,
        KUAIRAND_PURE.name: KUAIRAND_PURE,
        "prepared": OwnRows(
            "prepared", "Rows of a folder that was prepared from files of any kind."
        ),
        "table": OwnRows("table", "Rows of a CSV or Parquet file of one's own, in memory."),
        "synthetic": OwnRows("synthetic", "Generated rows whose best possible metrics are known."),
    }
)
_READERS: MappingProxyType[str, Callable[..., Any]] = MappingProxyType(
    {
        **dict.fromkeys([*_PREPARED, "prepared"], prepared_rows),
        KUAIRAND_PURE.name: kuairand_pure,
        "table": table_rows,
        "synthetic": synthetic_rows,
    }
)


def list_datasets() -> list[str]:
    """Names of all datasets, as `get`, `prepare`, `load` and the config of a run take them.

    Example:

    >>> ke.datasets.list_datasets()[:3]
    ['criteo_x1', 'criteo_x4', 'avazu_x4']
    >>> ke.datasets.list_datasets()[-3:]
    ['prepared', 'table', 'synthetic']
    """
    return list(_DATASETS)


def get(name: str) -> PublicDataset | OwnRows:
    """What is known about a dataset.

    Args:
        name: One of `list_datasets()`.

    Returns:
        A `PublicDataset`; of "prepared" and "synthetic", which have no official files, an object
        with `name` and `description`.

    Example:

    >>> avazu = ke.datasets.get("avazu_x4")
    >>> avazu.rows["train"], len(avazu.recipe.columns)
    (32343172, 24)

    Raises:
        ValueError: If there is no dataset of this name; the message has the nearest.
    """
    if name not in _DATASETS:
        raise ValueError(f"Unknown dataset {name!r}. {suggest(str(name), _DATASETS)}")
    return _DATASETS[name]


def get_public(name: str) -> PublicDataset:
    """What is known about a dataset whose raw files `prepare` takes.

    Raises:
        ValueError: If there is no such dataset, or its rows need no preparation.
    """
    get(name)
    if name not in _PREPARED:
        raise ValueError(
            f"Expected a dataset that is prepared: {', '.join(_PREPARED)}. Received: {name!r}, "
            "which a run reads as it is: name it in the config of the run"
        )
    return _PREPARED[name]


def reader_of(name: str) -> Callable[..., Any]:
    """The function that reads the rows of a run's dataset; its arguments are those of the config.

    Raises:
        ValueError: If there is no dataset of this name.
    """
    get(name)
    return _READERS[name]


def is_prepared(name: str) -> bool:
    """Whether a run reads a dataset from a folder that was prepared."""
    return reader_of(name) is prepared_rows


def prepare(
    name: str,
    data_dir: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    recipe: Recipe | None = None,
    check_md5: bool = True,
    on_error: str = "stop",
    progress: bool = True,
) -> Manifest:
    """Encode a public dataset by the rules of its published results.

    Args:
        name: One of `list_datasets()` with raw files that are prepared: "criteo_x1", ....
        data_dir: Folder of its files; `get(name).files` are their names, `get(name).source` says
            where to get them.
        out_dir: Folder to write; see `ke.data.prepare` and `ke.data.load`.
        recipe: Another recipe than `get(name).recipe`.
        check_md5: Whether the files must be those of the published results.
        on_error: As for `ke.data.prepare`.
        progress: As for `ke.data.prepare`.

    Returns:
        The manifest.

    Example, with generated rows:

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> _ = ke.datasets.write_sample("movielens_latest", folder, rows=20)
    >>> manifest = ke.datasets.prepare(
    ...     "movielens_latest", folder, f"{folder}/prepared", check_md5=False, progress=False
    ... )
    >>> {name: split.rows for name, split in manifest.splits.items()}
    {'train': 20, 'valid': 2, 'test': 2}

    Raises:
        DatasetNotFoundError: If a file is missing; the message says where to get it.
        ValueError: If the name is unknown or that of rows that need no preparation, or a file has
            another MD5 sum than the published one; or as for `ke.data.prepare`.
    """
    dataset = get_public(name)
    recipe = recipe or dataset.recipe
    # Vectors of which no feature is made need not be there.
    vectors = {table: file for table, file in dataset.vectors.items() if table in recipe.tables}
    dataset = dataclasses.replace(dataset, recipe=recipe, vectors=vectors)
    files, known_values = find_files(dataset, [Path(data_dir)], check_md5)
    return data.prepare(
        files,
        recipe,
        out_dir,
        on_error=on_error,
        progress=progress,
        known_values=known_values,
    )


def load(
    name: str,
    split: str,
    batch_size: int,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    **arguments: Any,
) -> Batches:
    """Read a dataset by its name as a `tf.data.Dataset` of `(features, label)` batches.

    Args:
        name: One of `list_datasets()`, or the name of a `RecipeBuilder` of one's own.
        split: Name of the split.
        batch_size: Rows per batch.
        data_dir: Of "prepared", the prepared folder. Of a public dataset, the folder of TensorFlow
            Datasets, which has prepared it; default: its own, `~/tensorflow_datasets` or the
            environment variable `TFDS_DATA_DIR`.
        arguments: Further arguments of `ke.data.load`, such as `shuffle`; of "synthetic", those of
            `keras_elastor.data.Split.dataset`.

    Returns:
        The batches, as `ke.data.load` gives them.

    Example:

    >>> batches = ke.datasets.load("synthetic", "valid", 5000)
    >>> len(batches)
    4

    Raises:
        FileNotFoundError: If the dataset is not prepared; the message has the command for it.
        ValueError: If the name or the split is unknown, "prepared" has no `data_dir` or "synthetic"
            has one; or as for `ke.data.load`.
    """
    if name == "synthetic":
        rows = synthetic_rows()
        if split not in ("train", "valid", "test") or data_dir is not None:
            raise ValueError(
                "synthetic: expected one of the splits train, valid, test, and no `data_dir`. "
                f"Received: split={split!r}, data_dir={data_dir!r}"
            )
        return getattr(rows, split).dataset(batch_size, **arguments)
    if name == "table":
        raise ValueError(
            "table: expected a dataset that has a name. Received: a file of one's own, which "
            "ke.datasets.from_table splits and encodes"
        )
    if name != "prepared":
        data_dir = find_prepared(name, data_dir)
    elif data_dir is None:
        raise ValueError("prepared: expected `data_dir`, the folder that ke.data.prepare wrote")
    return data.load(data_dir, split, batch_size, **arguments)


def find_prepared(name: str, data_dir: str | os.PathLike[str] | None = None) -> str:
    """The folder of a dataset that TensorFlow Datasets has prepared.

    Args:
        name: Of a dataset.
        data_dir: Folder of TensorFlow Datasets. Default: its own.

    Raises:
        FileNotFoundError: If the dataset is not prepared there; the message has the command.
        ValueError: If there is no such dataset.
    """
    # Datasets of one's own are subclasses of a class in that module. An unknown name is refused
    # without importing TensorFlow Datasets.
    if _BUILDERS not in sys.modules:
        get(name)
    builder_class = _builders().get(name)
    if builder_class is None:
        get(name)
        raise ValueError(f"Expected a dataset that is prepared. Received: {name!r}")
    builder = builder_class(data_dir=None if data_dir is None else os.fspath(data_dir))
    if storage.num_bytes(storage.join(builder.data_dir, MANIFEST)) is None:
        module, kind = builder_class.__module__, builder_class.__qualname__
        place = "" if data_dir is None else f"data_dir={os.fspath(data_dir)!r}"
        code = f"from {module} import {kind}; {kind}({place}).download_and_prepare()"
        by_hand = builder_class.MANUAL_DOWNLOAD_INSTRUCTIONS
        manual = storage.join(os.fspath(builder.data_dir_root), "downloads", "manual")
        raise FileNotFoundError(
            f"{name} is not prepared in {builder.data_dir}. Prepare it once:\n"
            f'    python -c "{code}"'
            + (f"\n{by_hand} The manual folder is {manual}." if by_hand else "")
        )
    folder: str = builder.data_dir
    return folder


def _builders() -> dict[str, Any]:
    from keras_elastor.datasets import builders

    return builders.BUILDERS
