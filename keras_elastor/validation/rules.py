"""What every column of a batch must look like: the one table behind all checks of input.

The conditions are written with operators that mean the same on NumPy arrays and TensorFlow tensors,
so that checks of arrays and checks inside a tf.data pipeline cannot drift apart.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Sequence_
from typing import Any

import keras
import numpy as np

from keras_elastor.schema import Categorical, Embedding, Feature, FeatureSchema, Sequence

# Begins every message, so that it can be found inside the errors of other libraries.
PREFIX = "Bad input:"

_INTEGER = ("int", "uint")
_NUMBER = (*_INTEGER, "float", "bfloat")


@dataclasses.dataclass(frozen=True)
class Rule:
    """What one column of a batch must be.

    Args:
        title: The column as messages name it, e.g. "feature 'item'".
        dtypes: Beginnings of the dtype names that are allowed.
        row_shapes: Allowed shapes of one row; the first one is the canonical one.
        is_bad: Marks wrong values, elementwise.
        expected: Right values in words.
        advice: What to do about wrong values.
    """

    title: str
    dtypes: tuple[str, ...]
    row_shapes: tuple[tuple[int, ...], ...]
    is_bad: Callable[[Any], Any]
    expected: str
    advice: str

    @property
    def holds_ids(self) -> bool:
        """Whether the column holds integers only."""
        return self.dtypes == _INTEGER

    def value_message(self, where: str, value: object) -> str:
        """The message about one wrong value."""
        return (
            f"{PREFIX} {self.title}, {where}: expected {self.expected}. Received: {value}. "
            f"{self.advice}"
        )

    def rows_message(self, rows: object, first: str, received: object) -> str:
        """The message about a number of rows other than that of the column titled `first`."""
        return (
            f"{PREFIX} {self.title}: expected {rows} rows, as many as {first}. "
            f"Received: {received} rows. Every column of a batch must describe the same rows"
        )

    def check_dtype(self, dtype: Any, where: str = "") -> None:
        """Raise ValueError unless a column has the right dtype."""
        try:
            name = keras.backend.standardize_dtype(dtype)
        except ValueError:
            name = str(dtype)
        if not name.startswith(self.dtypes):
            kind = "integers" if self.holds_ids else "numbers"
            cast = "int32" if self.holds_ids else "float32"
            raise ValueError(
                f"{PREFIX} {self.title}{where}: expected {kind}, of dtype {cast}. Received: "
                f"dtype {name}. Encode words with a vocabulary; cast numbers to {cast}"
            )

    def check_form(self, dtype: Any, shape: Any, where: str = "") -> None:
        """Raise ValueError unless a column has the right dtype and shape."""
        self.check_dtype(dtype, where)
        shape = None if getattr(shape, "rank", 0) is None else tuple(shape)
        if shape is None or not shape or shape[1:] not in self.row_shapes:
            wanted = ", ".join(["rows", *map(str, self.row_shapes[0])])
            raise ValueError(
                f"{PREFIX} {self.title}{where}: expected shape ({wanted}). Received: "
                f"shape {shape}. {_shape_advice(shape)}"
            )


def _shape_advice(shape: tuple[int | None, ...] | None) -> str:
    if shape is None or None in shape[1:]:
        return "Make the shape known with tf.ensure_shape in the dataset's map"
    if not shape:
        return "Group the rows into batches, e.g. with dataset.batch(4096)"
    return "Change the schema or the pipeline so that they agree"


def _is_not_finite(values: Any) -> Any:
    # Not `~(abs(values) < inf)`: TensorFlow's graph optimizer turns that into `>=`, false for NaN.
    return (values != values) | (abs(values) == math.inf)


def feature_rule(feature: Feature) -> Rule:
    """What the column of a feature must be."""
    title = f"feature {feature.name!r}"
    if isinstance(feature, Categorical | Sequence):
        size = feature.vocabulary_size
        return Rule(
            title,
            dtypes=_INTEGER,
            row_shapes=((feature.max_length,) if isinstance(feature, Sequence) else (),),
            is_bad=lambda ids: (ids < 0) | (ids >= size),
            expected=f"an id in [0, {size})",
            advice=f"Encode the column with the vocabulary of the schema; unknown values have the "
            f"last id, {size - 1}",
        )
    return Rule(
        title,
        dtypes=_NUMBER,
        row_shapes=((feature.dim,) if isinstance(feature, Embedding) else (),),
        is_bad=_is_not_finite,
        expected="a finite number",
        advice="Fill what is missing or infinite in the pipeline, e.g. with 0",
    )


def _group_rule(name: str) -> Rule:
    return Rule(
        f"group {name!r}",
        dtypes=_INTEGER,
        row_shapes=((),),
        is_bad=lambda groups: groups != groups,
        expected="any integer",
        advice="Number the groups",
    )


# Of each kind of label: least and greatest value, whether only whole numbers, and in words.
_LABELS: dict[str, tuple[float, float, bool, str]] = {
    "binary": (0.0, 1.0, True, "0 or 1"),
    "soft": (0.0, 1.0, False, "a number in [0, 1]"),
    "regression": (-math.inf, math.inf, False, "a finite number"),
    "count": (0.0, math.inf, True, "a whole number of at least 0"),
}


def _is_no_label(labels: Any, kinds: Sequence_[str], optional: Sequence_[bool]) -> Any:
    """Marks labels that are not of their task's kind, nor missing where they may be."""
    # One task may come without an axis of tasks.
    low, high, whole = (
        column[0] if len(column) == 1 else list(column)
        for column in zip(*(_LABELS[kind][:3] for kind in kinds), strict=True)
    )
    with np.errstate(invalid="ignore"):
        is_fraction = labels % 1 != 0
    bad = _is_not_finite(labels) | (labels < low) | (labels > high) | (is_fraction & whole)
    if not any(optional):
        return bad
    required = [not one for one in optional]
    return bad & ((labels == labels) | (required[0] if len(required) == 1 else required))


