"""Encoded rows as TFRecord files of blocks, which TensorFlow Datasets reads, too."""

from __future__ import annotations

import dataclasses
import errno
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_elastor.data.recipe import Recipe
from keras_elastor.schema import Categorical, Embedding, FeatureSchema, Sequence
from keras_elastor.utils.files import atomic_path
from keras_elastor.utils.optional import import_optional
from keras_elastor.utils.tensorflow import import_tensorflow, without_autograph

BLOCK_ROWS = 1024
DATASET = "impressions"


@dataclasses.dataclass(frozen=True)
class BlockLayout:
    """Where each column lies in the two matrices of a block.

    A record is a block of up to 1,024 rows in two matrices, `integers` (ids, histories, group) and
    `floats` (numbers, labels, weight): a record per row is ten times slower to read, and an array
    per column three times.

    Args:
        schema: The features.
        has_weight: Whether the rows have sample weights.
        has_wide_group: Whether the group is an integer of 64 bits, which takes two columns.
    """

    schema: FeatureSchema
    has_weight: bool = False
    has_wide_group: bool = False

    @classmethod
    def of(cls, schema: FeatureSchema, recipe: Recipe) -> BlockLayout:
        """The layout of the rows that a recipe gives."""
        return cls(schema, recipe.weight is not None, recipe.group_dtype == "string")

    @property
    def integers(self) -> dict[str, int]:
        """Width of each column of integers, in order."""
        widths = {
            feature.name: feature.max_length if isinstance(feature, Sequence) else 1
            for feature in self.schema.features
            if isinstance(feature, Categorical | Sequence)
        }
        group = self.schema.group_column
        return widths if group is None else {**widths, group: 1 + self.has_wide_group}

    @property
    def floats(self) -> dict[str, int]:
        """Width of each column of floats, in order; labels and weight have names of their own."""
        widths = {
            feature.name: feature.dim if isinstance(feature, Embedding) else 1
            for feature in self.schema.features
            if not isinstance(feature, Categorical | Sequence)
        }
        widths["/labels"] = self.schema.num_tasks
        return {**widths, "/weight": 1} if self.has_weight else widths

    def pack(
        self, features: Mapping[str, np.ndarray], labels: np.ndarray, weight: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """The matrices of some rows, `(rows, width)` int32 and float32."""
        columns = {**features, "/labels": labels}
        if self.has_wide_group and self.schema.group_column is not None:
            columns[self.schema.group_column] = columns[self.schema.group_column].view(np.int32)
        if weight is not None:
            columns["/weight"] = weight
        rows = len(labels)
        matrices = {}
        for name, widths, dtype in self._matrices():
            parts = [columns[column].reshape(rows, width) for column, width in widths.items()]
            matrices[name] = np.empty((rows, sum(widths.values())), dtype)
            # Block by block a cache holds what is being written: twice as fast as all at once.
            for start in range(0, rows, BLOCK_ROWS):
                block = slice(start, start + BLOCK_ROWS)
                np.concatenate([part[block] for part in parts], axis=1, out=matrices[name][block])
        return matrices

    def unpack(self, matrices: Mapping[str, Any], with_group: bool = False) -> tuple[Any, ...]:
        """`(features, label)` or `(features, label, weight)` of matrices as TensorFlow tensors.

        Args:
            matrices: What `parse` gave.
            with_group: Whether the group is among the features, where there is one.
        """
        tf = import_tensorflow()
        columns: dict[str, Any] = {}
        for name, widths, _ in self._matrices():
            pieces = tf.split(matrices[name], list(widths.values()), axis=1)
            columns.update(zip(widths, pieces, strict=True))
        wide = {
            feature.name
            for feature in self.schema.features
            if isinstance(feature, Sequence | Embedding)
        }
        features = {
            name: columns[name] if name in wide else columns[name][:, 0]
            for name in self.schema.names
        }
        group = self.schema.group_column
        if with_group and group is not None:
            is_wide = self.has_wide_group
            features[group] = (
                tf.bitcast(columns[group], tf.int64) if is_wide else columns[group][:, 0]
            )
        label = columns["/labels"] if self.schema.num_tasks > 1 else columns["/labels"][:, 0]
        weight = (columns["/weight"][:, 0],) if self.has_weight else ()
        return (features, label, *weight)

    def parse(self, records: Any) -> dict[str, Any]:
        """The matrices of several records, `(records,)` strings, one below the other."""
        tf = import_tensorflow()
        text = tf.io.FixedLenFeature([], tf.string)
        parsed = tf.io.parse_example(records, {name: text for name, _, _ in self._matrices()})
        return {
            name: tf.reshape(
                # The bytes of blocks one after another are those of their rows.
                tf.io.decode_raw(tf.strings.reduce_join(parsed[name]), dtype),
                (-1, sum(widths.values())),
            )
            for name, widths, dtype in self._matrices()
        }

    def _matrices(self) -> list[tuple[str, dict[str, int], Any]]:
        matrices = [("integers", self.integers, np.int32), ("floats", self.floats, np.float32)]
        return [matrix for matrix in matrices if matrix[1]]

    def describe(self) -> dict[str, dict[str, list[int]]]:
        """Range of each column in its matrix, for readers without this package."""
        described = {}
        for name, widths, _ in self._matrices():
            ends = np.cumsum(list(widths.values())).tolist()
            described[name] = {
                column: [end - width, end]
                for (column, width), end in zip(widths.items(), ends, strict=True)
            }
        return described

    def tfds_features(self) -> Any:
        """The features of a record for TensorFlow Datasets."""
        tfds = import_optional("tensorflow_datasets", extra="data")
        return tfds.features.FeaturesDict(
            {
                name: tfds.features.Tensor(
                    shape=(None, sum(widths.values())), dtype=dtype, encoding="bytes"
                )
                for name, widths, dtype in self._matrices()
            }
        )


def write_blocks(path: Path, matrices: Mapping[str, np.ndarray]) -> int:
    """Write rows as a TFRecord file of blocks; equal rows give equal bytes.

    Returns:
        The number of bytes of the file.

    Raises:
        DiskError: If the disk refuses.
    """
    tf = import_tensorflow()
    with atomic_path(path) as temporary:
        try:
            with tf.io.TFRecordWriter(os.fspath(temporary)) as writer:
                for block in split_into_blocks(matrices):
                    writer.write(_record(tf, block))
        except tf.errors.OpError as error:
            # TensorFlow tells what the system says in its text alone.
            text = str(error)
            said = (number for number in errno.errorcode if os.strerror(number) in text)
            raise OSError(next(said, errno.EIO), text) from error
    return path.stat().st_size


def _record(tf: Any, block: Mapping[str, np.ndarray]) -> bytes:
    features = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[matrix.tobytes()]))
        for name, matrix in block.items()
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    record: bytes = example.SerializeToString(deterministic=True)
    return record


