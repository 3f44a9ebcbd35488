"""What a table of impressions looks like: the only place that knows column names.

A schema is an ordered, immutable list of features with the name of the label and, for group-wise
metrics, of the group. Models read from it which inputs to make and which embedding rows to hold;
the data pipeline reads from it what a batch must contain.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any, TypeAlias

from keras_elastor.label import (
    Label,
    LabelKind,
    LabelLike,
    as_labels,
    label_config,
    label_from_config,
    plain_label,
)
from keras_elastor.utils.saving import register


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _require_name(kind: str, name: object) -> None:
    if not _is_name(name):
        raise ValueError(
            f"A {kind} feature needs a non-empty string as its name. "
            f"Received: name={name!r} (of type {type(name).__name__})"
        )
    if "\0" in str(name):
        raise ValueError(
            f"A {kind} feature needs a name without the character NUL, which no file of weights "
            f"can hold. Received: name={name!r}. Rename the column"
        )


def _require_at_least(kind: str, name: str, argument: str, value: object, minimum: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ValueError(
            f"{kind} feature '{name}': expected `{argument}` to be an integer of at least "
            f"{minimum}. Received: {argument}={value!r} (of type {type(value).__name__})"
        )


def _require_table(kind: str, name: str, table: object) -> None:
    if table is not None and not _is_name(table):
        raise ValueError(
            f"{kind} feature '{name}': expected `table` to be None or a non-empty string. "
            f"Received: table={table!r} (of type {type(table).__name__})"
        )


@dataclasses.dataclass(frozen=True)
class Numeric:
    """A number per row, shape `(batch,)`, float32.

    Args:
        name: Column name.
    """

    name: str

    def __post_init__(self) -> None:
        _require_name("Numeric", self.name)


@dataclasses.dataclass(frozen=True)
class Categorical:
    """One id per row, shape `(batch,)`, int32 in `[0, vocabulary_size)`.

    Args:
        name: Column name.
        vocabulary_size: Number of embedding rows, padding (id 0) and out-of-vocabulary (last id)
            included; at least 1.
        table: Name of the embedding table. Features that name one table share it. Default: the
            feature's own name.
    """

    name: str
    vocabulary_size: int
    table: str | None = None

    def __post_init__(self) -> None:
        _require_name("Categorical", self.name)
        _require_at_least("Categorical", self.name, "vocabulary_size", self.vocabulary_size, 1)
        _require_table("Categorical", self.name, self.table)

    @property
    def table_name(self) -> str:
        """Name of the embedding table that holds this feature's rows."""
        return self.table or self.name


@dataclasses.dataclass(frozen=True)
class Sequence:
    """A history of ids per row, shape `(batch, max_length)`, int32, padded with 0.

    Args:
        name: Column name.
        vocabulary_size: Number of embedding rows, as for `Categorical`; at least 1.
        max_length: Number of positions; at least 1.
        table: Name of the embedding table, as for `Categorical`. A history of items usually names
            the item's table.
    """

    name: str
    vocabulary_size: int
    max_length: int
    table: str | None = None

    def __post_init__(self) -> None:
        _require_name("Sequence", self.name)
        _require_at_least("Sequence", self.name, "vocabulary_size", self.vocabulary_size, 1)
        _require_at_least("Sequence", self.name, "max_length", self.max_length, 1)
        _require_table("Sequence", self.name, self.table)

    @property
    def table_name(self) -> str:
        """Name of the embedding table that holds this feature's rows."""
        return self.table or self.name


@dataclasses.dataclass(frozen=True)
class Embedding:
    """A pretrained vector that arrives with the row, shape `(batch, dim)`, float32.

    Args:
        name: Column name.
        dim: Length of the vector; at least 1.
    """

    name: str
    dim: int

    def __post_init__(self) -> None:
        _require_name("Embedding", self.name)
        _require_at_least("Embedding", self.name, "dim", self.dim, 1)


Feature: TypeAlias = Numeric | Categorical | Sequence | Embedding
_FEATURE_TYPES = {cls.__name__: cls for cls in (Numeric, Categorical, Sequence, Embedding)}


