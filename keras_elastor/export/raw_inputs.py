"""What an exported model is asked with: one input for each column of the raw rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, NoReturn

from keras_elastor.data.columns.all_columns import (
    CrossedColumn,
    DateAge,
    DatePart,
    NumericColumn,
    PretrainedColumn,
    SequenceColumn,
)
from keras_elastor.data.preprocessor import Preprocessor
from keras_elastor.schema import Categorical, Embedding, FeatureSchema, Numeric, Sequence
from keras_elastor.utils.saving import exported_names

TEXT, INTEGER, NUMBER, INSTANT = "text", "integer", "number", "instant"
TEXTS, INTEGERS, VECTOR = "texts", "integers", "vector"
ID, IDS, VALUE = "id", "ids", "value"

DTYPES = {
    TEXT: "str",
    INTEGER: "int64",
    NUMBER: "float64",
    INSTANT: "int64",
    TEXTS: "str",
    INTEGERS: "int64",
    VECTOR: "float32",
    ID: "int32",
    IDS: "int32",
    VALUE: "float32",
}
"""Of the tensors of each kind of input."""


@dataclasses.dataclass(frozen=True)
class RawInput:
    """An input of an exported model.

    | kind | tensor | a missing value |
    |---|---|---|
    | "text" | `(rows,)` text | "" |
    | "integer" | `(rows,)` int64 | -2^63 |
    | "number" | `(rows,)` float64 | NaN |
    | "instant" | `(rows,)` int64, microseconds since 1970-01-01 in UTC | -2^63, as NumPy's NaT |
    | "texts" | `(rows,)` text, its elements joined by `separator` | "", no element |
    | "integers" | `(rows, any width)` int64, filled up behind with -2^63 | -2^63, no element |
    | "vector" | `(rows, width)` float32 | none may be missing |
    | "id" | `(rows,)` int32, of an encoded feature | as the preprocessor encodes it |
    | "ids" | `(rows, width)` int32, of an encoded feature | as the preprocessor encodes it |
    | "value" | `(rows,)` float32, of an encoded feature | none may be missing |

    Args:
        name: Column of the raw rows.
        tensor: Name of the tensor, which is letters, digits and underscores.
        kind: One of the table above.
        separator: Between the elements of "texts", and of "integers" that are written out.
        width: Of "vector" and "ids".
        required: Whether no value may be missing.
        below: Integers are from 0 to one less than this.
        null_values: Texts that stand for a missing value, besides the empty one.
        trim: Whether blanks around text are left out.
        of_user: Whether one row is enough where all rows are of one user.
    """

    name: str
    tensor: str
    kind: str
    separator: str | None = None
    width: int | None = None
    required: bool = False
    below: int | None = None
    null_values: tuple[str, ...] = ()
    trim: bool = False
    of_user: bool = False

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Of the tensor; None for rows, and for lists of any width."""
        if self.kind in (VECTOR, IDS):
            return (None, self.width)
        return (None, None) if self.kind == INTEGERS else (None,)

    @property
    def dtype(self) -> str:
        """Of the tensor: "str", "int64", "float32" or "float64"."""
        return DTYPES[self.kind]


def refuse(column: str, expected: str, received: object) -> NoReturn:
    """Raise ValueError about a column that cannot be exported."""
    raise ValueError(
        f"Column '{column}' cannot be exported: expected {expected}. Received: {received}"
    )


def raw_inputs(preprocessor: Preprocessor, user: Iterable[str] = ()) -> dict[str, RawInput]:
    """The inputs by the column of the raw rows.

    Args:
        preprocessor: What reads them.
        user: Columns that tell of the user, so that they are the same for all candidates.

    Raises:
        ValueError: If one column is read as values of kinds that no one input holds, or there is no
            such column of the user, or no other one.
    """
    uses: dict[str, list[tuple[str, str, Any]]] = {}
    for name, column in preprocessor.columns.items():
        for source, kind, detail in _uses(name, column, preprocessor):
            uses.setdefault(source, []).append((name, kind, detail))
    labels = tuple(preprocessor.schema.labels)
    names = exported_names(dict.fromkeys((*uses, *labels)))
    recipe = preprocessor.recipe
    of_user = set(user)
    if of_user and not of_user < set(uses):
        raise ValueError(
            f"Expected `user` to name some, but not all, of the columns {', '.join(uses)}. "
            f"Received: {', '.join(sorted(of_user))}"
        )
    inputs = {}
    for source, kinds in uses.items():
        kind = _common_kind(source, kinds)
        features = [name for name, _, _ in kinds]
        inputs[source] = RawInput(
            name=source,
            tensor=names[source],
            kind=kind,
            separator=kinds[0][2] if kind in (TEXTS, INTEGERS) else None,
            width=kinds[0][2] if kind == VECTOR else None,
            required=any(_is_required(name, preprocessor) for name in features),
            below=_limit(features, preprocessor),
            null_values=recipe.null_values if recipe else (),
            trim=bool(recipe and recipe.trim),
            of_user=source in of_user,
        )
    return inputs


