"""From raw rows to what a model reads, by one recipe and its vocabularies, and kept in a folder."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np

from keras_elastor.data.columns.all_columns import (
    NumericColumn,
    PretrainedColumn,
    RecipeColumn,
    sources_of,
)
from keras_elastor.data.numbers.number_transform import NumberTransform
from keras_elastor.data.prepared.manifest import (
    load_encoder,
    load_vectors,
    load_vocabularies,
    save_vectors,
    save_vocabularies,
)
from keras_elastor.data.reading.raw_rows import (
    Rows,
    require_right_rows,
    select_columns,
    to_polars,
)
from keras_elastor.data.reading.text_rows import BadRow
from keras_elastor.data.reading.typed_rows import TypedRows, type_rows
from keras_elastor.data.reading.value_kinds import merge_kinds, value_kinds
from keras_elastor.data.recipe import Recipe
from keras_elastor.data.schema_columns import NO_LABEL, column_of, encode_ids, encode_vectors
from keras_elastor.data.split import Split
from keras_elastor.data.vocabularies.encoding import Encoder, RecipeFitter
from keras_elastor.data.vocabularies.vector_table import VectorTable, vectors_of
from keras_elastor.data.vocabularies.vocabulary import Vocabulary
from keras_elastor.schema import Embedding, FeatureSchema, Numeric
from keras_elastor.utils.files import atomic_folder, package_versions, write_text

DataFrame: TypeAlias = Any
Series: TypeAlias = Any

_FILE = "preprocessor.json"
_FORMAT = 2


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
        kinds: Which kind of values each source column held, such as "numbers" or "booleans"; rows
            whose column holds another kind are refused, as none of their values is a known one.
            Default: None, any kind is taken.
        vectors: Those of pretrained columns, as another preprocessor has them. Default: those of
            the files that the recipe names.

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
        kinds: Mapping[str, str] | None = None,
        vectors: Mapping[str, VectorTable] | None = None,
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
        self.vectors = vectors_of(recipe) if vectors is None else dict(vectors)
        schema = recipe.schema(vocabularies)
        self._set(recipe, vocabularies, schema, recipe.columns, transforms, kinds or {})

    def _set(
        self,
        recipe: Recipe | None,
        vocabularies: Mapping[str, Vocabulary],
        schema: FeatureSchema,
        columns: Sequence[RecipeColumn | None],
        transforms: Mapping[str, NumberTransform],
        kinds: Mapping[str, str],
    ) -> None:
        self.recipe = recipe
        self.schema = schema
        self.vocabularies = dict(vocabularies)
        self.transforms = dict(transforms)
        self.kinds = dict(kinds)
        self.columns = dict(zip(schema.names, columns, strict=True))
        given = tuple(column for column in columns if column is not None)
        self._reading = recipe or (Recipe(given, NO_LABEL) if given else None)
        known = tuple(
            column
            for column in given
            if isinstance(column, NumericColumn | PretrainedColumn)
            or column.table_name in vocabularies
        )
        self._encoder = None
        if known and self._reading is not None:
            recipe = dataclasses.replace(self._reading, columns=known)
            self._encoder = Encoder(recipe, vocabularies, transforms, kinds, self.vectors)

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
        self.vectors = {}
        columns = [column_of(feature, vocabularies) for feature in schema.features]
        self._set(None, vocabularies, schema, columns, {}, {})
        return self

    @classmethod
    def from_prepared(cls, folder: str | os.PathLike[str]) -> Preprocessor:
        """The preprocessor of a folder that `ke.data.prepare` wrote."""
        encoder = load_encoder(folder)
        return cls.of_encoder(encoder)

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
        table = select_columns(to_polars(rows), recipe.sources).to_arrow()
        kinds = value_kinds(table.schema, recipe)
        typed, _, bad = type_rows(table, recipe)
        require_right_rows(bad)
        fitter = RecipeFitter(recipe)
        fitter.add(RecipeFitter.summarize(typed, recipe))
        self = cls.of_encoder(fitter.encoder(kinds, vectors_of(recipe)))
        return self, self._split(typed)

    @classmethod
    def of_encoder(cls, encoder: Encoder) -> Preprocessor:
        """The preprocessor of a recipe with what its training rows gave."""
        return cls(
            encoder.recipe, encoder.vocabularies, encoder.transforms, encoder.kinds, encoder.vectors
        )

    def extend(self, rows: Rows) -> Preprocessor:
        """A preprocessor that also knows the values of further rows, such as those of a new day.

        Every known value keeps its id; new ones that occur often enough follow, as
        `ke.data.Vocabulary.extend` says; hash buckets stay. `ke.models.grow` makes a trained model
        fit.

        Args:
            rows: Raw rows; labels need not be there.

        Example:

        >>> recipe = ke.data.Recipe([ke.data.CategoricalColumn("item")], label="click")
        >>> preprocessor = ke.data.Preprocessor(recipe, {"item": ke.data.Vocabulary(("a", "b"))})
        >>> preprocessor.extend({"item": ["c", "a", "c"]}).vocabularies["item"].values
        ('a', 'b', 'c')

        Raises:
            ValueError: As for `features`; or there is no recipe, by which values are counted.
        """
        if self.recipe is None:
            raise ValueError(
                "Expected a preprocessor with a recipe, by which values are counted. This one was "
                "made of a schema"
            )
        recipe = dataclasses.replace(self.recipe, group=None, weight=None)
        table = select_columns(to_polars(rows), self.sources).to_arrow()
        self._check_kinds(table.schema, recipe)
        typed, _, bad = type_rows(table, recipe, with_label=False)
        require_right_rows(bad)
        vocabularies = dict(self.vocabularies)
        counts = RecipeFitter.summarize(typed, recipe)
        for column in recipe.counted:
            vocabularies[column.table_name] = vocabularies[column.table_name].extend_by_counts(
                counts[column.name], min_count=column.min_count
            )
        return Preprocessor(self.recipe, vocabularies, self.transforms, self.kinds, self.vectors)

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns that rows without labels must have, each once."""
        names = [
            (name,) if column is None else sources_of(column)
            for name, column in self.columns.items()
        ]
        return tuple(dict.fromkeys(itertools.chain(*names)))

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
        require_right_rows(bad)
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
        table = select_columns(to_polars(rows), self.recipe.sources).to_arrow()
        self._check_kinds(table.schema, self.recipe)
        typed, _, bad = type_rows(table, self.recipe)
        require_right_rows(bad)
        return self._split(typed)

    def encode(self, frame: DataFrame) -> tuple[dict[str, np.ndarray], list[BadRow]]:
        """Encode a polars frame without labels, and tell which rows are wrong.

        Returns:
            One array per feature, and the rows that are wrong, in order. Where there are any, the
            arrays are of no use.

        Raises:
            ValueError: If a column is missing.
        """
        frame = select_columns(frame, self.sources)
        arrays: dict[str, np.ndarray] = {}
        bad: list[BadRow] = []
        if self._reading is not None:
            recipe = dataclasses.replace(self._reading, group=None, weight=None)
            names = list(dict.fromkeys(itertools.chain(*map(sources_of, recipe.columns))))
            table = frame.select(names).to_arrow()
            self._check_kinds(table.schema, recipe)
            rows, kept, bad = type_rows(table, recipe, with_label=False)
            arrays, wrong = self._encode(rows, frame, kept)
            bad += wrong
        for feature in self.schema.features:
            if isinstance(feature, Embedding) and feature.name not in arrays:
                arrays[feature.name], wrong = encode_vectors(feature, frame[feature.name])
                bad += wrong
        arrays = {name: arrays[name] for name in self.schema.names}
        return arrays, sorted(bad, key=lambda problem: problem.row)

    def _check_kinds(self, schema: Any, recipe: Recipe) -> None:
        """Raise ValueError if a column holds another kind of values than it did in training."""
        asked = value_kinds(schema, recipe)
        merge_kinds([("the training rows", self.kinds), ("These rows", asked)])

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
            arrays[feature.name], wrong = encode_ids(feature, values, raw, kept)
            bad += wrong
        return arrays, bad

    def fitted_config(self) -> dict[str, Any]:
        """What the training rows gave besides the vocabularies, as plain values."""
        recipe = cast("Recipe", self.recipe)
        return Encoder(recipe, {}, self.transforms, self.kinds).fitted_config()

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
            save_vectors(path, self.vectors)
            config = {
                "format": _FORMAT,
                "versions": package_versions(("polars", "pyarrow")),
                "recipe": None if self.recipe is None else self.recipe.get_config(),
                "schema": self.schema.get_config(),
                "tables": list(self.vocabularies),
                **self.fitted_config(),
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
            schema = FeatureSchema.from_config(config["schema"])
            vocabularies = load_vocabularies(folder, config["tables"])
            if config["recipe"] is None:
                return cls.from_schema(schema, vocabularies)
            recipe = Recipe.from_config(config["recipe"])
            vectors = load_vectors(folder, recipe)
            fitted = Encoder.from_fitted_config(recipe, vocabularies, config, vectors)
            loaded = cls.of_encoder(fitted)
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
