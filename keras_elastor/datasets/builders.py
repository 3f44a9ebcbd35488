"""Builders of the public datasets for TensorFlow Datasets, registered by importing this module.

It is the one module that cannot be imported without TensorFlow Datasets; `keras_elastor.datasets`
says when it is.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from keras_elastor.data.prepared import storage
from keras_elastor.data.prepared.beam import ClusterPreparation
from keras_elastor.data.prepared.blocks import (
    BlockLayout,
    read_blocks,
    shard_name,
    split_into_blocks,
)
from keras_elastor.data.prepared.manifest import (
    MANIFEST,
    Manifest,
    Shard,
    Source,
    SplitManifest,
    measure_labels,
    plain_sums,
    versions,
)
from keras_elastor.data.prepared.prepare import SEGMENT_BYTES, prepare
from keras_elastor.data.vocabularies.encoder_files import load_encoder, save_encoder
from keras_elastor.data.vocabularies.encoding import Encoder
from keras_elastor.data.vocabularies.known_values import KnownValues, describe_known_values
from keras_elastor.data.vocabularies.vocabulary import Vocabulary
from keras_elastor.datasets.files import find_files
from keras_elastor.datasets.kuairand import KUAIRAND_PURE, kuairand_pure
from keras_elastor.datasets.missing_files import DatasetNotFoundError
from keras_elastor.datasets.public_dataset import PublicDataset
from keras_elastor.datasets.registry import get_public
from keras_elastor.utils.files import hash_file
from keras_elastor.utils.optional import import_optional

tfds = import_optional("tensorflow_datasets", extra="data")

Block = dict[str, np.ndarray]

BUILDERS: dict[str, Any] = {}


# mypy does not take a variable for a module.
class RecipeBuilder(  # type: ignore[call-arg]
    tfds.core.GeneratorBasedBuilder,  # type: ignore[name-defined]
    skip_registration=True,
):
    """Prepares a dataset by its recipe: the blocks are those of `ke.data.prepare`.

    A record is a block of up to 1,024 rows (`keras_elastor.data.prepared.blocks.BlockLayout`); the
    blocks of a split lie in the order that TensorFlow Datasets gives them. With a `beam_runner` or
    `beam_options` in the `DownloadConfig`, the preparation runs as pipelines of Apache Beam.

    A dataset of one's own is a subclass, too:

        class ShopClicks(ke.datasets.builders.RecipeBuilder):
            dataset = ke.datasets.PublicDataset("shop_clicks", recipe, {"train": "train.csv"})

    Raises:
        DatasetNotFoundError: If a file is missing; the message says which, and where it comes from.
        ValueError: As for `ke.datasets.prepare`.
    """

    VERSION = tfds.core.Version("1.0.0")
    dataset: ClassVar[PublicDataset]
    segment_bytes: ClassVar[int] = SEGMENT_BYTES

    def __init_subclass__(cls, skip_registration: bool = False, **arguments: Any) -> None:
        cls.name = cls.dataset.name
        if cls.dataset.archive is None:
            cls.MANUAL_DOWNLOAD_INSTRUCTIONS = _instructions(cls.dataset)
        super().__init_subclass__(skip_registration=skip_registration, **arguments)
        if not skip_registration:
            BUILDERS[cls.name] = cls

    def _info(self) -> Any:
        recipe = self.dataset.recipe
        # Sizes of vocabularies, which are not known yet, do not matter to the layout.
        schema = recipe.schema({table: Vocabulary(()) for table in recipe.tables})
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.dataset.description,
            features=BlockLayout.of(schema, recipe).tfds_features(),
            homepage=self.dataset.homepage,
            citation=self.dataset.citation,
            license=self.dataset.licence,
        )

    def _download_and_prepare(self, dl_manager: Any, download_config: Any) -> None:
        runner, options = download_config.beam_runner, download_config.beam_options
        self._beam = None if runner is None and options is None else (runner, options)
        self._unfinished: str | None = None
        super()._download_and_prepare(dl_manager, download_config)
        self._write_manifest()
        # Only now: a preparation that was stopped goes on there.
        if self._unfinished is not None:
            storage.remove_folder(self._unfinished)

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        files, known_values = self._find_files(dl_manager)
        self._options: dict[str, Any] = {
            "on_error": "stop",
            "segment_bytes": self.segment_bytes,
            **describe_known_values(known_values),
        }
        if self._beam is not None:
            cluster = ClusterPreparation(
                files, self.dataset.recipe, self.segment_bytes, self.data_dir
            )
            self._unfinished = cluster.unfinished
            self._encoder, self._sources = cluster.count(*self._beam, known_values)
            return {split: cluster.encoded_blocks(split) for split in files}
        folder = _working_folder(dl_manager, self.name)
        self._unfinished = os.fspath(folder)
        manifest = prepare(
            files,
            self.dataset.recipe,
            folder,
            segment_bytes=self.segment_bytes,
            known_values=known_values,
        )
        self._encoder = load_encoder(folder)
        self._sources = {name: split.sources for name, split in manifest.splits.items()}
        return {
            name: self._generate_examples(
                read_blocks(
                    [
                        os.fspath(folder / shard_name(name, number, len(split.shards)))
                        for number in range(len(split.shards))
                    ],
                    manifest.layout,
                )
            )
            for name, split in manifest.splits.items()
        }

    def _generate_examples(self, blocks: Iterable[Block]) -> Iterator[tuple[int, Block]]:
        yield from enumerate(blocks)

    def _find_files(self, dl_manager: Any) -> tuple[dict[str, tuple[Path, ...]], KnownValues]:
        if self.dataset.archive is not None:
            folder = Path(dl_manager.download_and_extract(self.dataset.archive))
            # An archive may hold the files in a folder.
            found = sorted(folder.rglob(self.dataset.file_names[0]))
            folders = [path.parent for path in found] or [folder]
        else:
            folders = [_manual_folder(dl_manager, self.dataset) / self.name]
            folders += [folders[0].parent]
        return find_files(self.dataset, folders)

    def _write_manifest(self) -> None:
        """Write what `ke.datasets.load` needs beside the files of TensorFlow Datasets."""
        encoder = self._encoder
        layout = BlockLayout.of(encoder.schema, encoder.recipe)
        splits = {}
        for name, info in self.info.splits.items():
            with ThreadPoolExecutor() as pool:
                paths = [os.fspath(path) for path in info.filepaths]
                shards = pool.map(lambda path: _measure(path, layout), paths)
                splits[name] = SplitManifest(self._sources[name], tuple(shards))
        manifest = Manifest(
            encoder.recipe, encoder.schema, splits, self._options, versions(), self.name
        )
        save_encoder(self.data_dir, encoder)
        storage.write_bytes(
            storage.join(self.data_dir, MANIFEST), f"{manifest.to_json()}\n".encode()
        )


def _instructions(dataset: PublicDataset) -> str:
    return (
        f"{dataset.source} Put {', '.join(dataset.file_names)} into the folder {dataset.name} of "
        "the manual folder, or give their folder as the `manual_dir` of the DownloadConfig."
    )


def _manual_folder(dl_manager: Any, dataset: PublicDataset) -> Path:
    try:
        return Path(dl_manager.manual_dir)
    except AssertionError as error:
        # What TensorFlow Datasets raises where that folder is missing or empty.
        raise DatasetNotFoundError(f"Needed: {', '.join(dataset.file_names)}. {error}") from error


def _working_folder(dl_manager: Any, name: str) -> Path:
    """Where files are prepared before TensorFlow Datasets gets them, on this machine."""
    folder = storage.join(dl_manager.download_dir, f"{name}.prepared")
    return Path(tempfile.mkdtemp()) if storage.is_address(folder) else Path(folder)


def _measure(path: str, layout: BlockLayout) -> Shard:
    rows = 0
    positives, missing = np.zeros(layout.schema.num_tasks), np.zeros(layout.schema.num_tasks, int)
    start, end = layout.describe()["floats"]["/labels"]
    for matrices in read_blocks([path], layout):
        labels = matrices["floats"][:, start:end]
        more, without = measure_labels(labels)
        rows, positives = rows + len(labels), positives + more
        missing = missing + np.array(without or [0] * len(more))
    return Shard(
        rows,
        storage.num_bytes(path) or 0,
        plain_sums(positives),
        missing=tuple(missing.tolist()) if missing.any() else (),
    )


class CriteoX1(RecipeBuilder):
    """Criteo_x1."""

    dataset = get_public("criteo_x1")


class CriteoX4(RecipeBuilder):
    """Criteo_x4."""

    dataset = get_public("criteo_x4")


class AvazuX4(RecipeBuilder):
    """Avazu_x4."""

    dataset = get_public("avazu_x4")


class KuaivideoX1(RecipeBuilder):
    """KuaiVideo_x1."""

    dataset = get_public("kuaivideo_x1")


class TaobaoadX1(RecipeBuilder):
    """TaobaoAd_x1."""

    dataset = get_public("taobaoad_x1")


class MovielensLatest(RecipeBuilder):
    """MovielensLatest_x1."""

    dataset = get_public("movielens_latest")


class KuairandPure(RecipeBuilder):
    """KuaiRand-Pure: the rows of `ke.datasets.kuairand_pure`, in blocks."""

    dataset = KUAIRAND_PURE

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        files, _ = self._find_files(dl_manager)
        path = files["train"][0]
        data = kuairand_pure(path.parent)
        names = tuple(column.name for column in self.dataset.recipe.columns)
        if data.schema.names != names:
            raise ValueError(
                f"{path.parent}: expected the official files, whose training rows give the "
                f"features {', '.join(names)}. Different: "
                f"{', '.join(sorted(set(names) ^ set(data.schema.names)))}"
            )
        self._encoder = Encoder(self.dataset.recipe, data.vocabularies)
        self._options = {}
        source = Source(os.fspath(path), path.stat().st_size, hash_file(path))
        layout = BlockLayout(data.schema)
        splits = {"train": data.train, "valid": data.valid, "test": data.test}
        # A log may end before the days of the test.
        splits = {name: split for name, split in splits.items() if len(split)}
        self._sources = dict.fromkeys(splits, (source,))
        return {
            name: self._generate_examples(
                split_into_blocks(layout.pack(split.columns, split.labels, None))
            )
            for name, split in splits.items()
        }
