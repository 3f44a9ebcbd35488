"""What a model is trained to predict: the name of a label and what its values are."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

LABEL_KINDS = ("binary", "soft", "regression", "count")
LabelKind: TypeAlias = str


@dataclasses.dataclass(frozen=True)
class Label:
    """A label and what its values are, which decides the loss and the metrics of its task.

    | kind | labels | logit is | loss | predictions |
    |---|---|---|---|---|
    | "binary" | 0 or 1 | log-odds | binary cross-entropy | probabilities |
    | "soft" | in [0, 1] | log-odds | binary cross-entropy | probabilities |
    | "regression" | any finite number | the value | squared error | values |
    | "count" | whole numbers of at least 0 | log of the rate | Poisson | rates |

    Args:
        name: Column name.
        kind: One of the kinds above. Default: "binary".
        weight: What the loss of its task is multiplied by; above 0. Default: 1.
        optional: Whether a row may have no such label, an empty field of a file, null or NaN of a
            table, NaN in a batch: the row counts neither in the task's loss nor in its metrics.
            Default: False.

    Example:

    >>> schema = ke.FeatureSchema(
    ...     [ke.Categorical("item", 100)], label=("click", ke.Label("rating", "regression"))
    ... )
    >>> schema.labels, schema.label_kinds
    (('click', 'rating'), ('binary', 'regression'))

    Raises:
        ValueError: If the name is no text, the kind is unknown, or the weight is not above 0.
    """

    name: str
    kind: LabelKind = "binary"
    weight: float = 1.0
    optional: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise _no_label(self.name)
        if self.kind not in LABEL_KINDS:
            raise ValueError(
                f"Label '{self.name}': expected `kind` to be one of {', '.join(LABEL_KINDS)}. "
                f"Received: kind={self.kind!r}"
            )
        is_number = isinstance(self.weight, int | float) and not isinstance(self.weight, bool)
        if not is_number or not 0 < self.weight < math.inf:
            raise ValueError(
                f"Label '{self.name}': expected `weight` to be a finite number above 0. "
                f"Received: weight={self.weight!r}. A task that shall not be trained is no label"
            )


LabelLike: TypeAlias = str | Label | tuple[str | Label, ...]


def plain_label(label: Any) -> Any:
    """A binary label as its name, which is how it has always been written."""
    if isinstance(label, list | tuple):
        return tuple(map(plain_label, label))
    return label.name if isinstance(label, Label) and label == Label(label.name) else label


def as_labels(label: Any) -> tuple[Label, ...]:
    """The labels that an argument `label` stands for.

    Raises:
        ValueError: If it is neither a name, nor a `Label`, nor a tuple of these.
    """
    labels = label if isinstance(label, list | tuple) else (label,)
    if not labels:
        raise _no_label(label)
    return tuple(one if isinstance(one, Label) else Label(one) for one in labels)


def _no_label(label: Any) -> ValueError:
    advice = f". A column whose name is a number is named as text: '{label}'"
    return ValueError(
        "Expected `label` to be a column name, a Label, or a tuple of these. "
        f"Received: label={label!r} (of type {type(label).__name__})"
        f"{advice if isinstance(label, int) else ''}"
    )


def label_config(label: LabelLike) -> Any:
    """Labels as plain values."""
    if isinstance(label, tuple):
        return tuple(map(label_config, label))
    if not isinstance(label, Label):
        return label
    usual = {"weight": 1.0, "optional": False}
    config = dataclasses.asdict(label)
    return {key: config[key] for key in config if config[key] != usual.get(key)}


def label_from_config(config: Any) -> Any:
    """Labels of plain values, as they were given to `label_config`."""
    if isinstance(config, list | tuple):
        return tuple(map(label_from_config, config))
    if not isinstance(config, Mapping):
        return config
    try:
        return Label(**config)
    except TypeError as error:
        raise ValueError(f"Label {dict(config)}: {error}") from error
