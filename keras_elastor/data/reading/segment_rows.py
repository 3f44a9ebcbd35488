"""The rows of a segment, right ones and wrong ones, and the words for the wrong ones."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from keras_elastor.data.columns.all_columns import (
    CategoricalColumn,
    CrossedColumn,
    NumericColumn,
    sources_of,
)
from keras_elastor.data.reading.segments import Segment, read_schema
from keras_elastor.data.reading.text_rows import BadRow, parse_lines
from keras_elastor.data.reading.typed_rows import TypedRows, parse_expression, type_rows
from keras_elastor.data.reading.value_kinds import kinds_by_table, merge_kinds, value_kinds
from keras_elastor.data.recipe import Recipe


def check_recipe(recipe: Recipe) -> None:
    """Raise ValueError unless every expression of a recipe can be evaluated."""
    for column in recipe.columns:
        if isinstance(column, CategoricalColumn | NumericColumn) and column.expression is not None:
            parse_expression(column.expression, column)


def source_kinds(
    paths: Mapping[str, Sequence[Path]],
    recipe: Recipe,
    known: Iterable[tuple[str, Mapping[str, str]]] = (),
) -> dict[str, str]:
    """The kind of values that each column of the recipe holds in the files of a preparation.

    Args:
        paths: The files of each split.
        recipe: The columns.
        known: Other places, such as files of vectors, with the kinds of the columns' values there.

    Raises:
        ValueError: If a column holds another kind in another file, or in another column of its
            table; see `value_kinds`.
    """
    named = [*known]
    for split in sorted(paths, key=lambda split: split != "train"):
        for path in paths[split]:
            try:
                named.append((str(path), value_kinds(read_schema(path, recipe.sources), recipe)))
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error
    return kinds_by_table(merge_kinds(named), recipe)


def read_rows(
    segment: Segment, recipe: Recipe, columns: Sequence[str], kinds: Mapping[str, str]
) -> tuple[TypedRows, list[BadRow]]:
    """The rows of a segment that are right, and what is wrong with the others.

    Args:
        segment: A run of rows.
        recipe: What their columns shall become.
        columns: Names of all columns of the file.
        kinds: Of the values of source columns, as `source_kinds` gives them.
    """
    if isinstance(segment.data, bytes):
        coded = {
            name
            for column in recipe.columns
            if isinstance(column, CategoricalColumn | CrossedColumn)
            for name in sources_of(column)
        }
        table, numbers, bad = parse_lines(
            segment.data, columns, recipe.sources, recipe.separator, coded
        )
    else:
        table, numbers, bad = segment.data, np.arange(segment.num_rows), []
    rows, _, wrong = type_rows(table, recipe, kinds)
    bad += [dataclasses.replace(problem, row=int(numbers[problem.row])) for problem in wrong]
    return rows, sorted(bad, key=lambda problem: problem.row)


def raise_bad_row(segment: Segment, bad: BadRow, advice: str = "Correct the file") -> NoReturn:
    """Raise the ValueError about a wrong row."""
    place = f"{segment.path}, {segment.row_name} {segment.first_row + bad.row}"
    column = "" if bad.column is None else f", column '{bad.column}'"
    raise ValueError(
        f"{place}{column}: expected {bad.expected}. Received: {bad.received}. {advice}"
    )


def rejected_lines(segment: Segment, bad: Sequence[BadRow]) -> Iterator[str]:
    """What is kept of wrong rows: a line of JSON with the place, the reason and the whole row."""
    lines = segment.data.split(b"\n") if isinstance(segment.data, bytes) else None
    for problem in bad:
        if lines is not None:
            # Bytes that are no UTF-8 become lone surrogates, which JSON keeps.
            row = lines[problem.row].decode("utf-8", "surrogateescape")
        else:
            [row] = segment.data.slice(problem.row, 1).to_pylist()
        entry = {
            "file": str(segment.path),
            segment.row_name: segment.first_row + problem.row,
            "column": problem.column,
            "expected": problem.expected,
            "received": problem.received,
            "content": row,
        }
        yield json.dumps(entry, default=str)
