"""How rows are encoded, as files of a folder that people can read.

| file | what |
|---|---|
| `preprocessor.json` | recipe, schema, kinds of values, transforms of numbers |
| `vocabularies/` | a file for each embedding table |
| `vectors/` | a Parquet file for each column of pretrained vectors |

Folders of prepared data hold them, saved preprocessors and predictors, and runs.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from keras_elastor.data.prepared import storage
from keras_elastor.data.recipe import Recipe
from keras_elastor.data.vocabularies.encoding import Encoder
from keras_elastor.data.vocabularies.hash_buckets import vocabulary_from_config
from keras_elastor.data.vocabularies.vector_table import VectorTable, pretrained, read_vectors
from keras_elastor.data.vocabularies.vocabulary import Vocabulary
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.files import package_versions

PREPROCESSOR = "preprocessor.json"
_VOCABULARIES, _VECTORS = "vocabularies", "vectors"
# 3: prepared folders and runs hold these files, too.
_FORMAT = 3


@dataclasses.dataclass(frozen=True, eq=False)
class EncoderParts:
    """What is saved.

    Args:
        recipe: The columns; None where raw columns are read by what the schema says of them.
        schema: The features.
        vocabularies: By table name.
        fitted: `Encoder.fitted_config()`.
        vectors: By column name.
    """

    recipe: Recipe | None
    schema: FeatureSchema
    vocabularies: Mapping[str, Vocabulary]
    fitted: Mapping[str, Any]
    vectors: Mapping[str, VectorTable]

    @classmethod
    def of(cls, encoder: Encoder) -> EncoderParts:
        """The parts of an encoder."""
        return cls(
            encoder.recipe,
            encoder.schema,
            encoder.vocabularies,
            encoder.fitted_config(),
            encoder.vectors,
        )

    def encoder(self) -> Encoder:
        """The encoder of the parts, which have a recipe."""
        if self.recipe is None:
            raise ValueError("Expected a recipe. These rows were encoded by what a schema says")
        return Encoder.from_fitted_config(self.recipe, self.vocabularies, self.fitted, self.vectors)

    def __eq__(self, other: object) -> bool:
        """Whether both give equal rows equal ids, numbers and vectors."""
        return (
            isinstance(other, EncoderParts)
            and json.dumps(self.get_config()) == json.dumps(other.get_config())
            and self.vocabularies == other.vocabularies
            and self.vectors == other.vectors
        )

    __hash__ = None  # type: ignore[assignment]

    def get_config(self) -> dict[str, Any]:
        """Plain values; not the vocabularies and vectors."""
        return {
            "recipe": None if self.recipe is None else self.recipe.get_config(),
            "schema": self.schema.get_config(),
            "tables": list(self.vocabularies),
            **self.fitted,
        }

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the files; `preprocessor.json` is the last one."""
        paths = [_path(folder, _VOCABULARIES, *named) for named in enumerate(self.vocabularies)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(Vocabulary.save, self.vocabularies.values(), paths))
        for number, (name, table) in enumerate(self.vectors.items()):
            table.save(_path(folder, _VECTORS, number, name, "parquet"))
        config = {
            "format": _FORMAT,
            "versions": package_versions(("polars", "pyarrow")),
            **self.get_config(),
        }
        text = json.dumps(config, indent=2, ensure_ascii=False)
        storage.write_bytes(storage.join(folder, PREPROCESSOR), f"{text}\n".encode())

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> EncoderParts:
        """Read the files.

        Raises:
            FileNotFoundError: If one is missing.
            ValueError: If one is damaged or of another format; the message names the first.
        """
        path = storage.join(folder, PREPROCESSOR)
        try:
            config = json.loads(storage.read_bytes(path))
            if config["format"] != _FORMAT:
                raise ValueError(f"expected format {_FORMAT}. Received: {config['format']}")
            recipe = None if config["recipe"] is None else Recipe.from_config(config["recipe"])
            schema = FeatureSchema.from_config(config["schema"])
            vocabularies = _load_vocabularies(folder, config["tables"])
            vectors = {} if recipe is None else _load_vectors(folder, recipe)
            if recipe is not None and recipe.schema(vocabularies) != schema:
                raise ValueError("expected the vocabularies that belong to the schema")
            fitted = {name: config[name] for name in ("kinds", "transforms", "profile")}
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"{error.filename or path}: there is no such file. Expected the folder of a saved "
                "preprocessor, of prepared data or of a run, with all of its files"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: not a readable preprocessor ({error})") from error
        return cls(recipe, schema, vocabularies, fitted, vectors)


def save_encoder(folder: str | os.PathLike[str], encoder: Encoder) -> None:
    """Write what a recipe got from its training rows; see `EncoderParts`."""
    EncoderParts.of(encoder).save(folder)


def load_encoder(folder: str | os.PathLike[str]) -> Encoder:
    """Read what `save_encoder` wrote.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If one is damaged or of another format.
    """
    return EncoderParts.load(folder).encoder()


def _load_vocabularies(
    folder: str | os.PathLike[str], tables: Iterable[str]
) -> dict[str, Vocabulary]:
    paths = {
        table: _path(folder, _VOCABULARIES, number, table) for number, table in enumerate(tables)
    }
    return {table: _load_vocabulary(path) for table, path in paths.items()}


def _load_vocabulary(path: str) -> Vocabulary:
    try:
        return vocabulary_from_config(json.loads(storage.read_bytes(path)))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _load_vectors(folder: str | os.PathLike[str], recipe: Recipe) -> dict[str, VectorTable]:
    return {
        column.name: read_vectors(
            _path(folder, _VECTORS, number, column.name, "parquet"), column.dim
        )
        for number, column in enumerate(pretrained(recipe))
    }


def _path(
    folder: str | os.PathLike[str], room: str, number: int, name: str, suffix: str = "json"
) -> str:
    # Tables may have names that are no file names.
    safe = re.sub(r"[^a-zA-Z0-9_.-]", "_", name)[:80]
    return storage.join(folder, room, f"{number:03d}_{safe}.{suffix}")
