"""Encoded rows in memory and the batches they are read in."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.utils.tensorflow import import_tensorflow, without_autograph

Dataset: TypeAlias = Any


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Encoded rows in memory, such as the training days of a log.

    Args:
        features: One array per feature with the rows along the first axis.
        labels: `(rows,)` for one task, `(rows, tasks)` for several, float32.
        weights: Sample weights, `(rows,)` float32, or None.
        group: Where the schema has a group, that of each row, for evaluation: a dict of one array,
            whose name is `schema.group_column`. Default: {}.

    Example:

    >>> split = ke.data.Split({"item": np.array([3, 1, 2], "int32")}, np.ones(3, "float32"))
    >>> len(split)
    3
    >>> for features, labels in split.dataset(batch_size=2):
    ...     print(features["item"].numpy(), labels.numpy())
    [3 1] [1. 1.]
    [2] [1.]

    Raises:
        ValueError: If an array holds another number of rows than the labels.
    """

    features: dict[str, np.ndarray]
    labels: np.ndarray
    weights: np.ndarray | None = None
    group: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.weights is not None and len(self.weights) != len(self.labels):
            raise ValueError(
                f"Expected {len(self.labels)} weights, one per label. Received: {len(self.weights)}"
            )
        for name, values in self.columns.items():
            if len(values) != len(self.labels):
                kind = "Group" if name in self.group else "Feature"
                raise ValueError(
                    f"{kind} '{name}': expected {len(self.labels)} rows, one per label. "
                    f"Received: {len(values)}"
                )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """The features and, where there is one, the group."""
        return {**self.features, **self.group}

    def dataset(
        self,
        batch_size: int,
        shuffle: bool = False,
        seed: int | None = None,
        drop_remainder: bool = False,
        reshuffle: bool = True,
        with_group: bool = False,
    ) -> Dataset:
        """Read the rows as a `tf.data.Dataset` of `(features, labels)`.

        With weights, batches are `(features, labels, weights)`.

        Every pass over the dataset gives every row exactly once, except for the rows that
        `drop_remainder` drops.

        Args:
            batch_size: Rows per batch.
            shuffle: Whether to mix all rows. Default: in order.
            seed: Makes the orders of a shuffled dataset the same in every run. Default: others.
            drop_remainder: Whether to drop a last batch of fewer than `batch_size` rows, so that
                every batch has one shape.
            reshuffle: Whether every pass over a shuffled dataset has another order. Default: yes.
            with_group: Whether the group travels with the features, as `ke.evaluate` needs it for
                gAUC. Default: no, a batch holds features only.

        Returns:
            The dataset; its cardinality is known. `features` is a dict of one tensor per feature.
            In `model.fit(dataset, shuffle=False)` the argument keeps Keras from warning that it
            leaves the order of a dataset alone.

        Raises:
            ImportError: TensorFlow is not installed.
            ValueError: If `batch_size` is below 1.
        """
        if batch_size < 1:
            raise ValueError(f"Expected batch_size >= 1. Received: batch_size={batch_size!r}")
        tf = import_tensorflow()
        keys = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=reshuffle)
        indices = _index_batches(
            tf, len(self), batch_size, keys if shuffle else None, drop_remainder
        )
        gather_features = _gatherer(tf, self.columns if with_group else self.features)
        targets = {"labels": self.labels}
        if self.weights is not None:
            targets["weights"] = self.weights
        gather_targets = _gatherer(tf, targets)
        return indices.map(
            without_autograph(
                lambda batch: (gather_features(batch), *gather_targets(batch).values())
            ),
            num_parallel_calls=tf.data.AUTOTUNE,
        ).prefetch(tf.data.AUTOTUNE)


def _index_batches(
    tf: Any, rows: int, batch_size: int, keys: Dataset | None, drop_remainder: bool
) -> Dataset:
    """Row numbers in batches, `(batch,)` int64; one permutation per pass, cut into slices.

    The permutation follows from random `keys`; without them rows stay in order.
    `Dataset.range(rows).shuffle(rows)` would handle every row on its own, ten times slower.
    """
    num_batches = rows // batch_size if drop_remainder else -(-rows // batch_size)
    static_size = batch_size if drop_remainder else None

    in_order = tf.data.Dataset.from_tensors(tf.range(rows, dtype=tf.int64))

    def shuffled(order: Any, key: Any) -> Any:
        return tf.random.experimental.stateless_shuffle(order, key)

    def cut(order: Any) -> Dataset:
        return tf.data.Dataset.range(num_batches).map(
            without_autograph(
                lambda i: tf.ensure_shape(
                    order[i * batch_size : (i + 1) * batch_size], (static_size,)
                )
            )
        )

    if keys is not None:
        in_order = tf.data.Dataset.zip(in_order, keys.batch(2)).map(without_autograph(shuffled))
    batches = in_order.flat_map(without_autograph(cut))
    return batches.apply(tf.data.experimental.assert_cardinality(num_batches))


def _gatherer(tf: Any, arrays: dict[str, np.ndarray]) -> Callable[[Any], dict[str, Any]]:
    """A function from row numbers to these rows of every array.

    Arrays of one type lie side by side in one matrix, so that a row is read in one piece: three
    times faster than one gather per array for 38 arrays and batches of 4,096.
    """
    names_of_type: dict[Any, list[str]] = {}
    for name, values in arrays.items():
        names_of_type.setdefault(values.dtype, []).append(name)
    widths = {name: math.prod(values.shape[1:]) for name, values in arrays.items()}
    matrices = [
        tf.constant(
            np.concatenate([arrays[name].reshape(-1, widths[name]) for name in names], axis=1)
        )
        for names in names_of_type.values()
    ]

    def gather(batch: Any) -> dict[str, Any]:
        columns: dict[str, Any] = {}
        for names, matrix in zip(names_of_type.values(), matrices, strict=True):
            pieces = tf.split(tf.gather(matrix, batch), [widths[name] for name in names], axis=1)
            columns.update(zip(names, pieces, strict=True))
        return {
            name: tf.reshape(columns[name], (-1, *values.shape[1:]))
            for name, values in arrays.items()
        }

    return gather
