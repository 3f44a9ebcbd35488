"""Checks of input before and while a model sees it."""

from __future__ import annotations

import contextlib
import copy
import functools
import itertools
import re
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from keras_elastor.schema import FeatureSchema
from keras_elastor.validation.columns import as_features, as_labels, is_split
from keras_elastor.validation.rules import PREFIX, Rule, pair_with_rules
from keras_elastor.validation.tf_guard import guard_tf_dataset


def validate(dataset: Any, schema: FeatureSchema) -> int:
    """Check every row of a dataset against a schema.

    What is right:

    | column | dtype | shape | values |
    |---|---|---|---|
    | `Categorical` | integer | `(rows,)` | `0 <= id < vocabulary_size` |
    | `Sequence` | integer | `(rows, max_length)` | `0 <= id < vocabulary_size` |
    | `Numeric` | float or integer | `(rows,)` | finite |
    | `Embedding` | float or integer | `(rows, dim)` | finite |
    | `schema.group_column` (optional) | integer | `(rows,)` | any |
    | label, one task | float, integer or bool | `(rows,)` or `(rows, 1)` | of its kind |
    | label, several tasks | float, integer or bool | `(rows, tasks)` | of its kind |
    | sample weight (optional) | float or integer | `(rows,)` | finite, at least 0 |

    A label is 0 or 1 unless `ke.Label` gives it another kind.

    Args:
        dataset: A dict of features, or a tuple `(features, label)` or `(features, label,
            sample_weight)`, of NumPy, TensorFlow, JAX or PyTorch arrays; or an iterable of such
            batches: a `tf.data.Dataset`, a `keras.utils.PyDataset`, a list, a generator. A pandas
            or Polars frame of encoded columns is the dict of its columns, a `ke.data.Split` the
            tuple of what it holds.
        schema: What the columns must be.

    Returns:
        The number of rows, 0 for an empty dataset. Batches may be empty.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("item", 50), ke.Numeric("price")])
    >>> features = {"item": np.array([3, 49]), "price": np.array([0.5, 2.0])}
    >>> ke.data.validate((features, np.array([0, 1])), schema)
    2
    >>> features["item"][1] = 50
    >>> ke.data.validate(features, schema)
    Traceback (most recent call last):
        ...
    ValueError: Bad input: feature 'item', row 1: expected an id in [0, 50). Received: 50. Encode \
the column with the vocabulary of the schema; unknown values have the last id, 49

    Raises:
        ValueError: If something is wrong or missing. The message names the column, the row (counted
            from 0 over the whole dataset), the value, what was expected and what to do.
    """
    if is_split(dataset):
        dataset = (dataset.columns, dataset.labels, dataset.weights)
    dataset = _as_arrays(dataset)
    if isinstance(dataset, Mapping | tuple):
        return _check_batch(dataset, schema)
    if not hasattr(dataset, "__iter__") or hasattr(dataset, "shape"):
        raise _no_batches(dataset)
    if _is_tf_dataset(dataset) and int(dataset.cardinality()) == -1:
        raise ValueError(
            f"{PREFIX} expected a dataset that ends. Received: a dataset that repeats for ever. "
            "Validate a part of it, e.g. dataset.take(100)"
        )
    rows = 0
    for batch in dataset:
        rows += _check_batch(batch, schema, first_row=rows)
    return rows


def guard(x: Any, schema: FeatureSchema) -> Any:
    """What `x` is to `fit`, `evaluate` and `predict`, but no wrong value gets through.

    Args:
        x: What a Keras model takes as `x`, or a tuple `(x, y)` or `(x, y, sample_weight)` of
            arrays.
        schema: What the columns must be; see `validate`.

    Returns:
        Arrays, checked now, are returned unchanged, columns of frames as arrays. A
        `tf.data.Dataset`, a `keras.utils.PyDataset`, a `torch.utils.data.DataLoader` and a
        generator are replaced by one of their kind that checks each batch when it passes. Whatever
        else Keras takes (Grain datasets, distributed datasets) is returned unchanged and unchecked.

    Raises:
        ValueError: If `x` is nothing of this kind, arrays are wrong, or a `tf.data.Dataset`
            declares wrong names, dtypes or shapes. Wrong values in a stream raise when they arrive;
            see `readable_errors`.
    """
    x = _as_arrays(x)
    if isinstance(x, Mapping | tuple):
        _check_batch(x, schema)
        return x
    if _is_tf_dataset(x):
        return guard_tf_dataset(x, schema)
    if isinstance(x, keras.utils.PyDataset):
        return _GuardedPyDataset(x, schema)
    if isinstance(x, types.GeneratorType):
        return _guard_generator(x, schema)
    if _is_torch_loader(x):
        loader = copy.copy(x)
        # The one place that sees whole batches in every mode of a loader, in its workers too.
        loader.collate_fn = functools.partial(_collate_and_check, x.collate_fn, schema)
        return loader
    if not hasattr(x, "__iter__") or hasattr(x, "shape") or isinstance(x, list | str | bytes):
        raise _no_batches(x)
    return x


def without_batches(x: Any) -> tuple[Any, bool]:
    """A stream of batches to go on with, and whether it is known to give none.

    Args:
        x: What Keras takes as a stream; the first batch of a generator is drawn.
    """
    if _is_tf_dataset(x):
        return x, int(x.cardinality()) == 0
    if isinstance(x, types.GeneratorType):
        first = list(itertools.islice(x, 1))
        return _chain(first, x), not first
    if isinstance(x, keras.utils.PyDataset):
        return x, x.num_batches == 0
    return x, _is_torch_loader(x) and hasattr(x.dataset, "__len__") and len(x) == 0


