"""Values that are known besides those of the training rows, such as keys of pretrained vectors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from keras_elastor.data.columns.all_columns import CrossedColumn
from keras_elastor.data.reading.canonical_text import texts_of
from keras_elastor.data.reading.text_as_kind import text_as_kind
from keras_elastor.data.reading.value_kinds import TEXT
from keras_elastor.data.recipe import Recipe
from keras_elastor.data.vocabularies.vocabulary import Vocabulary
from keras_elastor.utils.files import hash_text
from keras_elastor.utils.optional import import_optional

KnownValues: TypeAlias = Mapping[str, Sequence[int | str]]


def check_known_values(known_values: KnownValues, recipe: Recipe) -> None:
    """Raise ValueError unless every table is one of the recipe."""
    unknown = [table for table in known_values if table not in recipe.tables]
    if unknown:
        raise ValueError(
            f"Expected `known_values` for the tables {', '.join(recipe.tables)}. "
            f"Received: {', '.join(unknown)}"
        )


def extend_by_known_values(
    vocabularies: Mapping[str, Vocabulary],
    known_values: KnownValues,
    recipe: Recipe,
    kinds: Mapping[str, str],
) -> dict[str, Vocabulary]:
    """Vocabularies that also know these values, by table; see `Vocabulary.extend`.

    Args:
        vocabularies: By table name.
        known_values: By table name.
        recipe: The columns.
        kinds: Of the values of source columns: text is read as the kind of its table.

    Raises:
        ValueError: If a value is none that the columns of its table may hold.
    """
    pl = import_optional("polars", extra="data")
    extended = dict(vocabularies)
    for table, values in known_values.items():
        column = pl.Series(table, values, strict=False)
        first = recipe.tables[table][0]
        if isinstance(first, CrossedColumn) or first.dtype == "string":
            column = texts_of(column)
            kind = TEXT if isinstance(first, CrossedColumn) else kinds.get(first.source_name, TEXT)
            if kind != TEXT:
                column, _ = text_as_kind(column, kind)
        extended[table] = extended[table].extend(column)
    return extended


def describe_known_values(known_values: KnownValues) -> dict[str, Any]:
    """What tells these values from others, as an option for the manifest; empty without any."""
    if not known_values:
        return {}
    tables = {
        table: {
            "values": len(values),
            "sha256": hash_text(json.dumps(list(values), default=str)),
        }
        for table, values in known_values.items()
    }
    return {"known_values": tables}