def _label_rule(schema: FeatureSchema) -> Rule:
    tasks, kinds = schema.num_tasks, schema.label_kinds
    expected = [_LABELS[kind][3] for kind in kinds]
    if len(set(expected)) > 1:
        expected = [f"{name}: {words}" for name, words in zip(schema.labels, expected, strict=True)]
    is_binary = set(kinds) == {"binary"}
    return Rule(
        f"label {', '.join(map(repr, schema.labels))}",
        dtypes=(*_NUMBER, "bool"),
        row_shapes=((), (1,)) if tasks == 1 else ((tasks,),),
        is_bad=lambda labels: _is_no_label(labels, kinds, schema.optional_labels),
        expected="; ".join(dict.fromkeys(expected)),
        advice="Turn the outcome into 0 or 1 in the pipeline and drop rows without one"
        if is_binary
        else "Drop rows without a label, or give it the kind that it has in ke.Label",
    )


_WEIGHT_RULE = Rule(
    "sample weight",
    dtypes=_NUMBER,
    row_shapes=((),),
    is_bad=lambda weights: (weights < 0) | _is_not_finite(weights),
    expected="a finite number of at least 0",
    advice="Give a row that shall not count the weight 0",
)


def check_names(features: Mapping[str, Any], schema: FeatureSchema, where: str = "") -> None:
    """Raise ValueError where a feature is missing or a column is neither feature nor group.

    Args:
        features: A dict by name.
        schema: The schema.
        where: Added to messages, e.g. " (from row 4096 on)".
    """
    missing = [name for name in schema.names if name not in features]
    extra = [name for name in features if name not in (*schema.names, schema.group_column)]
    if missing:
        raise ValueError(
            f"{PREFIX} feature {', '.join(map(repr, missing))} is missing{where}. Expected: "
            f"{', '.join(map(repr, schema.names))}. Received: {', '.join(map(repr, features))}. "
            "Add the column to the batch or take the feature out of the schema"
        )
    if extra:
        raise ValueError(
            f"{PREFIX} column {', '.join(map(repr, extra))} is not in the schema{where}. Expected: "
            f"{', '.join(map(repr, schema.names))}. Drop the column from the batch or add the "
            "feature to the schema"
        )


def pair_with_rules(batch: Any, schema: FeatureSchema, where: str = "") -> list[tuple[Rule, Any]]:
    """Each column of a batch with its rule, in the order of the schema.

    Args:
        batch: Features, (features,), (features, label) or (features, label, sample weight), where
            features is a dict. A label or weight of None counts as absent.
        schema: The schema.
        where: Added to messages, e.g. " (from row 4096 on)".

    Raises:
        ValueError: If the batch has another structure, or a feature is missing or unknown.
    """
    parts = tuple(batch) if isinstance(batch, tuple | list) else (batch,)
    if not 1 <= len(parts) <= 3 or not isinstance(parts[0], Mapping):
        raise ValueError(
            f"{PREFIX} expected a batch{where} to be (features, label[, sample weight]), where "
            "features is a dict of one array per feature. Received: "
            f"({', '.join(type(part).__name__ for part in parts)}). Name the columns in a dict"
        )
    features, label, weight = (*parts, None, None)[:3]
    check_names(features, schema, where)
    pairs = [(feature_rule(feature), features[feature.name]) for feature in schema.features]
    if schema.group_column is not None and schema.group_column in features:
        pairs.append((_group_rule(schema.group_column), features[schema.group_column]))
    if label is not None:
        pairs.append((_label_rule(schema), label))
    if weight is not None:
        pairs.append((_WEIGHT_RULE, weight))
    return pairs
