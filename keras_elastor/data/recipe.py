"""How the columns of raw files become features: what a person writes down once per dataset."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from keras_elastor.data.column_checks import check_vocabulary, is_count, is_text, require
from keras_elastor.data.crossed_column import CrossedColumn
from keras_elastor.data.numeric_column import NumericColumn
from keras_elastor.data.pretrained_column import PretrainedColumn
from keras_elastor.data.vocabularies.vocabulary import SIDES, Vocabulary
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

__all__ = [
    "CategoricalColumn",
    "CrossedColumn",
    "IdColumn",
    "NumericColumn",
    "PretrainedColumn",
    "Recipe",
    "RecipeColumn",
    "SequenceColumn",
    "sources_of",
]

DTYPES = ("string", "integer", "float")
GROUP_DTYPES = ("integer", "string")


def _check_vocabulary_options(column: CategoricalColumn | SequenceColumn) -> None:
    check_vocabulary(column)
    require(column.dtype in DTYPES, column.name, "dtype", column.dtype, f"one of {DTYPES}")


@dataclasses.dataclass(frozen=True)
class CategoricalColumn:
    """A column of single values that becomes a `ke.Categorical` feature.

    Args:
        name: Name of the feature.
        dtype: What the file holds: "string" (default), "integer" (also written as 12.0) or "float".
            Strings are taken as they are written.
        min_count: A value that occurs less often in the training rows is out-of-vocabulary.
        fill: Takes the place of an empty field before the expression. After it, a value equal to
            `fill` counts as missing, hence as out-of-vocabulary (FuxiCTR's `fill_na`). Default:
            only an empty field is missing.
        fill_is_known: Whether a value equal to `fill` is one as any other, counted and with an id.
            `fill=0, fill_is_known=True` is what FuxiCTR makes of an empty integer or float where no
            `fill_na` is set. Default: False.
        expression: SQL over the source column, as polars reads it, such as
            `"CAST(SUBSTR(hour, 7, 2) AS BIGINT)"`; it gives strings or whole numbers.
        source: Column of the file. Default: `name`.
        table: Name of the embedding table. Columns that name one table share ids and rows; the
            vocabulary begins with the values of the first of them. Default: `name`.
        hash_buckets: Number of ids that the values share by a hash of their text, without a
            vocabulary; see `ke.data.HashBuckets`. For values that are too many to count, or new
            every day. All columns of a table have the same number. Default: None, a vocabulary.

    Example:

    >>> ke.data.CategoricalColumn("site_id", min_count=2).table_name
    'site_id'

    Raises:
        ValueError: If an argument is of another kind; the message names the column.
    """

    name: str
    dtype: str = "string"
    min_count: int = 1
    fill: str | int | float | None = None
    expression: str | None = None
    source: str | None = None
    table: str | None = None
    fill_is_known: bool = False
    hash_buckets: int | None = None

    def __post_init__(self) -> None:
        _check_vocabulary_options(self)
        kinds = (str,) if self.dtype == "string" else (int, float)
        require(
            self.fill is None or isinstance(self.fill, kinds),
            self.name,
            "fill",
            self.fill,
            f"None or a value of dtype {self.dtype}",
        )
        allowed = (False,) if self.fill is None else (False, True)
        require(
            self.fill_is_known in allowed,
            self.name,
            "fill_is_known",
            self.fill_is_known,
            "False without `fill`, True or False with it",
        )

    @property
    def source_name(self) -> str:
        """Column of the file."""
        return self.source or self.name

    @property
    def table_name(self) -> str:
        """Name of the embedding table."""
        return self.table or self.name


@dataclasses.dataclass(frozen=True)
class SequenceColumn:
    """A column of lists, such as a history of items, that becomes a `ke.Sequence` feature.

    Args:
        name: Name of the feature.
        max_length: Positions of the feature.
        dtype: Of the elements, as for `CategoricalColumn`. An empty element is padding, as in
            FuxiCTR.
        separator: Stands between the elements in a text file. A Parquet file holds lists or text.
        min_count: As for `CategoricalColumn`.
        padding: Side of the padding: "pre" before the values, "post" (default) behind them.
        truncation: Side that a longer list loses: "pre" (default) keeps its last values, "post" its
            first ones. FuxiCTR's `padding` sets both sides.
        source: Column of the file. Default: `name`.
        table: As for `CategoricalColumn`; a history of items usually names the item's table.
        hash_buckets: As for `CategoricalColumn`.

    Example:

    >>> ke.data.SequenceColumn("history", max_length=50, table="item", padding="pre").table_name
    'item'

    Raises:
        ValueError: If an argument is of another kind; the message names the column.
    """

    name: str
    max_length: int
    dtype: str = "string"
    separator: str = "^"
    min_count: int = 1
    padding: str = "post"
    truncation: str = "pre"
    source: str | None = None
    table: str | None = None
    hash_buckets: int | None = None

    def __post_init__(self) -> None:
        _check_vocabulary_options(self)
        require(is_count(self.max_length), self.name, "max_length", self.max_length, "at least 1")
        require(
            is_text(self.separator), self.name, "separator", self.separator, "a non-empty string"
        )
        for argument in ("padding", "truncation"):
            value = getattr(self, argument)
            require(value in SIDES, self.name, argument, value, f"one of {SIDES}")

    @property
    def source_name(self) -> str:
        """Column of the file."""
        return self.source or self.name

    @property
    def table_name(self) -> str:
        """Name of the embedding table."""
        return self.table or self.name


IdColumn: TypeAlias = CategoricalColumn | SequenceColumn | CrossedColumn
RecipeColumn: TypeAlias = IdColumn | NumericColumn | PretrainedColumn
_COLUMN_TYPES: dict[str, Any] = {
    cls.__name__: cls
    for cls in (CategoricalColumn, SequenceColumn, CrossedColumn, NumericColumn, PretrainedColumn)
}


def sources_of(column: RecipeColumn) -> tuple[str, ...]:
    """The columns of the file that a column reads."""
    return column.columns if isinstance(column, CrossedColumn) else (column.source_name,)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How the columns of raw files become features, label, group and weight.

    Args:
        columns: One per feature, in the order in which models see the fields.
        label: Column of the label, 0 or 1; a `ke.Label` where it is of another kind; or several,
            one per task.
        group: Column for group-wise metrics (gAUC), usually the user.
        weight: Column of sample weights of at least 0.
        separator: Stands between the fields of a text file; one character. Default: ",".
        file_columns: Names of the columns of text files whose first line is not a header. Default:
            the first line names them.
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
    group_dtype: str = "integer"

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "label", plain_label(self.label))
        if isinstance(self.file_columns, list):
            object.__setattr__(self, "file_columns", tuple(self.file_columns))
        if self.group_dtype not in GROUP_DTYPES:
            raise ValueError(
                f"Expected `group_dtype` to be one of {', '.join(GROUP_DTYPES)}. "
                f"Received: group_dtype={self.group_dtype!r}"
            )
        for column in self.columns:
            if not isinstance(column, tuple(_COLUMN_TYPES.values())):
                raise ValueError(
                    f"Expected every column to be one of {', '.join(_COLUMN_TYPES)}. "
                    f"Received: {column!r}"
                )
        if len(self.separator.encode()) != 1 or self.separator in '"\r\n':
            raise ValueError(
                "Expected `separator` to be one ASCII character. "
                f"Received: separator={self.separator!r}"
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
                features.append(Numeric(column.name))
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

    def get_config(self) -> dict[str, Any]:
        """Plain values from which `from_config` makes an equal recipe."""
        config = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        config["columns"] = [
            {"type": type(column).__name__, **_plain_lists(dataclasses.asdict(column))}
            for column in self.columns
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
        columns = []
        for values in config["columns"]:
            arguments = dict(values)
            kind = arguments.pop("type", None)
            if kind not in _COLUMN_TYPES:
                raise ValueError(
                    f"Expected the type of a column to be one of {', '.join(_COLUMN_TYPES)}. "
                    f"Received: type={kind!r} in {dict(values)}"
                )
            try:
                columns.append(_COLUMN_TYPES[kind](**arguments))
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


def _plain_lists(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config as JSON gives it back."""
    return {name: list(v) if isinstance(v, tuple) else v for name, v in config.items()}
