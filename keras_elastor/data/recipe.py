"""How the columns of raw files become features: what a person writes down once per dataset."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any

from keras_elastor.data.columns.all_columns import (
    COLUMN_TYPES,
    IdColumn,
    NumericColumn,
    PretrainedColumn,
    RecipeColumn,
    SequenceColumn,
    sources_of,
)
from keras_elastor.data.columns.date_column import DateColumn
from keras_elastor.data.vocabularies.vocabulary import Vocabulary
from keras_elastor.label import (
    Label,
    LabelKind,
    LabelLike,
    as_labels,
    label_config,
    label_from_config,
    plain_label,
)
from keras_elastor.schema import Categorical, Embedding, Feature, FeatureSchema, Numeric, Sequence
from keras_elastor.utils.plain_values import check_keys, suggest

GROUP_DTYPES = ("integer", "string")


def _is_marker(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


@dataclasses.dataclass(frozen=True)
class Recipe:
    r"""How the columns of raw files become features, label, group and weight.

    Args:
        columns: One per feature, in the order in which models see the fields; a `DateColumn` stands
            for one per part.
        label: Column of the label, 0 or 1; a `ke.Label` where it is of another kind; or several,
            one per task.
        group: Column for group-wise metrics (gAUC), usually the user.
        weight: Column of sample weights of at least 0.
        separator: Stands between the fields of a text file. Where it is of several letters, such as
            "::", quotes are letters as any other. Default: ",".
        file_columns: Names of the columns of text files whose first line is not a header. Default:
            the first line names them.
        null_values: Texts that stand for a missing value, such as "NULL", "NA" or "\N". Default:
            (), an empty field alone.
        trim: Whether blanks around text are left out. Default: False, they are a part of it.
        group_dtype: What the group is: "integer" (default), whole numbers of 32 bits, which are
            kept as they are; or "string", values of any type by their text, each of which becomes
            a number of 64 bits that is the same everywhere.

    Example:

    >>> recipe = ke.data.Recipe(
    ...     [
    ...         ke.data.CategoricalColumn("item", min_count=2),
    ...         ke.data.SequenceColumn("history", max_length=20, table="item"),
    ...         ke.data.NumericColumn("price"),
    ...     ],
    ...     label="click",
    ... )
    >>> ke.data.Recipe.from_json(recipe.to_json()) == recipe
    True

    Raises:
        ValueError: If no column, two of one name, a label that is also a feature or read by one, or
            an argument of another kind.
    """

    columns: tuple[RecipeColumn, ...]
    label: LabelLike = "label"
    group: str | None = None
    weight: str | None = None
    separator: str = ","
    file_columns: tuple[str, ...] | None = None
    null_values: tuple[str, ...] = ()
    trim: bool = False
    group_dtype: str = "integer"

    def __post_init__(self) -> None:
        columns: list[Any] = []
        for column in self.columns:
            columns += column.columns() if isinstance(column, DateColumn) else [column]
        object.__setattr__(self, "columns", tuple(columns))
        object.__setattr__(self, "label", plain_label(self.label))
        for name in ("file_columns", "null_values"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.group_dtype not in GROUP_DTYPES:
            raise ValueError(
                f"Expected `group_dtype` to be one of {', '.join(GROUP_DTYPES)}. "
                f"Received: group_dtype={self.group_dtype!r}"
            )
        for column in self.columns:
            if not isinstance(column, tuple(COLUMN_TYPES.values())):
                raise ValueError(
                    f"Expected every column to be one of {', '.join(COLUMN_TYPES)}. "
                    f"Received: {column!r}"
                )
        letters = self.separator if isinstance(self.separator, str) else ""
        if not letters or not letters.isascii() or set(letters) & set('"\r\n'):
            raise ValueError(
                "Expected `separator` to be ASCII characters, but no quote or line end. "
                f"Received: separator={self.separator!r}"
            )
        if isinstance(self.null_values, str) or not all(map(_is_marker, self.null_values)):
            raise ValueError(
                'Expected `null_values` to be texts such as ("NULL", "\\N"). '
                f"Received: null_values={self.null_values!r}"
            )
        labels = self.label if isinstance(self.label, tuple) else (self.label,)
        label_names = tuple(one.name if isinstance(one, Label) else one for one in labels)
        named = {"label": label_names, "group": (self.group,), "weight": (self.weight,)}
        for argument, names in named.items():
            wrong = [name for name in names if not isinstance(name, str | None)]
            if wrong:
                raise ValueError(
                    f"Expected `{argument}` to name columns by text. Received: {wrong[0]!r}. "
                    "Rename the column where its name is a number"
                )
        # The schema refuses doubled names, and a feature of the label's name.
        self.schema({table: Vocabulary(()) for table in self.tables})
        self._check_sources()
        self._check_tables()

    def _check_tables(self) -> None:
        for table, columns in self.tables.items():
            for column in columns:
                if column.hash_buckets != columns[0].hash_buckets:
                    raise ValueError(
                        f"Column '{column.name}' shares table '{table}' with column "
                        f"'{columns[0].name}': expected hash_buckets={columns[0].hash_buckets}. "
                        f"Received: hash_buckets={column.hash_buckets}"
                    )

    def _check_sources(self) -> None:
        for column in self.columns:
            answers = [name for name in sources_of(column) if name in (*self.labels, self.weight)]
            if answers:
                raise ValueError(
                    f"Column '{column.name}' reads '{answers[0]}', which is the label or "
                    "the weight: the model would see the answer. Drop the column"
                )
        names = self.file_columns
        if names is not None and len(set(names)) < len(names):
            raise ValueError(f"Expected every file column once. Received: file_columns={names!r}")
        missing = [name for name in self.sources if names is not None and name not in names]
        if missing:
            raise ValueError(
                f"Expected `file_columns` to name the columns {', '.join(self.sources)}. "
                f"Missing: {', '.join(missing)}"
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """Columns of the labels, one per task."""
        return tuple(label.name for label in as_labels(self.label))

    @property
    def label_kinds(self) -> tuple[LabelKind, ...]:
        """Kinds of the labels, one per task; see `ke.Label`."""
        return tuple(label.kind for label in as_labels(self.label))

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns that a file must have, each once."""
        names = [*self.labels, *(name for column in self.columns for name in sources_of(column))]
        names += [name for name in (self.group, self.weight) if name is not None]
        return tuple(dict.fromkeys(names))

    @property
    def tables(self) -> dict[str, list[IdColumn]]:
        """The columns of each embedding table, in order."""
        tables: dict[str, list[IdColumn]] = {}
        for column in self.columns:
            if not isinstance(column, NumericColumn | PretrainedColumn):
                tables.setdefault(column.table_name, []).append(column)
        return tables

    @property
    def transformed(self) -> tuple[NumericColumn, ...]:
        """The columns of numbers that are transformed."""
        numeric = [column for column in self.columns if isinstance(column, NumericColumn)]
        return tuple(column for column in numeric if column.transform != "none")

    @property
    def counted(self) -> list[IdColumn]:
        """The columns whose values are counted for a vocabulary, table by table."""
        columns = itertools.chain(*self.tables.values())
        return [column for column in columns if column.hash_buckets is None]

    def schema(self, vocabularies: Mapping[str, Vocabulary]) -> FeatureSchema:
        """The schema of the features.

        Args:
            vocabularies: By table name, as `tables` lists them.
        """
        features: list[Feature] = []
        for column in self.columns:
            if isinstance(column, NumericColumn):
                is_bucket = column.transform == "bucketize"
                size = 1 + column.buckets
                features.append(
                    Categorical(column.name, size) if is_bucket else Numeric(column.name)
                )
                continue
            if isinstance(column, PretrainedColumn):
                features.append(Embedding(column.name, column.dim))
                continue
            size = vocabularies[column.table_name].size
            table = None if column.table_name == column.name else column.table_name
            if isinstance(column, SequenceColumn):
                features.append(Sequence(column.name, size, column.max_length, table))
            else:
                features.append(Categorical(column.name, size, table))
        return FeatureSchema(tuple(features), self.label, self.group)

    def get_config(self, brief: bool = False) -> dict[str, Any]:
        """Plain values from which `from_config` makes an equal recipe.

        Args:
            brief: Whether to leave out what has its default, for people to read and change.
                Default: False.
        """
        config = _values(self, brief)
        config["columns"] = [
            {"type": type(column).__name__, **_values(column, brief)} for column in self.columns
        ]
        config["label"] = label_config(self.label)
        return _plain_lists(config)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Recipe:
        """Make a recipe from `get_config`'s values. What is left out has its default.

        Raises:
            ValueError: If a key is unknown, or a value is wrong.
        """
        if not isinstance(config, Mapping) or not isinstance(config.get("columns"), Iterable):
            raise ValueError(f"Expected a recipe with the key 'columns'. Received: {config!r}")
        check_keys(config, [field.name for field in dataclasses.fields(cls)], "")
        columns: list[RecipeColumn] = []
        for values in config["columns"]:
            arguments = dict(values)
            kind = arguments.pop("type", None)
            if kind not in COLUMN_TYPES:
                raise ValueError(
                    f"Expected the type of a column to be one of {', '.join(COLUMN_TYPES)}. "
                    f"Received: type={kind!r} in {dict(values)}. "
                    f"{suggest(str(kind), COLUMN_TYPES)}"
                )
            known = [field.name for field in dataclasses.fields(COLUMN_TYPES[kind])]
            check_keys(arguments, known, f"columns.{arguments.get('name', len(columns))}")
            try:
                columns.append(COLUMN_TYPES[kind](**arguments))
            except TypeError as error:
                raise ValueError(f"Column {dict(values)}: {error}") from error
        try:
            label = label_from_config(config.get("label", "label"))
            return cls(**{**config, "columns": tuple(columns), "label": label})
        except TypeError as error:
            raise ValueError(f"Recipe: {error}") from error

    def to_json(self) -> str:
        """The recipe as readable JSON."""
        return json.dumps(self.get_config(), indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read what `to_json` wrote.

        Raises:
            ValueError: If the text is not JSON or not a recipe.
        """
        return cls.from_config(json.loads(text))


def _values(owner: Any, brief: bool) -> dict[str, Any]:
    values = {field.name: getattr(owner, field.name) for field in dataclasses.fields(owner)}
    if not brief:
        return values
    defaults = {field.name: field.default for field in dataclasses.fields(owner)}
    # False is equal to 0, but is another default.
    return {
        name: value
        for name, value in values.items()
        if value != defaults[name] or type(value) is not type(defaults[name])
    }


def _plain_lists(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config as JSON gives it back."""
    return {name: list(v) if isinstance(v, tuple) else v for name, v in config.items()}