def feature_inputs(schema: FeatureSchema) -> dict[str, RawInput]:
    """The inputs of a format whose rows are encoded before, by the name of the feature."""
    names = exported_names((*schema.names, *schema.labels))
    inputs = {}
    for feature in schema.features:
        name, tensor = feature.name, names[feature.name]
        if isinstance(feature, Numeric):
            inputs[name] = RawInput(name, tensor, VALUE, required=True)
        elif isinstance(feature, Embedding):
            inputs[name] = RawInput(name, tensor, VECTOR, width=feature.dim, required=True)
        else:
            width = feature.max_length if isinstance(feature, Sequence) else None
            kind = ID if width is None else IDS
            below = feature.vocabulary_size
            inputs[name] = RawInput(name, tensor, kind, width=width, required=True, below=below)
    return inputs


def _is_required(name: str, preprocessor: Preprocessor) -> bool:
    column = preprocessor.columns[name]
    if isinstance(column, NumericColumn):
        return column.fill is None
    return column is None or _is_id(column, preprocessor)


def _is_id(column: Any, preprocessor: Preprocessor) -> bool:
    """Whether a column holds ids, without a vocabulary."""
    if isinstance(column, NumericColumn | PretrainedColumn):
        return False
    return column.table_name not in preprocessor.vocabularies


def _limit(names: list[str], preprocessor: Preprocessor) -> int | None:
    sizes = [
        feature.vocabulary_size
        for feature in preprocessor.schema.features
        if feature.name in names
        and isinstance(feature, Categorical | Sequence)
        and _is_id(preprocessor.columns[feature.name], preprocessor)
    ]
    return min(sizes, default=None)


def _uses(name: str, column: Any, preprocessor: Preprocessor) -> list[tuple[str, str, Any]]:
    """What a column reads: source, kind and, of lists, the separator, of vectors, the length."""
    single = {"string": TEXT, "integer": INTEGER, "float": NUMBER}
    if column is None:
        dims = {feature.name: feature for feature in preprocessor.schema.features}
        return [(name, VECTOR, getattr(dims[name], "dim", None))]
    if isinstance(column, DatePart | DateAge):
        return [(column.source_name, INSTANT if column.unit is None else NUMBER, None)]
    if isinstance(column, NumericColumn):
        return [(column.source_name, NUMBER, None)]
    if isinstance(column, CrossedColumn):
        pairs = zip(column.columns, column.dtypes, strict=True)
        return [(source, single[dtype], None) for source, dtype in pairs]
    if isinstance(column, SequenceColumn):
        is_text = column.dtype == "string"
        return [(column.source_name, TEXTS if is_text else INTEGERS, column.separator)]
    if isinstance(column, PretrainedColumn):
        return [(column.source_name, single[column.dtype], None)]
    return [(column.source_name, single[column.dtype], None)]


def _common_kind(source: str, uses: list[tuple[str, str, Any]]) -> str:
    kinds = {(kind, detail) for _, kind, detail in uses}
    if len(kinds) == 1:
        return uses[0][1]
    # Texts of integers are their digits, and integers are numbers.
    if {kind for kind, _ in kinds} in ({TEXT, INTEGER}, {INTEGER, NUMBER}):
        return INTEGER
    shown = ", ".join(f"{kind} by '{name}'" for name, kind, _ in uses)
    refuse(source, "one kind of values, by whatever reads it", shown)
