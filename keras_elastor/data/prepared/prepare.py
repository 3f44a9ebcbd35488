"""From raw files of any size to a folder of encoded blocks, in two passes."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from keras_elastor.data.prepared.manifest import Manifest
from keras_elastor.data.prepared.two_passes import Preparation
from keras_elastor.data.reading.segment_rows import check_recipe, source_kinds
from keras_elastor.data.reading.segments import read_header, require_columns
from keras_elastor.data.recipe import Recipe
from keras_elastor.data.vocabularies.known_values import (
    KnownValues,
    check_known_values,
    describe_known_values,
)
from keras_elastor.data.vocabularies.vector_table import describe_vectors, key_kinds, vectors_of
from keras_elastor.utils.files import locked

PathLike: TypeAlias = str | os.PathLike[str]
Files: TypeAlias = Mapping[str, PathLike | Iterable[PathLike]]
SEGMENT_BYTES = 1 << 25
# Arrow counts the bytes of a column in 32 bits.
_MAX_SEGMENT_BYTES = 1 << 30


def prepare(
    files: Files,
    recipe: Recipe,
    out_dir: PathLike,
    on_error: str = "stop",
    segment_bytes: int = SEGMENT_BYTES,
    progress: bool = True,
    known_values: KnownValues | None = None,
) -> Manifest:
    r"""Encode raw files of any size, once, for any number of trainings.

    Two passes: the first reads the files once, checks every value, counts those of the training
    rows and keeps the rows, each distinct value once, in `out_dir/.unfinished`; the second writes
    ids and numbers from there. Memory holds a few segments of rows and the vocabularies, whatever
    the size of the files. On the disk the kept rows take about as much as the text of the files
    until they are written; they are deleted shard by shard. Killed at any point and called again,
    it goes on at the next unfinished shard; the result equals that of an undisturbed run byte for
    byte. Only if somebody writes a file before the first pass ends, that pass begins anew.

    | in `out_dir` | |
    |---|---|
    | `manifest.json` | sources with size and SHA-256, recipe, schema, rows, label rates, versions |
    | `vocabularies/` | one readable file per embedding table |
    | `impressions-train.tfrecord-00000-of-00008` ... | blocks of rows; see `load` |
    | `rejected.jsonl` | the rows that `on_error="skip"` left out, if any |
    | `dataset_info.json`, `features.json` | for `tfds.builder_from_directory` |

    Args:
        files: For each split ("train", "valid", "test", ...) a file or several: text with one row
            per line (CSV, TSV, ...), the same packed (`.gz`, `.bz2`, `.xz`, `.zst`, `.zip`), or
            Parquet (by its first bytes). A folder stands for all files in it but those whose names
            begin with "_" or ".", as Spark writes them; a pattern such as "day*.csv" for the files
            that match; both by name. There must be a "train": vocabularies are made from its rows
            only.
        recipe: How their columns become features.
        out_dir: Folder to write. Its parents are made.
        on_error: "stop" (default) at the first wrong row with an error that names file, line,
            column and value; "skip" leaves such rows out, counts them in the manifest and keeps
            them with the reason in `rejected.jsonl`, with the neighbours of a line that may be a
            piece of one of them. A file that is damaged as a whole, or that lacks a column, stops
            in both cases.
        segment_bytes: Bytes of text that become one shard, rounded up to whole lines.
        progress: Whether to show a bar with rows per second and the time left.
        known_values: By table, values that are known besides those of the training rows, such as
            the keys of pretrained vectors; their ids follow by `ke.data.Vocabulary.extend`.

    Returns:
        The manifest. Where `out_dir` already holds the same data of the same files and recipe,
        nothing else is done.

    Example:

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "train.csv").write_text("click,item,price\n1,a,2.5\n0,b,1\n0,a,\n")
    >>> recipe = ke.data.Recipe(
    ...     [ke.data.CategoricalColumn("item"), ke.data.NumericColumn("price")], label="click"
    ... )
    >>> manifest = ke.data.prepare(
    ...     {"train": folder / "train.csv"}, recipe, folder / "prepared", progress=False
    ... )
    >>> manifest.splits["train"].rows
    3
    >>> for features, label in ke.data.load(folder / "prepared", "train", batch_size=3):
    ...     print(features["item"].numpy(), features["price"].numpy(), label.numpy())
    [1 2 1] [2.5 1.  0. ] [1. 0. 0.]

    Raises:
        ValueError: If a row is wrong (with "stop"), a file is damaged, is empty, lacks a column or
            changes while it is read, or an argument is wrong.
        FileNotFoundError: If a file is missing.
        FileExistsError: If `out_dir` holds data of other files or of another recipe.
        OSError: If the disk refuses to be written. What is finished stays; call again to go on.
        RuntimeError: If another process is writing `out_dir`.
        ImportError: If polars, TensorFlow or another package of the extra `data` is not installed.
    """
    if on_error not in ("stop", "skip"):
        raise ValueError(f"Expected on_error='stop' or 'skip'. Received: on_error={on_error!r}")
    if not 1 <= segment_bytes <= _MAX_SEGMENT_BYTES:
        raise ValueError(
            f"Expected 1 <= segment_bytes <= {_MAX_SEGMENT_BYTES}. Received: {segment_bytes!r}"
        )
    check_recipe(recipe)
    known_values = known_values or {}
    check_known_values(known_values, recipe)
    vectors = vectors_of(recipe)
    paths = _find_files(files)
    names = {
        path: read_header(path, recipe.separator, recipe.file_columns)
        for path in dict.fromkeys(path for group in paths.values() for path in group)
    }
    for path, columns in names.items():
        require_columns(path, columns, recipe.sources)
    kinds = source_kinds(paths, recipe, key_kinds(vectors, recipe))
    folder = Path(out_dir)
    with locked(folder):
        options = {
            "on_error": on_error,
            "segment_bytes": segment_bytes,
            **describe_known_values(known_values),
            **describe_vectors(vectors),
        }
        preparation = Preparation(
            folder, recipe, paths, names, options, progress, known_values, kinds, vectors
        )
        return preparation.manifest()


def _expand(path: Path) -> list[Path]:
    """The files that a name means: itself, those of a folder, or those of a pattern; by name."""
    if path.is_dir():
        # Spark and others put their own notes beside the parts, such as _SUCCESS.
        found = [
            file
            for file in sorted(path.rglob("*"))
            if file.is_file()
            and not any(part.startswith(("_", ".")) for part in file.relative_to(path).parts)
        ]
        if not found:
            raise FileNotFoundError(f"{path}: the folder holds no files of rows")
        return found
    if not path.exists() and glob.has_magic(str(path)):
        return sorted(map(Path, glob.glob(str(path), recursive=True))) or [path]
    return [path]


def _find_files(files: Files) -> dict[str, tuple[Path, ...]]:
    if not isinstance(files, Mapping) or "train" not in files:
        raise ValueError(
            "Expected `files` to be a dict from splits to files with a 'train', such as "
            f"{{'train': 'train.csv', 'test': 'test.csv'}}. Received: files={files!r}"
        )
    paths = {
        split: tuple(
            path
            for name in ([group] if isinstance(group, str | os.PathLike) else group)
            for path in _expand(Path(name))
        )
        for split, group in files.items()
    }
    for split, group in paths.items():
        if not split.isidentifier() or not group:
            raise ValueError(
                "Expected every split to have a name of letters, digits and underscores, and a "
                f"file. Received: {split!r}: {[str(path) for path in group]}"
            )
        for path in group:
            if not path.is_file():
                raise FileNotFoundError(f"{path}: no such file (split '{split}')")
        if len(set(group)) < len(group):
            raise ValueError(
                f"Split '{split}': expected every file once. Received: {list(map(str, group))}"
            )
    return paths
