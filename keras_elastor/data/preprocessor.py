"""From raw rows to what a model reads, by one recipe and its vocabularies, and kept in a folder."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeAlias, cast

import numpy as np

from keras_elastor import schema as schema_features
from keras_elastor.data.numbers.number_transform import NumberTransform
from keras_elastor.data.prepared.manifest import (
    load_encoder,
    load_transforms,
    load_vocabularies,
    save_transforms,
    save_vocabularies,
)
from keras_elastor.data.reading.raw_rows import Rows, to_polars
from keras_elastor.data.reading.text_rows import BadRow
from keras_elastor.data.reading.typed_rows import TypedRows, type_rows
from keras_elastor.data.recipe import (
    CategoricalColumn,
    NumericColumn,
    Recipe,
    RecipeColumn,
    SequenceColumn,
)
from keras_elastor.data.split import Split
from keras_elastor.data.vocabularies.encoding import Encoder, RecipeFitter, distinct_values
from keras_elastor.data.vocabularies.vocabulary import Vocabulary, pad_lists
from keras_elastor.schema import Categorical, Embedding, Feature, FeatureSchema, Numeric
from keras_elastor.utils.files import atomic_folder, package_versions, write_text
from keras_elastor.utils.optional import import_optional

DataFrame: TypeAlias = Any
Series: TypeAlias = Any

_FILE = "preprocessor.json"
_FORMAT = 1
# Recipes must name a label; the columns of a schema are read without one.
_NO_LABEL = "/label"


class Preprocessor:
    """Encodes raw rows by the rules under which the training rows were encoded.

    Rows are a pandas or polars DataFrame, an Arrow table, a list of one dict per row, or a dict of
    one list per column. `Preprocessor.fit` counts the vocabularies of training rows;
    `ke.data.from_dataframe` also infers the recipe. Needs polars and pyarrow; no backend has a
    part in it.

    Args:
        recipe: How columns become features.
        vocabularies: The vocabulary of each embedding table of the recipe.
        transforms: The fitted transform of each column of numbers that has one. Default: None, no
            column has.

    Example:

    >>> import tempfile
    >>> recipe = ke.data.Recipe([ke.data.CategoricalColumn("item")], label="click")
    >>> preprocessor = ke.data.Preprocessor(recipe, {"item": ke.data.Vocabulary(("a", "b"))})
    >>> preprocessor.features([{"item": "b"}, {"item": "z"}])
    {'item': array([2, 3], dtype=int32)}
    >>> preprocessor.split({"item": ["a"], "click": [1]}).labels
    array([1.], dtype=float32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     preprocessor.save(folder)
    ...     ke.data.Preprocessor.load(folder).schema == preprocessor.schema
    True

    Raises:
        ValueError: If a table has no vocabulary, or a column no transform that the recipe says it
            has; the message names it.
    """

    def __init__(
        self,
        recipe: Recipe,
        vocabularies: Mapping[str, Vocabulary],
        transforms: Mapping[str, NumberTransform] | None = None,
    ) -> None:
        missing = [table for table in recipe.tables if table not in vocabularies]
        if missing:
            raise ValueError(
                f"Expected a vocabulary for each of the tables {', '.join(recipe.tables)}. "
                f"Missing: {', '.join(missing)}"
            )
        transforms = transforms or {}
        unfitted = [column.name for column in recipe.transformed if column.name not in transforms]
        if unfitted:
            raise ValueError(
                f"Expected the fitted transform of each of the columns {', '.join(unfitted)}, as "
                "Preprocessor.fit makes them of training rows. Received: transforms for "
                f"{', '.join(transforms) or 'none'}"
            )
        self._set(recipe, vocabularies, recipe.schema(vocabularies), recipe.columns, transforms)

    def _set(
        self,
        recipe: Recipe | None,
        vocabularies: Mapping[str, Vocabulary],
        schema: FeatureSchema,
        columns: Sequence[RecipeColumn | None],
        transforms: Mapping[str, NumberTransform],
    ) -> None:
        self.recipe = recipe
        self.schema = schema
        self.vocabularies = dict(vocabularies)
        self.transforms = dict(transforms)
        self._columns = dict(zip(schema.names, columns, strict=True))
        given = tuple(column for column in columns if column is not None)
        self._reading = recipe or (Recipe(given, _NO_LABEL) if given else None)
        known = tuple(
            column
            for column in given
            if isinstance(column, NumericColumn) or column.table_name in vocabularies
        )
        self._encoder = None
        if known and self._reading is not None:
            recipe = dataclasses.replace(self._reading, columns=known)
            self._encoder = Encoder(recipe, vocabularies, transforms)

    @classmethod
    def from_schema(
        cls, schema: FeatureSchema, vocabularies: Mapping[str, Vocabulary] | None = None
    ) -> Preprocessor:
        """A preprocessor without a recipe: each feature is read from the column of its name.

        Columns hold raw values where the table has a vocabulary, and ids otherwise; lists in text
        are separated by spaces; every number must be there. Rows are read without labels.

        Args:
            schema: The features.
            vocabularies: By table name, where there are such.
        """
        vocabularies = {} if vocabularies is None else vocabularies
        self = cls.__new__(cls)
        columns = [_column(feature, vocabularies) for feature in schema.features]
        self._set(None, vocabularies, schema, columns, {})
        return self

    @classmethod
    def from_prepared(cls, folder: str | os.PathLike[str]) -> Preprocessor:
        """The preprocessor of a folder that `ke.data.prepare` wrote."""
        encoder = load_encoder(folder)
        return cls(encoder.recipe, encoder.vocabularies, encoder.transforms)

    @classmethod
    def fit(cls, rows: Rows, recipe: Recipe) -> tuple[Preprocessor, Split]:
        """Count the vocabularies of training rows, and encode the rows.

        Args:
            rows: The training rows, with labels.
            recipe: How columns become features.

        Returns:
            The preprocessor and the encoded rows.

        Raises:
            ValueError: If a column is missing or a value is wrong; the message names it.
        """
        frame = to_polars(rows)
        typed, _, bad = type_rows(_select(frame, recipe.sources).to_arrow(), recipe)
        if bad:
            raise_bad_row(bad[0], count=len(bad))
        fitter = RecipeFitter(recipe)
        fitter.add(RecipeFitter.summarize(typed, recipe))
        encoder = fitter.encoder()
        self = cls(recipe, encoder.vocabularies, encoder.transforms)
        return self, self._split(typed)

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns that rows without labels must have, each once."""
        names = [
            name if column is None else column.source_name for name, column in self._columns.items()
        ]
        return tuple(dict.fromkeys(names))

    def features(self, rows: Rows) -> dict[str, np.ndarray]:
        """Encode rows without labels, for `model.predict`.

        Args:
            rows: Raw rows; columns that are no features are not looked at.

        Returns:
            `(rows,)` int32 or float32, `(rows, max_length)` int32 or `(rows, dim)` float32 by
            feature.

        Raises:
            ValueError: If a column is missing or a value is wrong; the message names row, column,
                value and what was expected.
        """
        arrays, bad = self.encode(to_polars(rows))
        if bad:
            raise_bad_row(bad[0], count=len(bad))
        return arrays

    def split(self, rows: Rows) -> Split:
        """Encode rows with labels, for training, validation or test.

        Args:
            rows: Raw rows with all columns of the recipe.

        Raises:
            ValueError: As for `features`; or there is no recipe, which names the labels.
        """
        if self.recipe is None:
            raise ValueError(
                "Expected a preprocessor with a recipe, which says where the labels are. This one "
                "was made of a schema. Use `features`"
            )
        frame = _select(to_polars(rows), self.recipe.sources)
        typed, _, bad = type_rows(frame.to_arrow(), self.recipe)
        if bad:
            raise_bad_row(bad[0], count=len(bad))
        return self._split(typed)

    def encode(self, frame: DataFrame) -> tuple[dict[str, np.ndarray], list[BadRow]]:
        """Encode a polars frame without labels, and tell which rows are wrong.

        Returns:
            One array per feature, and the rows that are wrong, in order. Where there are any, the
            arrays are of no use.

        Raises:
            ValueError: If a column is missing.
        """
        frame = _select(frame, self.sources)
        arrays: dict[str, np.ndarray] = {}
        bad: list[BadRow] = []
        if self._reading is not None:
            recipe = dataclasses.replace(self._reading, group=None, weight=None)
            names = list(dict.fromkeys(column.source_name for column in recipe.columns))
            rows, kept, bad = type_rows(frame.select(names).to_arrow(), recipe, with_label=False)
            arrays, wrong = self._encode(rows, frame, kept)
            bad += wrong
        for feature in self.schema.features:
            if isinstance(feature, Embedding):
                arrays[feature.name], wrong = _encode_vectors(feature, frame[feature.name])
                bad += wrong
        arrays = {name: arrays[name] for name in self.schema.names}
        return arrays, sorted(bad, key=lambda problem: problem.row)

    def _split(self, rows: TypedRows) -> Split:
        encoder = cast("Encoder", self._encoder)
        labels = rows.labels[:, 0] if self.schema.num_tasks == 1 else rows.labels
        return Split(encoder.encode(rows), labels, rows.weight)

    def _encode(
        self, rows: TypedRows, frame: DataFrame, kept: np.ndarray
    ) -> tuple[dict[str, np.ndarray], list[BadRow]]:
        arrays = {} if self._encoder is None else self._encoder.encode(rows)
        bad: list[BadRow] = []
        for feature in self.schema.features:
            if feature.name in arrays or isinstance(feature, Embedding | Numeric):
                continue
            values, raw = rows.features[feature.name], frame[feature.name]
            arrays[feature.name], wrong = _encode_ids(feature, values, raw, kept)
            bad += wrong
        return arrays, bad

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write recipe, schema and vocabularies into a folder, as JSON that people can read.

        Args:
            folder: A new folder, or one that a preprocessor was saved in, which is replaced. It
                appears when all is written.

        Raises:
            FileExistsError: If the folder holds something else.
            OSError: If the disk refuses to be written. An earlier folder is still there.
        """
        with atomic_folder(folder, _FILE) as path:
            save_vocabularies(path, self.vocabularies)
            save_transforms(path, self.transforms)
            config = {
                "format": _FORMAT,
                "versions": package_versions(("polars", "pyarrow")),
                "recipe": None if self.recipe is None else self.recipe.get_config(),
                "schema": self.schema.get_config(),
                "tables": list(self.vocabularies),
            }
            text = json.dumps(config, indent=2, ensure_ascii=False)
            write_text(path / _FILE, f"{text}\n")

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Preprocessor:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: If the folder holds no preprocessor.
            ValueError: If a file is damaged or of another format; the message names it.
        """
        path = Path(folder) / _FILE
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
            if config["format"] != _FORMAT:
                raise ValueError(f"expected format {_FORMAT}. Received: {config['format']}")
            recipe, schema = config["recipe"], FeatureSchema.from_config(config["schema"])
            vocabularies = load_vocabularies(folder, config["tables"])
            if recipe is None:
                return cls.from_schema(schema, vocabularies)
            recipe = Recipe.from_config(recipe)
            loaded = cls(recipe, vocabularies, load_transforms(folder, recipe))
            if loaded.schema != schema:
                raise ValueError("expected the vocabularies that belong to the schema")
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"{error.filename or folder}: there is no such file. Expected the folder that "
                "Preprocessor.save wrote, with all of its files"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: not a readable preprocessor ({error})") from error
        return loaded


def raise_bad_row(bad: BadRow, first_row: int = 0, count: int | None = None) -> NoReturn:
    """Raise the ValueError about a wrong row in memory.

    Args:
        bad: What is wrong.
        first_row: Number of the row that the row of `bad` is counted from.
        count: How many such rows there are, where that is known.
    """
    many = "" if count is None else f" Such rows in the table: {count}."
    raise ValueError(
        f"Row {first_row + bad.row}, column '{bad.column}': expected {bad.expected}. Received: "
        f"{bad.received}.{many} Correct or drop them"
    )


def _select(frame: DataFrame, needed: Sequence[str]) -> DataFrame:
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise ValueError(
            f"Expected the columns {', '.join(needed)}. Missing: {', '.join(missing)}. The table "
            f"has: {', '.join(frame.columns)}"
        )
    return frame.select(needed)


def _column(feature: Feature, vocabularies: Mapping[str, Vocabulary]) -> RecipeColumn | None:
    """How a feature is read where no recipe says it; None for a vector, which recipes have not."""
    if isinstance(feature, Embedding):
        return None
    if isinstance(feature, Numeric):
        return NumericColumn(feature.name, fill=None)
    vocabulary = vocabularies.get(feature.table_name)
    is_text = vocabulary is not None and isinstance((*vocabulary.values, 0)[0], str)
    dtype = "string" if is_text else "integer"
    if isinstance(feature, schema_features.Sequence):
        return SequenceColumn(
            feature.name, feature.max_length, dtype, separator=" ", table=feature.table
        )
    return CategoricalColumn(feature.name, dtype, table=feature.table)


def _encode_vectors(feature: Embedding, raw: Series) -> tuple[np.ndarray, list[BadRow]]:
    pl = import_optional("polars", extra="data")
    lists = raw.str.split(" ") if raw.dtype == pl.String else raw
    if isinstance(lists.dtype, pl.Array):
        lists = lists.arr.to_list()
    if not isinstance(lists.dtype, pl.List):
        return np.empty(0), _bad_rows(np.arange(len(raw)), raw, f"a list of {feature.dim} numbers")
    wrong = (lists.list.len() != feature.dim).fill_null(True)
    if wrong.any():
        return np.empty(0), _bad_rows(np.flatnonzero(wrong), raw, f"{feature.dim} numbers")
    frame = lists.explode().alias(feature.name).to_frame()
    recipe = Recipe((NumericColumn(feature.name, fill=None),), _NO_LABEL)
    rows, _, bad = type_rows(frame.to_arrow(), recipe, with_label=False)
    if bad:
        places = np.unique([problem.row // feature.dim for problem in bad])
        return np.empty(0), _bad_rows(places, raw, f"{feature.dim} finite numbers")
    return rows.features[feature.name].to_numpy().reshape(-1, feature.dim), []


def _encode_ids(
    feature: Categorical | schema_features.Sequence, values: Any, raw: Series, kept: np.ndarray
) -> tuple[np.ndarray, list[BadRow]]:
    """Ids as they are, lists padded with 0 behind; of the rows `kept` of the raw column."""
    size = feature.vocabulary_size
    rows = values.combine_chunks()
    distinct, codes = distinct_values(rows)
    numbers = distinct.fill_null(-1).to_numpy()
    is_id = (numbers >= 0) & (numbers < size)
    ids = np.where(is_id, numbers, -1).astype(np.int32)[codes]
    if isinstance(feature, schema_features.Sequence):
        lengths = rows.value_lengths().to_numpy()
        ids = pad_lists(ids, lengths, feature.max_length, "post", "pre")
    wrong = ids.reshape(len(rows), -1).min(axis=1, initial=0) < 0
    return ids, _bad_rows(kept[wrong], raw, f"an id from 0 to {size - 1}")


def _bad_rows(places: np.ndarray, raw: Series, expected: str) -> list[BadRow]:
    problems = []
    for row in places.tolist():
        value = raw[row]
        shown = value.to_list() if hasattr(value, "to_list") else value
        received = "an empty field" if shown is None or shown == "" else repr(shown)
        problems.append(BadRow(row, raw.name, expected, received))
    return problems
