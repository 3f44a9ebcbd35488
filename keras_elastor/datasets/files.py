"""The official files of a public dataset, found and checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keras_elastor.data.vocabularies.known_values import KnownValues
from keras_elastor.datasets.missing_files import find_folder
from keras_elastor.datasets.public_dataset import PublicDataset
from keras_elastor.utils.files import hash_file
from keras_elastor.utils.optional import import_optional


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
    received = hash_file(path, "md5")
    if received != expected:
        raise ValueError(
            f"{path}: expected the MD5 sum {expected} of the published file. Received: {received}. "
            "Get the file again, or give check_md5=False to prepare other rows"
        )
