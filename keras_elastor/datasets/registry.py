"""The names by which TensorFlow Datasets knows datasets of this package."""

from __future__ import annotations

import os
import sys
from typing import Any

from keras_elastor.data.prepared import storage
from keras_elastor.data.prepared.manifest import MANIFEST
from keras_elastor.datasets.catalog import list_datasets
from keras_elastor.datasets.kuairand import KUAIRAND_PURE

_BUILDERS = "keras_elastor.datasets.builders"


def is_registered(name: str) -> bool:
    """Whether `ke.data.load` takes this name, without importing TensorFlow Datasets.

    Example:

    >>> from keras_elastor.datasets.registry import is_registered
    >>> is_registered("criteo_x1"), is_registered("./criteo_x1")
    (True, False)
    """
    # Datasets of one's own are subclasses of a class in that module.
    own = _builders() if _BUILDERS in sys.modules else {}
    return name in own or name in (*list_datasets(), KUAIRAND_PURE.name)


def find_prepared(
    name_or_folder: str | os.PathLike[str], data_dir: str | os.PathLike[str] | None
) -> str:
    """The folder that is meant by the arguments of `ke.data.load`.

    Raises:
        FileNotFoundError: If a dataset is not prepared; the message has the command.
        ValueError: If there is a `data_dir`, but no name.
    """
    if isinstance(name_or_folder, str) and is_registered(name_or_folder):
        return prepared_folder(name_or_folder, data_dir)
    if data_dir is not None:
        raise ValueError(
            "Expected `data_dir` only with the name of a dataset. "
            f"Received: data_dir={os.fspath(data_dir)!r} with {os.fspath(name_or_folder)!r}"
        )
    return os.fspath(name_or_folder)


def prepared_folder(name: str, data_dir: str | os.PathLike[str] | None = None) -> str:
    """The folder of a dataset that TensorFlow Datasets has prepared.

    Args:
        name: For which `is_registered` holds.
        data_dir: Folder of TensorFlow Datasets. Default: its own.

    Raises:
        FileNotFoundError: If the dataset is not prepared there; the message has the command.
    """
    builder_class = _builders()[name]
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
