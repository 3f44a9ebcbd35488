"""Which kind of value a stored column holds, and that equal values are asked for in one kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from keras_elastor.data.columns.all_columns import (
    CrossedColumn,
    DateAge,
    DatePart,
    NumericColumn,
    RecipeColumn,
)
from keras_elastor.data.recipe import Recipe
from keras_elastor.utils.optional import import_optional

TEXT = "text"
"""The kind of whatever is written out, such as every column of a CSV file."""

NUMBER, BOOLEAN, DATE, INSTANT, ZONED = (
    "numbers",
    "booleans",
    "dates",
    "instants",
    "instants with a time zone",
)


def value_kind(dtype: Any) -> str | None:
    """The kind of the values of an Arrow type, or of the elements of its lists.

    Returns:
        "text", "numbers", "booleans", "dates", "instants", "instants with a time zone", or, for a
        type without values that a recipe could name, None.
    """
    types = import_optional("pyarrow", extra="data").types
    if types.is_dictionary(dtype):
        return value_kind(dtype.value_type)
    if types.is_nested(dtype) and getattr(dtype, "value_type", None) is not None:
        return value_kind(dtype.value_type)
    if types.is_timestamp(dtype):
        return INSTANT if dtype.tz is None else ZONED
    if types.is_integer(dtype) or types.is_floating(dtype) or types.is_decimal(dtype):
        return NUMBER
    if types.is_boolean(dtype):
        return BOOLEAN
    if types.is_date(dtype):
        return DATE
    is_text = (types.is_string, types.is_large_string, types.is_string_view)
    is_bytes = (types.is_binary, types.is_large_binary, types.is_binary_view)
    return TEXT if any(is_one(dtype) for is_one in (*is_text, *is_bytes)) else None


def value_kinds(schema: Any, recipe: Recipe) -> dict[str, str]:
    """The kinds of the columns that a recipe makes features of, by the name of the source.

    Args:
        schema: An Arrow schema.
        recipe: The columns.

    Raises:
        ValueError: If a column of numbers, or of ids of dtype "integer" or "float", holds dates or
            instants, which are numbers of a unit that another file may not share.
    """
    kinds = {}
    for column, name, dtype in _read(recipe):
        kind = value_kind(schema.field(name).type) if name in schema.names else None
        if kind is None:
            continue
        is_number = dtype != "string"
        if is_number and kind in (DATE, INSTANT, ZONED):
            raise ValueError(
                f"Column '{name}': expected numbers. Received: {kind}, which are counted in days, "
                "seconds or parts of these, as each file has it. Make a DateColumn of it"
            )
        if not isinstance(column, NumericColumn):
            kinds[name] = kind
    return kinds


def _read(recipe: Recipe) -> Iterator[tuple[RecipeColumn, str, str]]:
    """Each column but those of dates, with the sources that it reads, and their dtypes."""
    for column in recipe.columns:
        if isinstance(column, CrossedColumn):
            for name, dtype in zip(column.columns, column.dtypes, strict=True):
                yield column, name, dtype
        elif not isinstance(column, DatePart | DateAge):
            dtype = "float" if isinstance(column, NumericColumn) else column.dtype
            yield column, column.source_name, dtype


def kinds_by_table(kinds: Mapping[str, str], recipe: Recipe) -> dict[str, str]:
    """The kinds of source columns, where columns that share a table share a kind, too.

    Text in a column beside one of numbers tells of numbers: "1.0" is item 1.

    Args:
        kinds: By source column, as `merge_kinds` gives them.
        recipe: The columns.

    Raises:
        ValueError: If columns of one table hold different kinds: no value would be shared.
    """
    shared = dict(kinds)
    for table, columns in recipe.tables.items():
        known, place = TEXT, ""
        sources = [
            (column.source_name, column.dtype)
            for column in columns
            if not isinstance(column, CrossedColumn | DatePart)
        ]
        for source, dtype in sources:
            kind = NUMBER if dtype != "string" else kinds.get(source, TEXT)
            if TEXT not in (known, kind) and known != kind:
                raise ValueError(
                    f"Column '{source}' shares table '{table}' with column '{place}': expected "
                    f"{known}. Received: {kind}, none of which is ever equal to one of these. "
                    "Give it a table of its own, or cast the column"
                )
            if known == TEXT:
                known, place = kind, source
        if known != TEXT:
            shared.update((source, known) for source, dtype in sources if dtype == "string")
    return shared


def merge_kinds(named: Iterable[tuple[str, Mapping[str, str]]]) -> dict[str, str]:
    """The kind of each column in several places.

    Text is the same as any other kind: it may be that kind, written out.

    Args:
        named: For each place its name, for messages, and the kinds of its columns.

    Raises:
        ValueError: If a column holds one kind in one place and another in another: none of their
            values would be the same.
    """
    merged: dict[str, str] = {}
    seen: dict[str, str] = {}
    for place, kinds in named:
        for column, kind in kinds.items():
            known = merged.get(column, TEXT)
            if TEXT not in (known, kind) and known != kind:
                raise ValueError(
                    f"{place}: column '{column}': expected {known}, as in {seen[column]}. "
                    f"Received: {kind}, none of which is ever equal to one of these. Cast the "
                    "column to what it was"
                )
            if column not in merged or known == TEXT:
                merged[column], seen[column] = kind, place
    return merged