def _chain(first: list[Any], rest: Iterator[Any]) -> Iterator[Any]:
    # Keras takes a generator, but no iterator of another type.
    yield from first
    yield from rest


def is_shuffled_by_keras(x: Any) -> bool:
    """Whether `fit` can shuffle `x`: arrays or a `keras.utils.PyDataset` that has an end."""
    if isinstance(x, keras.utils.PyDataset):
        return x.num_batches is not None
    return isinstance(x, Mapping)


def _as_arrays(x: Any) -> Any:
    if not isinstance(x, tuple) or not x:
        return as_features(x)
    parts = (as_features(x[0]), *map(as_labels, x[1:]))
    same = all(part is other for part, other in zip(parts, x, strict=True))
    return x if same else parts


def _no_batches(x: Any) -> ValueError:
    shape = getattr(x, "shape", None)
    length = f" of {len(x)}" if isinstance(x, list) else ""
    return ValueError(
        f"{PREFIX} expected a dict of one array per feature, a pandas or Polars frame with one "
        "column per feature, or batches of those in a tf.data.Dataset, a keras.utils.PyDataset, a "
        "torch DataLoader or a generator. Received: "
        f"{type(x).__name__}{length if shape is None else f' of shape {tuple(shape)}'}. "
        f"{_what_to_write(x)}"
    )


def _what_to_write(x: Any) -> str:
    if is_split(getattr(x, "train", None)):
        return "Its training rows are `data.train`: write model.fit(data.train, batch_size=...)"
    if callable(getattr(x, "dataset", None)):
        return "Write model.fit(rows.dataset(batch_size=4096, shuffle=True))"
    return "Name the columns in a dict"


@contextlib.contextmanager
def readable_errors() -> Iterator[None]:
    """Inside this context, wrong input found in a stream raises a plain ValueError.

    TensorFlow wraps what fails inside a dataset into an `InvalidArgumentError` of many lines. This
    takes the message of `guard` out of it.
    """
    try:
        yield
    except Exception as error:
        text = str(error)
        message = None if text.startswith(PREFIX) else _message_within(text)
        if message is None:
            raise
        raise ValueError(message) from None


def _message_within(text: str) -> str | None:
    """The message of `guard` in the text of another library's error, if there is one."""
    if found := re.search(rf"assertion failed: \[({PREFIX}.*)\]", text):
        # TensorFlow prints the strings of an assertion with C escapes.
        return found[1].encode("latin-1", "backslashreplace").decode("unicode_escape")
    if found := re.search(rf"ValueError: ({PREFIX}.*)", text):
        return found[1]
    return None


def _check_batch(batch: Any, schema: FeatureSchema, first_row: int = 0, of: str = "") -> int:
    """Raise ValueError unless a batch of arrays is right; return its number of rows.

    Args:
        batch: The batch.
        schema: What it must be.
        first_row: What messages call the first row.
        of: Follows the row in messages, e.g. " of batch 3".
    """
    where = f" (from row {first_row}{of} on)"
    first: tuple[Rule, int] | None = None
    for rule, values in pair_with_rules(batch, schema, where):
        if not hasattr(values, "dtype") or not hasattr(values, "shape"):
            raise ValueError(
                f"{PREFIX} {rule.title}{where}: expected an array. Received: "
                f"{type(values).__name__}. Convert it with np.asarray"
            )
        rule.check_form(values.dtype, values.shape, where)
        first = first or (rule, len(values))
        if len(values) != first[1]:
            raise ValueError(rule.rows_message(first[1], first[0].title, len(values)))
        array = _as_numpy(values)
        bad = rule.is_bad(array)
        if bad.any():
            row, *position = np.unravel_index(np.argmax(bad), bad.shape)
            place = ", position ".join(map(str, [first_row + row, *position]))
            raise ValueError(rule.value_message(f"row {place}{of}", array[row, *position]))
    return first[1] if first else 0


def _as_numpy(values: Any) -> Any:
    # Not keras.ops.convert_to_numpy: it copies, knows tensors of one backend only, and warns on
    # PyTorch with NumPy 2.
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.float() if "bfloat16" in str(values.dtype) else values
    return np.asarray(values)


def _guard_generator(batches: Iterator[Any], schema: FeatureSchema) -> Iterator[Any]:
    rows = 0
    for batch in batches:
        rows += _check_batch(batch, schema, first_row=rows)
        yield batch


def _collate_and_check(collate: Callable[[Any], Any], schema: FeatureSchema, samples: Any) -> Any:
    batch = collate(samples)
    _check_batch(batch, schema, of=" of a batch")
    return batch


class _GuardedPyDataset(keras.utils.PyDataset):
    """A PyDataset that checks the batches of another one."""

    def __init__(self, dataset: keras.utils.PyDataset, schema: FeatureSchema) -> None:
        super().__init__(
            workers=dataset.workers,
            use_multiprocessing=dataset.use_multiprocessing,
            max_queue_size=dataset.max_queue_size,
        )
        self._dataset = dataset
        self._schema = schema

    def __getitem__(self, index: int) -> Any:
        batch = self._dataset[index]
        _check_batch(batch, self._schema, of=f" of batch {index}")
        return batch

    @property
    def num_batches(self) -> int | None:
        batches: int | None = self._dataset.num_batches
        return batches

    def on_epoch_begin(self) -> None:
        self._dataset.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self._dataset.on_epoch_end()


def _is_tf_dataset(x: Any) -> bool:
    # Whoever holds such a dataset has imported TensorFlow; we must not.
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(x, tensorflow.data.Dataset)


def _is_torch_loader(x: Any) -> bool:
    data = sys.modules.get("torch.utils.data")
    return data is not None and isinstance(x, data.DataLoader)
