"""From raw rows to what a model reads, by one recipe and its vocabularies, and kept in a folder."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np

from keras_elastor.data.columns.all_columns import (
    NumericColumn,
    PretrainedColumn,
    RecipeColumn,
    sources_of,
)
from keras_elastor.data.numbers.number_transform import NumberTransform
from keras_elastor.data.reading.raw_rows import (
    Rows,
    require_right_rows,
    select_columns,
    to_polars,
)
from keras_elastor.data.reading.short_text import with_text
from keras_elastor.data.reading.text_rows import BadRow
from keras_elastor.data.reading.typed_rows import TypedRows, type_rows
from keras_elastor.data.reading.value_kinds import kinds_by_table, merge_kinds, value_kinds
from keras_elastor.data.recipe import Recipe
from keras_elastor.data.schema_columns import NO_LABEL, column_of, encode_ids, encode_vectors
from keras_elastor.data.shift import Profile, profile_of, warn_of_shift
from keras_elastor.data.split import Split
from keras_elastor.data.vocabularies.encoder_files import PREPROCESSOR, EncoderParts
from keras_elastor.data.vocabularies.encoding import Encoder, RecipeFitter
from keras_elastor.data.vocabularies.vector_table import VectorTable, key_kinds, vectors_of
from keras_elastor.data.vocabularies.vocabulary import Vocabulary
from keras_elastor.schema import Embedding, FeatureSchema, Numeric
from keras_elastor.utils.files import atomic_folder

DataFrame: TypeAlias = Any
Series: TypeAlias = Any


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
        profile: What the training rows are like, as `fit` finds it; rows that differ are a warning.
            Default: None, without.

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
        profile: Profile | None = None,
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
        self.profile = profile
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
            self._encoder = Encoder(
                recipe, vocabularies, transforms, kinds, self.vectors, self.profile
            )

    def __eq__(self, other: object) -> bool:
        """Whether both give equal rows equal ids and numbers."""
        return isinstance(other, Preprocessor) and self.parts == other.parts

    __hash__ = None  # type: ignore[assignment]

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
        self.vectors, self.profile = {}, None
        columns = [column_of(feature, vocabularies) for feature in schema.features]
        self._set(None, vocabularies, schema, columns, {}, {})
        return self

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
        vectors = vectors_of(recipe)
        named = [*key_kinds(vectors, recipe), ("these rows", value_kinds(table.schema, recipe))]
        kinds = kinds_by_table(merge_kinds(named), recipe)
        typed, _, bad = type_rows(table, recipe, kinds)
        require_right_rows(bad)
        fitter = RecipeFitter(recipe)
        fitter.add(RecipeFitter.summarize(typed, recipe))
        encoder = fitter.encoder(kinds, vectors)
        split = _split(encoder, typed)
        buckets = [c.name for c in recipe.columns if getattr(c, "transform", "") == "bucketize"]
        profile = profile_of(encoder.schema, split.features, split.labels, buckets)
        return cls.of_encoder(dataclasses.replace(encoder, profile=profile)), split

    @classmethod
    def of_encoder(cls, encoder: Encoder) -> Preprocessor:
        """The preprocessor of a recipe with what its training rows gave."""
        return cls(
            encoder.recipe,
            encoder.vocabularies,
            encoder.transforms,
            encoder.kinds,
            encoder.vectors,
            encoder.profile,
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
        kinds = self._check_kinds(table.schema, recipe)
        typed, _, bad = type_rows(table, recipe, self.kinds, with_label=False)
        require_right_rows(bad)
        vocabularies = dict(self.vocabularies)
        counts = RecipeFitter.summarize(typed, recipe)
        for column in recipe.counted:
            new = counts[column.name]
            respelled = cast("Encoder", self._encoder).respelled(column, kinds)
            if respelled is not None:
                new = with_text(new)
                new = new.filter(~respelled.knows(new["value"]))
            vocabularies[column.table_name] = vocabularies[column.table_name].extend_by_counts(
                new, min_count=column.min_count
            )
        return Preprocessor(
            self.recipe, vocabularies, self.transforms, self.kinds, self.vectors, self.profile
        )

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
        warn_of_shift(self.schema, self.profile, arrays)
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
        kinds = self._check_kinds(table.schema, self.recipe)
        typed, _, bad = type_rows(table, self.recipe, self.kinds)
        require_right_rows(bad)
        split = _split(cast("Encoder", self._encoder), typed, kinds)
        warn_of_shift(self.schema, self.profile, split.features, split.labels)
        return split

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
            kinds = self._check_kinds(table.schema, recipe)
            rows, kept, bad = type_rows(table, recipe, self.kinds, with_label=False)
            arrays, wrong = self._encode(rows, frame, kept, kinds)
            bad += wrong
        for feature in self.schema.features:
            if isinstance(feature, Embedding) and feature.name not in arrays:
                arrays[feature.name], wrong = encode_vectors(feature, frame[feature.name])
                bad += wrong
        arrays = {name: arrays[name] for name in self.schema.names}
        return arrays, sorted(bad, key=lambda problem: problem.row)

    def _check_kinds(self, schema: Any, recipe: Recipe) -> dict[str, str]:
        """The kinds of the columns' values; ValueError if one is another than in training."""
        asked = value_kinds(schema, recipe)
        merge_kinds([("the training rows", self.kinds), ("These rows", asked)])
        return asked

    def _encode(
        self, rows: TypedRows, frame: DataFrame, kept: np.ndarray, kinds: Mapping[str, str]
    ) -> tuple[dict[str, np.ndarray], list[BadRow]]:
        arrays = {} if self._encoder is None else self._encoder.encode(rows, kinds)
        bad: list[BadRow] = []
        for feature in self.schema.features:
            if feature.name in arrays or isinstance(feature, Embedding | Numeric):
                continue
            values, raw = rows.features[feature.name], frame[feature.name]
            arrays[feature.name], wrong = encode_ids(feature, values, raw, kept)
            bad += wrong
        return arrays, bad

    @property
    def parts(self) -> EncoderParts:
        """What `save` writes."""
        if self.recipe is None:
            fitted: dict[str, Any] = {"kinds": {}, "transforms": {}, "profile": None}
            return EncoderParts(None, self.schema, self.vocabularies, fitted, {})
        return EncoderParts.of(cast("Encoder", self._encoder))

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write recipe, schema and vocabularies into a folder, as JSON that people can read.

        Args:
            folder: A new folder, or one that a preprocessor was saved in, which is replaced. It
                appears when all is written.

        Raises:
            FileExistsError: If the folder holds something else.
            OSError: If the disk refuses to be written. An earlier folder is still there.
        """
        with atomic_folder(folder, PREPROCESSOR) as path:
            self.parts.save(path)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Preprocessor:
        """Read what `save` wrote, or `ke.data.prepare`, or a run in its folder `preprocessor`.

        Raises:
            FileNotFoundError: If the folder holds no preprocessor.
            ValueError: If a file is damaged or of another format; the message names it.
        """
        parts = EncoderParts.load(folder)
        if parts.recipe is None:
            return cls.from_schema(parts.schema, parts.vocabularies)
        return cls.of_encoder(parts.encoder())


def _split(encoder: Encoder, rows: TypedRows, kinds: Mapping[str, str] | None = None) -> Split:
    labels = rows.labels[:, 0] if encoder.schema.num_tasks == 1 else rows.labels
    features = encoder.encode(rows, kinds)
    group = {name: features.pop(name) for name in features.keys() - set(encoder.schema.names)}
    return Split(features, labels, rows.weight, group)
