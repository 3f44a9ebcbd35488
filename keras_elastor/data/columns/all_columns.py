"""The columns that a recipe may have."""

from __future__ import annotations

from typing import TypeAlias

from keras_elastor.data.columns.crossed_column import CrossedColumn
from keras_elastor.data.columns.date_column import DateAge, DatePart
from keras_elastor.data.columns.id_columns import CategoricalColumn, SequenceColumn
from keras_elastor.data.columns.numeric_column import NumericColumn
from keras_elastor.data.columns.pretrained_column import PretrainedColumn

__all__ = [
    "COLUMN_TYPES",
    "CategoricalColumn",
    "CrossedColumn",
    "DateAge",
    "DatePart",
    "IdColumn",
    "NumericColumn",
    "PretrainedColumn",
    "RecipeColumn",
    "SequenceColumn",
    "sources_of",
]

IdColumn: TypeAlias = CategoricalColumn | SequenceColumn | CrossedColumn
"""A column that becomes ids; the parts of dates are categorical ones."""

RecipeColumn: TypeAlias = IdColumn | NumericColumn | PretrainedColumn

COLUMN_TYPES: dict[str, type[RecipeColumn]] = {
    cls.__name__: cls
    for cls in (
        CategoricalColumn,
        SequenceColumn,
        CrossedColumn,
        DatePart,
        NumericColumn,
        DateAge,
        PretrainedColumn,
    )
}
"""The columns by the name of their class, as recipes are written down."""


def sources_of(column: RecipeColumn) -> tuple[str, ...]:
    """The columns of the file that a column reads."""
    return column.columns if isinstance(column, CrossedColumn) else (column.source_name,)
