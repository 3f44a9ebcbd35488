"""The public datasets that `ke.datasets.prepare` knows: what their files are and become."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

from keras_elastor.data import Manifest, Recipe
from keras_elastor.data import prepare as prepare_files
from keras_elastor.data.vocabularies.known_values import KnownValues
from keras_elastor.datasets import avazu, criteo, kuaivideo, movielens, taobaoad
from keras_elastor.datasets.missing_files import find_folder
from keras_elastor.datasets.public_dataset import PublicDataset
from keras_elastor.utils.optional import import_optional

_DATASETS = MappingProxyType(
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


def list_datasets() -> list[str]:
    """Names of the datasets that `get` and `prepare` take.

    Example:

    >>> ke.datasets.list_datasets()[:3]
    ['criteo_x1', 'criteo_x4', 'avazu_x4']
    """
    return list(_DATASETS)


def get(name: str) -> PublicDataset:
    """What is known about a public dataset.

    Args:
        name: One of `list_datasets()`.

    Example:

    >>> avazu = ke.datasets.get("avazu_x4")
    >>> avazu.rows["train"], len(avazu.recipe.columns)
    (32343172, 24)

    Raises:
        ValueError: If there is no dataset of this name.
    """
    if name not in _DATASETS:
        raise ValueError(
            f"Expected the name of a dataset: {', '.join(_DATASETS)}. Received: {name!r}"
        )
    return _DATASETS[name]


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
        name: One of `list_datasets()`.
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
        ValueError: If the name is unknown, or a file has another MD5 sum than the published one; or
            as for `ke.data.prepare`.
    """
    dataset = get(name)
    recipe = recipe or dataset.recipe
    # Vectors of which no feature is made need not be there.
    vectors = {table: file for table, file in dataset.vectors.items() if table in recipe.tables}
    dataset = dataclasses.replace(dataset, recipe=recipe, vectors=vectors)
    files, known_values = find_files(dataset, [Path(data_dir)], check_md5)
    return prepare_files(
        files,
        recipe,
        out_dir,
        on_error=on_error,
        progress=progress,
        known_values=known_values,
    )


def find_files(
    dataset: PublicDataset, folders: Sequence[Path], check_md5: bool = True
) -> tuple[dict[str, tuple[Path, ...]], KnownValues]:
    """The files of each split, and the keys of pretrained vectors by table.

    Args:
        dataset: What is known about the dataset.
        folders: Where to look, in this order.
        check_md5: Whether the files must be those of the published results.

    Raises:
        DatasetNotFoundError: If no folder holds all files.
        ValueError: If a file has another MD5 sum than the published one, or one of vectors has no
            keys.
    """
    folder = find_folder(folders, dataset.file_names, dataset.source)
    files = {
        split: tuple(folder / name for name in ((group,) if isinstance(group, str) else group))
        for split, group in dataset.files.items()
    }
    if check_md5:
        for split, md5 in dataset.md5.items():
            for path in files[split]:
                _check_md5(path, md5)
    return files, {table: _read_keys(folder / name) for table, name in dataset.vectors.items()}


def _read_keys(path: Path) -> list[str]:
    """The keys of pretrained vectors, each once."""
    h5py = import_optional("h5py", extra="data")
    try:
        with h5py.File(path, "r") as file:
            keys = file["key"][:].tolist()
    except (OSError, KeyError) as error:
        raise ValueError(f"{path}: expected an HDF5 file with an array 'key'. {error}") from error
    texts = (key.decode() if isinstance(key, bytes) else str(key) for key in keys)
    return list(dict.fromkeys(texts))


def _check_md5(path: Path, expected: str) -> None:
    with open(path, "rb") as file:
        received = hashlib.file_digest(file, "md5").hexdigest()
    if received != expected:
        raise ValueError(
            f"{path}: expected the MD5 sum {expected} of the published file. Received: {received}. "
            "Get the file again, or give check_md5=False to prepare other rows"
        )
