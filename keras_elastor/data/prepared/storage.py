"""Files of prepared data: in a folder of this machine, or at an address such as gs://bucket/folder.

Addresses are read and written by `tf.io.gfile`, as TensorFlow reads the records themselves.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

from keras_elastor.utils import files
from keras_elastor.utils.tensorflow import import_tensorflow

PathLike: TypeAlias = str | os.PathLike[str]

_QUESTIONS_AT_A_TIME = 16


def is_address(path: PathLike) -> bool:
    """Whether a path names something that is not in the file system of this machine."""
    return "://" in os.fspath(path)


def join(folder: PathLike, *names: str) -> str:
    """The path of a file in a folder.

    Example:

    >>> from keras_elastor.data.prepared.storage import join
    >>> join("gs://bucket/prepared/", "manifest.json")
    'gs://bucket/prepared/manifest.json'
    """
    if is_address(folder):
        return "/".join([os.fspath(folder).rstrip("/"), *names])
    return os.path.join(folder, *names)


def read_bytes(path: PathLike) -> bytes:
    """The content of a file.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    if not is_address(path):
        return Path(path).read_bytes()
    tf = import_tensorflow()
    try:
        with tf.io.gfile.GFile(os.fspath(path), "rb") as file:
            content: bytes = file.read()
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(f"{path}: no such file") from error
    return content


def write_bytes(path: PathLike, content: bytes) -> None:
    """Write a file, all of it or nothing, with the folders above it."""
    if not is_address(path):
        files.write_bytes(path, content)
        return
    gfile = import_tensorflow().io.gfile
    gfile.makedirs(os.fspath(path).rpartition("/")[0])
    with gfile.GFile(os.fspath(path), "wb") as file:
        file.write(content)


def num_bytes(path: PathLike) -> int | None:
    """The size of a file, None where there is none."""
    if not is_address(path):
        return os.path.getsize(path) if os.path.isfile(path) else None
    tf = import_tensorflow()
    try:
        return int(tf.io.gfile.stat(os.fspath(path)).length)
    except tf.errors.NotFoundError:
        return None


def require_sizes(paths: Sequence[str], sizes: Sequence[int]) -> None:
    """Raise FileNotFoundError unless every file of prepared data is there as a whole."""
    # Each question to a bucket takes a while, and there may be thousands of files.
    with ThreadPoolExecutor(_QUESTIONS_AT_A_TIME) as pool:
        found = list(pool.map(num_bytes, paths))
    for path, size, received in zip(paths, sizes, found, strict=True):
        if received != size:
            shown = "no such file" if received is None else f"{received:,} bytes"
            raise FileNotFoundError(
                f"{path}: expected {size:,} bytes. Received: {shown}. Copy the folder again, or "
                "delete it and prepare it again"
            )


def remove_folder(folder: PathLike) -> None:
    """Remove a folder with all that is in it."""
    import_tensorflow().io.gfile.rmtree(os.fspath(folder))