def split_into_blocks(matrices: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    """The matrices of each block of some rows."""
    rows = len(next(iter(matrices.values())))
    for start in range(0, rows, BLOCK_ROWS):
        yield {name: matrix[start : start + BLOCK_ROWS] for name, matrix in matrices.items()}


def read_blocks(paths: Iterable[str], layout: BlockLayout) -> Iterator[dict[str, np.ndarray]]:
    """The matrices of each block of some files, one after another."""
    tf = import_tensorflow()
    blocks = tf.data.TFRecordDataset(list(paths)).batch(1)
    matrices = blocks.map(without_autograph(layout.parse), num_parallel_calls=tf.data.AUTOTUNE)
    yield from matrices.prefetch(tf.data.AUTOTUNE).as_numpy_iterator()


def num_blocks(rows: int) -> int:
    """Records of a file of so many rows."""
    return math.ceil(rows / BLOCK_ROWS)


def shard_name(split: str, shard: int, num_shards: int, dataset: str = DATASET) -> str:
    """Name of one file of a split, as TensorFlow Datasets has it."""
    return f"{dataset}-{split}.tfrecord-{shard:05d}-of-{num_shards:05d}"


def write_tfds_metadata(
    data_dir: Path, layout: BlockLayout, shards: Mapping[str, Iterable[tuple[int, int]]]
) -> None:
    """Write the files by which `tfds.builder_from_directory` knows a dataset.

    Args:
        data_dir: Folder of the shards.
        layout: Of their blocks.
        shards: Rows and bytes of each shard, by split.
    """
    tfds = import_optional("tensorflow_datasets", extra="data")
    splits = [
        tfds.core.SplitInfo(
            name=split,
            shard_lengths=[num_blocks(rows) for rows, _ in sizes],
            num_bytes=sum(size for _, size in sizes),
            filename_template=tfds.core.ShardedFileTemplate(
                data_dir=data_dir, dataset_name=DATASET, split=split, filetype_suffix="tfrecord"
            ),
        )
        for split, sizes in ((split, list(sizes)) for split, sizes in shards.items())
    ]
    tfds.folder_dataset.write_metadata(
        data_dir=data_dir,
        features=layout.tfds_features(),
        split_infos=splits,
        check_data=False,
    )
