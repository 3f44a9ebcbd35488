"""The two passes of a preparation as Apache Beam pipelines, for files too large for one machine.

Each step is what `ke.data.prepare` does with a segment of a file, so that the rows, ids and blocks
are the same. Workers read the raw files under the paths that were given, so these lie on a file
system that every machine mounts; what the passes hand on lies in the folder that is written.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.data.numbers.row_sample import is_sample, merge_samples
from keras_elastor.data.prepared import storage
from keras_elastor.data.prepared.blocks import BlockLayout, split_into_blocks
from keras_elastor.data.prepared.manifest import Source
from keras_elastor.data.reading.segment_rows import (
    check_recipe,
    raise_bad_row,
    read_rows,
    source_kinds,
)
from keras_elastor.data.reading.segments import (
    Segment,
    first_number,
    read_header,
    read_segments,
    require_columns,
)
from keras_elastor.data.reading.typed_rows import TypedRows
from keras_elastor.data.recipe import Recipe
from keras_elastor.data.vocabularies.encoder_files import load_encoder, save_encoder
from keras_elastor.data.vocabularies.encoding import SAMPLE, Encoder, RecipeFitter
from keras_elastor.data.vocabularies.known_values import KnownValues
from keras_elastor.data.vocabularies.vector_table import key_kinds, vectors_of
from keras_elastor.utils.files import hash_file
from keras_elastor.utils.optional import import_optional

DataFrame: TypeAlias = Any
Transform: TypeAlias = Any
Block: TypeAlias = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class ClusterPreparation:
    """What every worker needs to know.

    Args:
        paths: The files of each split, under the paths that workers read them by.
        recipe: How columns become features.
        segment_bytes: As for `ke.data.prepare`.
        folder: Folder to write, perhaps an address on a bucket; all machines reach it.
    """

    paths: Mapping[str, tuple[Path, ...]]
    recipe: Recipe
    segment_bytes: int
    folder: str

    def count(
        self, runner: Any, options: Any, known_values: KnownValues
    ) -> tuple[Encoder, dict[str, tuple[Source, ...]]]:
        """The first pass: count the values of the training rows and write the vocabularies.

        Args:
            runner: Of the pipeline, as `beam.Pipeline` takes it.
            options: Of the pipeline.
            known_values: As for `ke.data.prepare`.

        Returns:
            Recipe and vocabularies, and the sources of each split.

        Raises:
            ImportError: Apache Beam is not installed.
        """
        beam = import_optional("apache_beam", extra="beam")
        check_recipe(self.recipe)
        vectors = vectors_of(self.recipe)
        kinds = source_kinds(self.paths, self.recipe, key_kinds(vectors, self.recipe))
        files = [
            (f"{split}-{index}", path)
            for split, paths in self.paths.items()
            for index, path in enumerate(paths)
        ]
        with beam.Pipeline(runner=runner, options=options) as pipeline:
            _ = (
                pipeline
                | "Train" >> self._segments("train")
                | "Count" >> beam.FlatMap(_count, self.recipe, kinds)
                | "Add up" >> beam.CombinePerKey(_add_up)
                | "Write counts" >> beam.MapTuple(self._write_counts)
            )
            _ = (
                pipeline
                | "All files" >> beam.Create(files)
                | "Spread" >> beam.Reshuffle()
                | "Hash" >> beam.MapTuple(self._write_source)
            )
        fitter = RecipeFitter(self.recipe)
        for name in fitter.names:
            fitter.add({name: self._read_counts(name)})
        encoder = fitter.encoder(kinds, vectors, known_values)
        save_encoder(self.folder, encoder)
        sources = {
            split: tuple(self._read_source(f"{split}-{index}") for index in range(len(paths)))
            for split, paths in self.paths.items()
        }
        return encoder, sources

    def encoded_blocks(self, split: str) -> Transform:
        """The second pass: a transform from nothing to the named blocks of a split."""
        beam = import_optional("apache_beam", extra="beam")
        encode = beam.FlatMap(_encode, self.recipe, self.folder)
        return self._segments(split) | "Encode" >> encode

    def _segments(self, split: str) -> Transform:
        beam = import_optional("apache_beam", extra="beam")
        return (
            "List" >> beam.Create(list(enumerate(self.paths[split])))
            | "Spread files" >> beam.Reshuffle()
            | "Read" >> beam.FlatMap(_read, self.recipe, self.segment_bytes)
            # A file is read by one worker; its segments then go to all of them.
            | "Spread segments" >> beam.Reshuffle()
        )

    def _write_counts(self, column: str, counts: DataFrame) -> None:
        buffer = io.BytesIO()
        counts.write_ipc(buffer)
        storage.write_bytes(self._path(f"{self._number(column)}.arrow"), buffer.getvalue())

    def _read_counts(self, column: str) -> DataFrame:
        pl = import_optional("polars", extra="data")
        return pl.read_ipc(storage.read_bytes(self._path(f"{self._number(column)}.arrow")))

    def _path(self, name: str) -> str:
        return storage.join(self.unfinished, name)

    def _number(self, column: str) -> int:
        return [SAMPLE, *(other.name for other in self.recipe.columns)].index(column)

    def _write_source(self, name: str, path: Path) -> None:
        source = Source(os.fspath(path), path.stat().st_size, hash_file(path))
        text = json.dumps(dataclasses.asdict(source))
        storage.write_bytes(self._path(f"{name}.json"), text.encode())

    def _read_source(self, name: str) -> Source:
        return Source(**json.loads(storage.read_bytes(self._path(f"{name}.json"))))

    @property
    def unfinished(self) -> str:
        """Folder of what the first pass hands on; of no use afterwards."""
        return storage.join(self.folder, "unfinished")


def _read(
    numbered: tuple[int, Path], recipe: Recipe, segment_bytes: int
) -> Iterator[tuple[str, list[str], Segment]]:
    """The named segments of a file, with the names of its columns."""
    index, path = numbered
    names = read_header(path, recipe.separator, recipe.file_columns)
    require_columns(path, names, recipe.sources)
    has_header = recipe.file_columns is None
    is_empty = True
    segments = read_segments(path, recipe.sources, has_header, segment_bytes)
    for number, segment in enumerate(segments):
        is_empty = False
        yield f"{index}-{number}", names, segment
    if is_empty:
        raise ValueError(f"{path}: expected rows. The file has none")


def _right_rows(
    segment: Segment, recipe: Recipe, names: list[str], kinds: Mapping[str, str]
) -> TypedRows:
    rows, bad = read_rows(segment, recipe, names, kinds)
    if bad:
        raise_bad_row(segment, bad[0])
    return rows


def _count(
    named: tuple[str, list[str], Segment], recipe: Recipe, kinds: Mapping[str, str]
) -> Iterable[tuple[str, DataFrame]]:
    name, names, segment = named
    rows, file = _right_rows(segment, recipe, names, kinds), int(name.partition("-")[0])
    first_row = segment.first_row - first_number(segment.path, recipe.file_columns is None)
    return RecipeFitter.summarize(rows, recipe, file, first_row).items()


def _add_up(counts: Iterable[DataFrame]) -> DataFrame:
    pl = import_optional("polars", extra="data")
    parts = list(counts)
    samples = [part for part in parts if is_sample(part)]
    if samples:
        return merge_samples(samples)
    if not parts:
        return pl.DataFrame(schema={"value": pl.Null, "count": pl.Int64})
    # A part in which every value is missing has no type.
    together = pl.concat(parts, how="vertical_relaxed")
    return together.group_by("value").agg(pl.col("count").cast(pl.Int64).sum())


def _encode(
    named: tuple[str, list[str], Segment], recipe: Recipe, folder: str
) -> Iterator[tuple[str, Block]]:
    name, names, segment = named
    encoder = _encoder(folder)
    rows = _right_rows(segment, recipe, names, encoder.kinds)
    layout = BlockLayout.of(encoder.schema, recipe)
    matrices = layout.pack(encoder.encode(rows), rows.labels, rows.weight)
    for number, block in enumerate(split_into_blocks(matrices)):
        yield f"{name}-{number}", block


@functools.lru_cache(maxsize=1)
def _encoder(folder: str) -> Encoder:
    """Read once by each worker."""
    return load_encoder(folder)