@register
@dataclasses.dataclass(frozen=True)
class FeatureSchema:
    """The ordered features of a table of impressions, its label and its group.

    Args:
        features: The features, in the order in which models see the fields. Their names may hold
            any character but NUL.
        label: Name of the label column, 0 or 1; a `Label` where it is of another kind; or a tuple
            of these, one per task.
        group: Name of the column that group-wise metrics (gAUC) group by, usually the user; None
            without one. It may be a feature or a column that no model sees; see `group_column`.

    Example:

    >>> schema = ke.FeatureSchema(
    ...     [
    ...         ke.Categorical("user", vocabulary_size=1000),
    ...         ke.Categorical("item", vocabulary_size=500),
    ...         ke.Sequence("history", vocabulary_size=500, max_length=20, table="item"),
    ...         ke.Numeric("price"),
    ...     ],
    ...     label="click",
    ...     group="user",
    ... )
    >>> schema.table_sizes
    {'user': 1000, 'item': 500}
    >>> ke.FeatureSchema.from_json(schema.to_json()) == schema
    True

    Raises:
        ValueError: If no feature, two features of one name, a table shared with another size, a
            label that is also a feature, or an argument of another type. The message names the
            feature, what was expected and what was received.
    """

    features: tuple[Feature, ...]
    label: LabelLike = "label"
    group: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.features, str) or not isinstance(self.features, Iterable):
            raise ValueError(
                "A FeatureSchema needs a list of features. "
                f"Received: features={self.features!r} (of type {type(self.features).__name__})"
            )
        object.__setattr__(self, "features", tuple(self.features))
        object.__setattr__(self, "label", plain_label(self.label))
        self._check_features()
        self._check_label_and_group()

    def _check_features(self) -> None:
        if not self.features:
            raise ValueError(
                "A FeatureSchema needs at least one feature. Received: features=[]. "
                "Expected a list such as [ke.Categorical('item', 1000), ke.Numeric('price')]"
            )
        seen: dict[str, Feature] = {}
        tables: dict[str, Categorical | Sequence] = {}
        for feature in self.features:
            if not isinstance(feature, tuple(_FEATURE_TYPES.values())):
                raise ValueError(
                    "Expected every feature to be one of "
                    f"{', '.join(_FEATURE_TYPES)}. Received: {feature!r} "
                    f"(of type {type(feature).__name__})"
                )
            if feature.name in seen:
                raise ValueError(
                    f"Feature '{feature.name}': expected every feature to have a name of its own. "
                    f"Received two of that name: {seen[feature.name]} and {feature}"
                )
            seen[feature.name] = feature
            if isinstance(feature, Categorical | Sequence):
                first = tables.setdefault(feature.table_name, feature)
                if first.vocabulary_size != feature.vocabulary_size:
                    raise ValueError(
                        f"Feature '{feature.name}' shares table '{feature.table_name}' with "
                        f"feature '{first.name}': expected vocabulary_size="
                        f"{first.vocabulary_size}. Received: vocabulary_size="
                        f"{feature.vocabulary_size}"
                    )

    def _check_label_and_group(self) -> None:
        for name in self.labels:
            if self.labels.count(name) > 1:
                raise ValueError(
                    f"Label '{name}': expected every label to have a name of its own. "
                    f"Received: label={self.label!r}"
                )
            if name in self.names:
                raise ValueError(
                    f"Feature '{name}': expected no feature to be the label, or the model sees "
                    f"the answer. Received: label={self.label!r}"
                )
        if self.group is not None and not _is_name(self.group):
            raise ValueError(
                "Expected `group` to be None or a column name. "
                f"Received: group={self.group!r} (of type {type(self.group).__name__})"
            )
        if self.group in self.labels:
            raise ValueError(
                "Expected `group` to be another column than the label. "
                f"Received: group={self.group!r}, label={self.label!r}"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels, one per task."""
        return tuple(label.name for label in self._labels)

    @property
    def label_kinds(self) -> tuple[LabelKind, ...]:
        """Kinds of the labels, one per task; see `Label`."""
        return tuple(label.kind for label in self._labels)

    @property
    def label_weights(self) -> tuple[float, ...]:
        """Weights of the tasks in the loss, one per task; see `Label`."""
        return tuple(label.weight for label in self._labels)

    @property
    def optional_labels(self) -> tuple[bool, ...]:
        """Whether a row may lack the label, one per task; see `Label`."""
        return tuple(label.optional for label in self._labels)

    @property
    def _labels(self) -> tuple[Label, ...]:
        return as_labels(self.label)

    @property
    def num_tasks(self) -> int:
        """Number of labels, which is the width of the model's logits."""
        return len(self.labels)

    @property
    def group_column(self) -> str | None:
        """Name under which a batch may carry the group of each row for group-wise metrics.

        A group that is no feature travels under its own name. A group that is a feature is encoded
        there by a vocabulary which maps all unseen values to one id, so its exact value travels
        beside it, as an integer tensor `(batch,)` named `<group>_group`; models drop it.
        """
        if self.group is None:
            return None
        return f"{self.group}_group" if self.group in self.names else self.group

    @property
    def table_sizes(self) -> dict[str, int]:
        """Rows of each embedding table, in the order in which the features first name them."""
        return {
            feature.table_name: feature.vocabulary_size
            for feature in self.features
            if isinstance(feature, Categorical | Sequence)
        }

    def __getitem__(self, name: str) -> Feature:
        for feature in self.features:
            if feature.name == name:
                return feature
        raise KeyError(f"No feature '{name}' in this schema. It has: {', '.join(self.names)}")

    def get_config(self) -> dict[str, Any]:
        """Plain values from which `from_config` makes an equal schema."""
        features = [
            {"type": type(feature).__name__, **dataclasses.asdict(feature)}
            for feature in self.features
        ]
        return {"features": features, "label": label_config(self.label), "group": self.group}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FeatureSchema:
        """Make a schema from `get_config`'s values.

        Raises:
            ValueError: If a key is missing or unknown, or a value is wrong.
        """
        fields = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(config, dict) or set(config) != fields:
            received = sorted(config) if isinstance(config, dict) else repr(config)
            raise ValueError(
                f"Expected a schema with the keys {sorted(fields)}. Received: {received}"
            )
        features = [cls._feature_from_config(feature) for feature in config["features"]]
        return cls(tuple(features), label_from_config(config["label"]), config["group"])

    @staticmethod
    def _feature_from_config(config: dict[str, Any]) -> Feature:
        arguments = dict(config)
        kind = arguments.pop("type", None)
        if kind not in _FEATURE_TYPES:
            raise ValueError(
                f"Expected the type of a feature to be one of {', '.join(_FEATURE_TYPES)}. "
                f"Received: type={kind!r} in {config}"
            )
        try:
            feature: Feature = _FEATURE_TYPES[kind](**arguments)
        except TypeError as error:
            raise ValueError(f"Feature {config}: {error}") from error
        return feature

    def to_json(self) -> str:
        """The schema as readable JSON."""
        return json.dumps(self.get_config(), indent=2)

    @classmethod
    def from_json(cls, text: str) -> FeatureSchema:
        """Read what `to_json` wrote.

        Raises:
            ValueError: If the text is not JSON or not a schema.
        """
        return cls.from_config(json.loads(text))
