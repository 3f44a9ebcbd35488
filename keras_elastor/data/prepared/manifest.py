"""What a folder of prepared data holds: enough to read it without its raw files."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from keras_elastor.data.numbers.number_transform import NumberTransform
from keras_elastor.data.prepared import storage
from keras_elastor.data.prepared.blocks import DATASET, BlockLayout
from keras_elastor.data.recipe import Recipe
from keras_elastor.data.vocabularies.encoding import Encoder
from keras_elastor.data.vocabularies.vocabulary import Vocabulary
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.files import package_versions, write_text

MANIFEST = "manifest.json"
VOCABULARIES = "vocabularies"
TRANSFORMS = "numbers.json"
REJECTED = "rejected.jsonl"
_FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Source:
    """A raw file.

    Args:
        path: As it was given.
        num_bytes: Its size.
        sha256: Of its bytes, as hexadecimal digits.
    """

    path: str
    num_bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Shard:
    """A file of prepared rows.

    Args:
        rows: Number of rows.
        num_bytes: Its size.
        positives: Rows whose label is 1, for each task.
        rejected: Rows of the source that were left out.
    """

    rows: int
    num_bytes: int
    positives: tuple[int, ...]
    rejected: int = 0


@dataclasses.dataclass(frozen=True)
class SplitManifest:
    """One split of prepared data.

    Args:
        sources: The raw files, in order.
        shards: The prepared files, in order.
    """

    sources: tuple[Source, ...]
    shards: tuple[Shard, ...]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(shard.rows for shard in self.shards)

    @property
    def rejected(self) -> int:
        """Number of rows of the sources that were left out."""
        return sum(shard.rejected for shard in self.shards)

    @property
    def label_rates(self) -> tuple[float, ...]:
        """Share of the rows whose label is 1, for each task."""
        totals = zip(*(shard.positives for shard in self.shards), strict=True)
        return tuple(sum(total) / max(self.rows, 1) for total in totals)


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a folder of prepared data holds.

    Args:
        recipe: How it was made.
        schema: The features.
        splits: By name.
        options: `on_error` and `segment_bytes` of `prepare`.
        versions: Of the packages that wrote it.
        name: Of the dataset; the names of its files begin with it.
    """

    recipe: Recipe
    schema: FeatureSchema
    splits: dict[str, SplitManifest]
    options: dict[str, Any]
    versions: dict[str, str]
    name: str = DATASET

    @property
    def layout(self) -> BlockLayout:
        """Where each column lies in a block."""
        return BlockLayout(self.schema, has_weight=self.recipe.weight is not None)

    def get_config(self) -> dict[str, Any]:
        """Plain values, with what follows from them for people to read."""
        return {
            "format": _FORMAT,
            "name": self.name,
            "splits": {
                name: {
                    "rows": split.rows,
                    "label_rates": split.label_rates,
                    "rejected": split.rejected,
                    **dataclasses.asdict(split),
                }
                for name, split in self.splits.items()
            },
            "vocabulary_sizes": self.schema.table_sizes,
            "recipe": self.recipe.get_config(),
            "schema": self.schema.get_config(),
            "layout": self.layout.describe(),
            "options": self.options,
            "versions": self.versions,
        }

    @property
    def plan(self) -> dict[str, Any]:
        """What decides the data: equal plans give equal folders."""
        return {
            "sources": {
                name: [[source.num_bytes, source.sha256] for source in split.sources]
                for name, split in self.splits.items()
            },
            "recipe": self.recipe.get_config(),
            "options": self.options,
        }

    def save(self, folder: Path) -> None:
        """Write the manifest; a folder that holds one is whole."""
        write_text(folder / MANIFEST, f"{self.to_json()}\n")

    def to_json(self) -> str:
        """The manifest as readable JSON."""
        return json.dumps(self.get_config(), indent=2)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Manifest:
        """Read the manifest of a folder, or of an address such as gs://bucket/folder.

        Raises:
            FileNotFoundError: If the folder holds none; the message says what to do.
            ValueError: If it is not readable, or of another format.
        """
        path = storage.join(folder, MANIFEST)
        try:
            text = storage.read_bytes(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileNotFoundError(
                f"{folder}: expected prepared data, with a {MANIFEST}. Prepare it with "
                "ke.data.prepare; a preparation that was interrupted goes on when called again"
            ) from error
        try:
            config = json.loads(text)
            if config["format"] != _FORMAT:
                raise ValueError(f"format {config['format']}, expected {_FORMAT}: prepare it again")
            return cls(
                Recipe.from_config(config["recipe"]),
                FeatureSchema.from_config(config["schema"]),
                {name: _split_from_config(split) for name, split in config["splits"].items()},
                config["options"],
                config["versions"],
                config.get("name", DATASET),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: not a readable manifest ({error})") from error


def _split_from_config(config: dict[str, Any]) -> SplitManifest:
    return SplitManifest(
        tuple(Source(**source) for source in config["sources"]),
        tuple(map(shard_from_config, config["shards"])),
    )


def shard_from_config(config: dict[str, Any]) -> Shard:
    """A shard of the plain values of its fields."""
    return Shard(**{**config, "positives": tuple(config["positives"])})


def versions() -> dict[str, str]:
    """Versions of this package and of those that decide what it writes."""
    return package_versions(("polars", "pyarrow", "tensorflow", "tensorflow-datasets"))


def save_encoder(folder: str | os.PathLike[str], encoder: Encoder) -> None:
    """Write what a recipe got from its training rows, as readable files."""
    save_vocabularies(folder, encoder.vocabularies)
    save_transforms(folder, encoder.transforms)


def save_transforms(
    folder: str | os.PathLike[str], transforms: Mapping[str, NumberTransform]
) -> None:
    """Write the transforms of numbers, if there are such, by column."""
    if transforms:
        configs = {name: transform.get_config() for name, transform in transforms.items()}
        text = json.dumps(configs, indent=1, ensure_ascii=False)
        storage.write_bytes(storage.join(folder, TRANSFORMS), text.encode())


def load_transforms(folder: str | os.PathLike[str], recipe: Recipe) -> dict[str, NumberTransform]:
    """Read what `save_transforms` wrote; nothing where the recipe transforms no numbers."""
    if not recipe.transformed:
        return {}
    configs = json.loads(storage.read_bytes(storage.join(folder, TRANSFORMS)))
    return {name: NumberTransform.from_config(config) for name, config in configs.items()}


def save_vocabularies(
    folder: str | os.PathLike[str], vocabularies: Mapping[str, Vocabulary]
) -> None:
    """Write each vocabulary as a readable file, in the order of the tables."""
    paths = [
        storage.join(folder, VOCABULARIES, _file_name(number, table))
        for number, table in enumerate(vocabularies)
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(Vocabulary.save, vocabularies.values(), paths))


def _file_name(number: int, table: str) -> str:
    # Tables may have names that are no file names.
    return f"{number:03d}_{re.sub(r'[^a-zA-Z0-9_.-]', '_', table)[:80]}.json"


def load_vocabularies(
    folder: str | os.PathLike[str], tables: Iterable[str]
) -> dict[str, Vocabulary]:
    """Read what `save_vocabularies` wrote.

    Args:
        folder: The folder.
        tables: Names of the tables, in the order in which they were saved.
    """
    return {
        table: Vocabulary.load(storage.join(folder, VOCABULARIES, _file_name(number, table)))
        for number, table in enumerate(tables)
    }


def load_encoder(folder: str | os.PathLike[str], recipe: Recipe | None = None) -> Encoder:
    """The recipe of a folder of prepared data, and what it got from the training rows.

    Args:
        folder: What `prepare` wrote.
        recipe: The recipe, where the folder is not whole yet.
    """
    recipe = Manifest.load(folder).recipe if recipe is None else recipe
    vocabularies = load_vocabularies(folder, recipe.tables)
    return Encoder(recipe, vocabularies, load_transforms(folder, recipe))
