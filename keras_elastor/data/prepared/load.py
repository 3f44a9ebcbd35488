"""From prepared data to batches."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

from keras_elastor.data.prepared import storage
from keras_elastor.data.prepared.blocks import shard_name
from keras_elastor.data.prepared.manifest import Manifest
from keras_elastor.utils.tensorflow import import_tensorflow, without_autograph

Dataset: TypeAlias = Any

# Rows are mixed inside a window of so many blocks, which come from all shards that are open.
_WINDOW_BLOCKS = 128
_OPEN_SHARDS = 16


def load(
    folder: str | os.PathLike[str],
    split: str,
    batch_size: int,
    shuffle: bool = False,
    seed: int | None = None,
    drop_remainder: bool = False,
    reshuffle: bool = True,
    worker: tuple[int, int] = (0, 1),
    with_group: bool = False,
) -> Dataset:
    """Read prepared data as a `tf.data.Dataset` of `(features, label)` batches.

    Every pass over the dataset gives every row exactly once, except for those that
    `drop_remainder` drops. With `shuffle`, every pass has another order: that of the shards, of the
    blocks of the 16 shards that are open at a time, and of the rows inside a window of 131,072 rows
    of such blocks. A split of at most that many rows is mixed completely.

    Args:
        folder: What `ke.data.prepare` wrote: a folder, or its address on a bucket, such as
            `gs://bucket/folder`, which TensorFlow reads by its file systems. `ke.datasets.load`
            takes the names of datasets.
        split: Name of the split.
        batch_size: Rows per batch.
        shuffle: Whether to mix the rows. Default: in the order of the files.
        seed: Makes the orders of a shuffled dataset the same in every run. Default: others.
        drop_remainder: Whether to drop a last batch of fewer than `batch_size` rows, so that every
            batch has one shape.
        reshuffle: Whether every pass over a shuffled dataset has another order. Default: yes.
        worker: Index and number of the workers that share an epoch; each reads shards of its own.
        with_group: Whether the group of each row travels with the features, under
            `schema.group_column`, as `ke.evaluate` needs it for gAUC. Default: no, a batch holds
            features only.

    Returns:
        The dataset; its cardinality is known. A batch is `(features, label)`, or
        `(features, label, weight)` where the recipe names a weight. `features` is a dict of a
        tensor per feature: `(batch,)` int32 or float32, `(batch, max_length)` int32 for histories.
        `label` is `(batch,)` float32, or `(batch, tasks)`. With JAX or PyTorch as the backend,
        TensorFlow is kept off accelerators.

    Example: see `ke.data.prepare`.

    Raises:
        FileNotFoundError: If the folder holds no prepared data, or not all of it.
        ValueError: If the split is unknown, an argument is wrong, or there are more workers than
            shards.
        ImportError: TensorFlow is not installed.
    """
    manifest = Manifest.load(folder)
    if split not in manifest.splits:
        raise ValueError(
            f"{folder}: expected `split` to be one of {', '.join(manifest.splits)}. "
            f"Received: split={split!r}"
        )
    if batch_size < 1:
        raise ValueError(f"Expected batch_size >= 1. Received: batch_size={batch_size!r}")
    index, count = worker
    shards = manifest.splits[split].shards
    if not 0 <= index < count or count > len(shards):
        raise ValueError(
            f"Expected `worker` to be (index, number) with 0 <= index < number <= {len(shards)}, "
            f"the number of shards of split '{split}'. Received: worker={worker!r}. Prepare the "
            "data with smaller `segment_bytes` for more shards"
        )
    paths = [
        storage.join(folder, shard_name(split, number, len(shards), manifest.name))
        for number in range(index, len(shards), count)
    ]
    storage.require_sizes(paths, [shard.num_bytes for shard in shards[index::count]])
    rows = sum(shard.rows for shard in shards[index::count])
    layout = manifest.layout
    tf = import_tensorflow()
    windows = _windows(tf, paths, layout, shuffle, seed, reshuffle)
    batches = windows.rebatch(batch_size, drop_remainder=drop_remainder).map(
        without_autograph(lambda matrices: layout.unpack(matrices, with_group)),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    cardinality = rows // batch_size if drop_remainder else -(-rows // batch_size)
    return batches.apply(tf.data.experimental.assert_cardinality(cardinality)).prefetch(
        tf.data.AUTOTUNE
    )


def _windows(
    tf: Any, paths: list[str], layout: Any, shuffle: bool, seed: int | None, reshuffle: bool
) -> Dataset:
    """Matrices of the rows of a window of blocks, mixed or in order."""
    files = tf.data.Dataset.from_tensor_slices(paths)
    if not shuffle:
        blocks = tf.data.TFRecordDataset(files)
        return blocks.batch(_WINDOW_BLOCKS).map(
            without_autograph(layout.parse), num_parallel_calls=tf.data.AUTOTUNE
        )
    blocks = files.shuffle(len(paths), seed, reshuffle).interleave(
        tf.data.TFRecordDataset,
        cycle_length=min(_OPEN_SHARDS, len(paths)),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=seed is not None,
    )
    windows = blocks.shuffle(_WINDOW_BLOCKS, seed, reshuffle).batch(_WINDOW_BLOCKS)
    keys = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=reshuffle).batch(2)

    def mix(records: Any, key: Any) -> dict[str, Any]:
        matrices = layout.parse(records)
        rows = tf.range(tf.shape(matrices["floats"])[0])
        order = tf.random.experimental.stateless_shuffle(rows, key)
        return {name: tf.gather(matrix, order) for name, matrix in matrices.items()}

    return tf.data.Dataset.zip(windows, keys).map(
        without_autograph(mix), num_parallel_calls=tf.data.AUTOTUNE
    )
