"""One preparation of data: what `ke.data.prepare` does once its arguments are right."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from keras_elastor.data.prepared.blocks import (
    BlockLayout,
    shard_name,
    write_blocks,
    write_tfds_metadata,
)
from keras_elastor.data.prepared.manifest import (
    MANIFEST,
    REJECTED,
    Manifest,
    Shard,
    Source,
    SplitManifest,
    measure_labels,
    shard_from_config,
    versions,
)
from keras_elastor.data.prepared.progress import ProgressBar
from keras_elastor.data.prepared.source_hashes import SourceHashes
from keras_elastor.data.prepared.stored_rows import Place, load_place, load_rows, save_rows
from keras_elastor.data.reading.segment_rows import raise_bad_row, read_rows, rejected_lines
from keras_elastor.data.reading.segments import Segment, first_number, read_segments
from keras_elastor.data.reading.text_rows import BadRow
from keras_elastor.data.reading.typed_rows import TypedRows
from keras_elastor.data.recipe import Recipe
from keras_elastor.data.vocabularies.encoder_files import load_encoder, save_encoder
from keras_elastor.data.vocabularies.encoding import Encoder, RecipeFitter
from keras_elastor.data.vocabularies.known_values import KnownValues
from keras_elastor.data.vocabularies.vector_table import VectorTable
from keras_elastor.utils.files import atomic_file, disk_errors, make_folder, write_text

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Everything that is not whole yet lies here, and nothing else does.
_UNFINISHED = ".unfinished"
# More would not be faster, as polars itself works in parallel, and each holds a segment.
_MAX_WORKERS = 4
_ADVICE = (
    'Correct the file, or leave such rows out with on_error="skip", which keeps them in a file of '
    "their own"
)


class Preparation:
    """The two passes over the files, and what is done of them already.

    Args:
        folder: Folder to write, in which no other run is.
        recipe: How columns become features.
        paths: The files of each split.
        names: The columns of each file.
        options: `on_error` and `segment_bytes`.
        progress: Whether to show a bar.
        known_values: By table, as for `ke.data.prepare`.
        kinds: Of the values of source columns, as `source_kinds` gives them.
        vectors: Of pretrained columns, by the column's name.
    """

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        paths: dict[str, tuple[Path, ...]],
        names: dict[Path, list[str]],
        options: dict[str, Any],
        progress: bool,
        known_values: KnownValues,
        kinds: Mapping[str, str],
        vectors: Mapping[str, VectorTable],
    ) -> None:
        self._folder = folder
        self._work = folder / _UNFINISHED
        self._recipe = recipe
        self._paths = paths
        self._names = names
        self._skip = options["on_error"] == "skip"
        self._options = options
        self._known_values = known_values
        self._kinds = kinds
        self._vectors = vectors
        self._bar = ProgressBar(progress)
        self._workers = min(os.cpu_count() or 1, _MAX_WORKERS)

    def manifest(self) -> Manifest:
        """Do what is not done yet."""
        with SourceHashes(self._names) as hashes:
            if (self._folder / MANIFEST).is_file():
                manifest = Manifest.load(self._folder)
                self._require_same(self._plan(hashes.of), manifest.plan)
                shutil.rmtree(self._work, ignore_errors=True)
                return manifest
            self._begin(hashes)
            encoder = self._encoder()
            sources = self._sources(hashes)
        splits = {
            split: SplitManifest(
                tuple(sources[path] for path in group), self._write_split(split, encoder)
            )
            for split, group in self._paths.items()
        }
        manifest = Manifest(self._recipe, encoder.schema, splits, self._options, versions())
        with disk_errors(self._folder):
            self._finish(manifest)
        return manifest

    def _plan(self, identity: Callable[[Path], str | int]) -> dict[str, Any]:
        """What decides the data, where files of one size and identity are the same."""
        return {
            "sources": {
                split: [[path.stat().st_size, identity(path)] for path in group]
                for split, group in self._paths.items()
            },
            "recipe": self._recipe.get_config(),
            "options": self._options,
        }

    def _begin(self, hashes: SourceHashes) -> None:
        """Take up what an earlier call has left, or raise FileExistsError if it is of other data.

        The hashes are known when the first pass ends. Until then files are the same if nobody has
        written them; if somebody has, all begins anew.
        """
        plan = {**self._plan(lambda path: 0), "versions": versions()}
        begun = self._noted("plan.json")
        if begun is not None:
            self._require_same(plan, begun)
        if self._noted("times.json") != self._times():
            known = self._noted("hashes.json")
            if known is not None:
                self._require_same(self._plan(hashes.of), known)
            elif self._work.is_dir():
                shutil.rmtree(self._work)
        make_folder(self._work)
        self._note("plan.json", plan)
        self._note("times.json", self._times())

    def _sources(self, hashes: SourceHashes) -> dict[Path, Source]:
        """The files, which the first pass has read."""
        if self._noted("times.json") != self._times():
            raise ValueError(
                f"{', '.join(map(str, self._names))}: expected files that stay as they are while "
                "they are read. Somebody has written to one of them. Call again"
            )
        self._note("hashes.json", self._plan(hashes.of))
        return {
            path: Source(os.fspath(path), path.stat().st_size, hashes.of(path))
            for path in self._names
        }

    def _times(self) -> dict[str, list[int]]:
        """When the files of each split were written last."""
        return {
            split: [path.stat().st_mtime_ns for path in group]
            for split, group in self._paths.items()
        }

    def _note(self, name: str, value: dict[str, Any]) -> None:
        if self._noted(name) != value:
            write_text(self._work / name, json.dumps(value, indent=2))

    def _noted(self, name: str) -> Any:
        path = self._work / name
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def _require_same(self, plan: dict[str, Any], other: dict[str, Any]) -> None:
        different = [name for name in plan if other.get(name) != plan[name]]
        if different:
            raise FileExistsError(
                f"{self._folder}: holds data that was prepared otherwise (other "
                f"{', '.join(different)}). Give another out_dir, or delete this folder"
            )

    def _encoder(self) -> Encoder:
        """The vocabularies of the training rows, by the first pass or from an earlier call."""
        done = self._work / "vocabularies.done"
        if done.is_file():
            return load_encoder(self._folder)
        fitter = RecipeFitter(self._recipe)
        for split in self._paths:
            for summary in self._read_split(split):
                fitter.add(summary)
        encoder = fitter.encoder(self._kinds, self._vectors, self._known_values)
        save_encoder(self._folder, encoder)
        write_text(done, "")
        return encoder

    def _read_split(self, split: str) -> Iterator[dict[str, Any]]:
        """Store the typed rows of a split; count the values of each part, if it is for training."""
        stored = {_number(path): load_place(path) for path in self._work.glob(f"{split}-*.rows")}
        num_rows = 0
        with self._bar.phase(f"{split}: reading", self._bytes(split)):
            read: Callable[[tuple[int, Segment | None]], tuple[Place, int, dict[str, Any]]]
            read = lambda item: self._read_part(split, *item)  # noqa: E731
            for place, rows, summary in _map_in_order(
                read, self._segments(split, stored), self._workers
            ):
                num_rows += rows
                self._bar.advance(self._paths[split][place.source], place.progress, rows)
                yield summary
        if not num_rows:
            raise ValueError(f"Split '{split}': expected rows. All of its rows were left out")

    def _read_part(
        self, split: str, number: int, segment: Segment | None
    ) -> tuple[Place, int, dict[str, Any]]:
        """Store the rows of a segment, if there is one, and count the values of what is stored."""
        path = self._part(split, number)
        if segment is None:
            rows, place = load_rows(path)
        else:
            rows, bad = self._read(segment)
            place = Place(
                source=self._paths[split].index(segment.path),
                end=segment.end,
                next_row=segment.first_row + segment.num_rows,
                progress=segment.progress,
                rejected=len(bad),
            )
            if bad:
                lines = "\n".join(rejected_lines(segment, bad))
                write_text(path.with_suffix(".rejected"), f"{lines}\n")
            save_rows(path, rows, place)
        if split != "train":
            return place, len(rows), {}
        source = self._paths[split][place.source]
        first_row = place.next_row - place.rejected - len(rows)
        first_row -= first_number(source, self._recipe.file_columns is None)
        summary = RecipeFitter.summarize(rows, self._recipe, place.source, first_row)
        return place, len(rows), summary

    def _part(self, split: str, number: int) -> Path:
        return self._work / f"{split}-{number:05d}.rows"

    def _read(self, segment: Segment) -> tuple[TypedRows, list[BadRow]]:
        """The right rows of a segment and the wrong ones, where these may be left out."""
        rows, bad = read_rows(segment, self._recipe, self._names[segment.path], self._kinds)
        if bad and not self._skip:
            raise_bad_row(segment, bad[0], _ADVICE)
        for problem in bad:
            if problem.stops:
                raise_bad_row(segment, problem, "Which row it belongs to is not known: correct it")
        return rows, bad

    def _bytes(self, split: str) -> int:
        return sum(path.stat().st_size for path in self._paths[split])

    def _segments(
        self, split: str, stored: Mapping[int, Place]
    ) -> Iterator[tuple[int, Segment | None]]:
        """The numbered segments of a split; None for those that are stored."""
        number = 0
        for index, path in enumerate(self._paths[split]):
            start = first_row = 0
            while number in stored and stored[number].source == index:
                yield number, None
                start, first_row = stored[number].end, stored[number].next_row
                number += 1
            is_empty = start == 0
            for segment in read_segments(
                path,
                self._recipe.sources,
                self._recipe.file_columns is None,
                self._options["segment_bytes"],
                start,
                first_row,
            ):
                is_empty = False
                yield number, None if number in stored else segment
                number += 1
            if is_empty:
                raise ValueError(f"{path}: expected rows of split '{split}'. The file has none")

    def _write_split(self, split: str, encoder: Encoder) -> tuple[Shard, ...]:
        """Write the shards of a split that are not finished; return all."""
        shards = {
            _number(path): shard_from_config(json.loads(path.read_text(encoding="utf-8")))
            for path in self._work.glob(f"{split}-*.json")
        }
        parts = sorted({_number(path) for path in self._work.glob(f"{split}-*.rows")} - set(shards))
        with self._bar.phase(f"{split}: writing", self._bytes(split)):
            write: Callable[[int], tuple[int, Place, Shard]]
            write = lambda number: self._write_shard(split, encoder, number)  # noqa: E731
            for number, place, shard in _map_in_order(write, parts, self._workers):
                shards[number] = shard
                self._bar.advance(self._paths[split][place.source], place.progress, shard.rows)
        return tuple(shard for _, shard in sorted(shards.items()))

    def _write_shard(self, split: str, encoder: Encoder, number: int) -> tuple[int, Place, Shard]:
        part = self._part(split, number)
        rows, place = load_rows(part)
        layout = BlockLayout.of(encoder.schema, self._recipe)
        path = part.with_suffix(".tfrecord")
        size = write_blocks(path, layout.pack(encoder.encode(rows), rows.labels, rows.weight))
        positives, missing = measure_labels(rows.labels)
        shard = Shard(len(rows), size, positives, place.rejected, missing)
        write_text(path.with_suffix(".json"), json.dumps(dataclasses.asdict(shard)))
        # What is written is not needed twice on the disk.
        part.unlink()
        return number, place, shard

    def _finish(self, manifest: Manifest) -> None:
        """Move what lies in the folder for unfinished things to its place."""
        rejected = [
            path
            for split in manifest.splits
            for path in sorted(self._work.glob(f"{split}-*.rejected"))
        ]
        if rejected:
            with atomic_file(self._folder / REJECTED) as out:
                for path in rejected:
                    out.write(path.read_bytes())
        for split, parts in manifest.splits.items():
            for number in range(len(parts.shards)):
                source = self._work / f"{split}-{number:05d}.tfrecord"
                # Gone already if an earlier call ended here.
                if source.is_file():
                    source.replace(self._folder / shard_name(split, number, len(parts.shards)))
        write_tfds_metadata(
            self._folder,
            manifest.layout,
            {
                split: [(shard.rows, shard.num_bytes) for shard in parts.shards]
                for split, parts in manifest.splits.items()
            },
        )
        manifest.save(self._folder)
        shutil.rmtree(self._work)


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _map_in_order(
    function: Callable[[_Item], _Result], items: Iterable[_Item], workers: int
) -> Iterator[_Result]:
    """Results in the order of the items, of which only a few are in memory at a time."""
    pending: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for item in items:
            pending.append(pool.submit(function, item))
            del item
            if len(pending) > workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
