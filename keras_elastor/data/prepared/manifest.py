"""What a folder of prepared data holds: enough to read it without its raw files."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_elastor.data.prepared import storage
from keras_elastor.data.prepared.blocks import DATASET, BlockLayout
from keras_elastor.data.recipe import Recipe
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.files import package_versions, write_text

MANIFEST = "manifest.json"
REJECTED = "rejected.jsonl"
# 2: equal values have one text in all storages; ids of floats, booleans and instants changed.
# 3: what encodes rows lies beside it as in a saved preprocessor.
_FORMAT = 3


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
        positives: Sum of the labels for each task: of binary ones, the rows whose label is 1.
        rejected: Rows of the source that were left out.
        missing: Rows without the label for each task; () where no label may be missing.
    """

    rows: int
    num_bytes: int
    positives: tuple[int | float, ...]
    rejected: int = 0
    missing: tuple[int, ...] = ()


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
        """Mean of the labels for each task: of binary ones, the share of rows with a 1.

        Rows without a label do not count.
        """
        totals = zip(*(shard.positives for shard in self.shards), strict=True)
        missing = zip(
            *(shard.missing or (0,) * len(shard.positives) for shard in self.shards), strict=True
        )
        return tuple(
            sum(total) / max(self.rows - sum(without), 1)
            for total, without in zip(totals, missing, strict=True)
        )


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
        return BlockLayout.of(self.schema, self.recipe)

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
    # Folders of before have no "missing".
    lists = {name: tuple(config.get(name, ())) for name in ("positives", "missing")}
    return Shard(**{**config, **lists})


def measure_labels(labels: np.ndarray) -> tuple[tuple[int | float, ...], tuple[int, ...]]:
    """The sums of labels `(rows, tasks)` and how many are missing, for each task."""
    is_missing = np.isnan(labels)
    missing = is_missing.sum(axis=0)
    sums = np.where(is_missing, 0.0, labels).sum(axis=0, dtype=np.float64)
    return plain_sums(sums), tuple(missing.tolist()) if missing.any() else ()


def plain_sums(sums: np.ndarray) -> tuple[int | float, ...]:
    """Sums of labels as plain numbers, whole ones as integers."""
    return tuple(int(total) if total.is_integer() else total for total in sums.tolist())


def versions() -> dict[str, str]:
    """Versions of this package and of those that decide what it writes."""
    return package_versions(("polars", "pyarrow", "tensorflow", "tensorflow-datasets"))
