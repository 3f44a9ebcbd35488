"""Apache Beam prepares what `ke.data.prepare` does; `make test-beam` has an environment with it."""

import dataclasses
import gzip
import pathlib

import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.data.prepared.blocks import read_blocks
from keras_elastor.data.vocabularies.encoder_files import load_encoder
from tests.data.raw_files import RECIPE, make_rows, read, write_csv

pytest.importorskip("apache_beam")
tfds = pytest.importorskip("tensorflow_datasets")
# All are of Apache Beam and TensorFlow Datasets themselves.
pytestmark = pytest.mark.filterwarnings("ignore")

FACTS = ke.datasets.PublicDataset(
    name="shop",
    recipe=RECIPE,
    files={"train": ("1.csv", "2.csv.gz"), "test": "test.parquet"},
)


class Shop(ke.datasets.builders.RecipeBuilder, skip_registration=True):
    dataset = FACTS
    segment_bytes = 30_000


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Text, text in gzip and Parquet, in several segments with more than a block in each."""
    folder = tmp_path_factory.mktemp("raw")
    train = make_rows(5000)
    write_csv(folder / "1.csv", train[:2900])
    write_csv(folder / "2.csv.gz", train[2900:])
    make_rows(700, seed=1).write_parquet(folder / "test.parquet")
    return folder


def blocks(folder, split):
    """The blocks of a split as bytes, sorted."""
    paths = map(str, pathlib.Path(folder).glob(f"*-{split}.tfrecord-*"))
    matrices = read_blocks(paths, ke.data.Manifest.load(folder).layout)
    return sorted(tuple(matrix.tobytes() for matrix in block.values()) for block in matrices)


def prepare(builder, raw):
    config = tfds.download.DownloadConfig(manual_dir=raw, beam_runner="DirectRunner", num_shards=3)
    builder.download_and_prepare(download_config=config)


def made_columns(folder):
    """A recipe of what is hashed, made of several columns, transformed or looked up in a file."""
    np.save(folder / "vectors.npy", np.arange(120, dtype="float32").reshape(30, 4))
    return ke.data.Recipe(
        [
            ke.data.CategoricalColumn("item", hash_buckets=50),
            ke.data.SequenceColumn("history", max_length=3, table="item", hash_buckets=50),
            ke.data.CrossedColumn(["user", "item"], min_count=2),
            ke.data.NumericColumn("price", fill="median", transform="quantile"),
            ke.data.NumericColumn("bucket", "median", source="price", transform="bucketize"),
            ke.data.PretrainedColumn(
                "vector", folder / "vectors.npy", dim=4, key="user", dtype="integer"
            ),
        ],
        label="click",
    )


@pytest.mark.parametrize("make_recipe", [lambda folder: RECIPE, made_columns], ids=["ids", "made"])
def test_pipelines_give_the_blocks_of_prepare(make_recipe, raw, tmp_path):
    recipe = make_recipe(tmp_path)

    class Made(Shop, skip_registration=True):
        dataset = dataclasses.replace(FACTS, recipe=recipe)

    builder = Made(data_dir=tmp_path / "tfds")
    prepare(builder, raw)
    files = {"train": [raw / "1.csv", raw / "2.csv.gz"], "test": raw / "test.parquet"}
    expected = ke.data.prepare(
        files, recipe, tmp_path / "out", segment_bytes=30_000, progress=False
    )
    encoders = load_encoder(builder.data_dir), load_encoder(tmp_path / "out")
    assert encoders[0].vocabularies == encoders[1].vocabularies
    assert encoders[0].transforms == encoders[1].transforms
    manifest = ke.data.Manifest.load(builder.data_dir)
    assert manifest.schema == expected.schema
    assert len(manifest.splits["train"].shards) > 1
    for split, part in expected.splits.items():
        assert blocks(builder.data_dir, split) == blocks(tmp_path / "out", split)
        assert manifest.splits[split].rows == part.rows
        assert manifest.splits[split].label_rates == part.label_rates
        assert manifest.splits[split].sources == part.sources
    assert len(read(ke.data.load(builder.data_dir, "train", 512))[1]) == 5000
    assert not list((tmp_path / "tfds").rglob("unfinished"))


def test_a_wrong_row_is_named_by_file_line_and_column(raw, tmp_path):
    rows = gzip.decompress((raw / "2.csv.gz").read_bytes()).decode().splitlines()
    rows[7] = "2" + rows[7][1:]
    for name in ("1.csv", "test.parquet"):
        (tmp_path / name).write_bytes((raw / name).read_bytes())
    (tmp_path / "2.csv.gz").write_bytes(gzip.compress("\n".join([*rows, ""]).encode()))
    with pytest.raises(Exception, match=r"2\.csv\.gz, line 8, column 'click'.*0 or 1"):
        prepare(Shop(data_dir=tmp_path / "tfds"), tmp_path)


def test_an_empty_file_is_named(raw, tmp_path):
    class Empty(Shop, skip_registration=True):
        dataset = dataclasses.replace(FACTS, files={"train": "1.csv", "test": "2.csv"})

    (tmp_path / "1.csv").write_bytes((raw / "1.csv").read_bytes())
    (tmp_path / "2.csv").write_text((raw / "1.csv").read_text().splitlines()[0] + "\n")
    with pytest.raises(Exception, match=r"2\.csv: expected rows"):
        prepare(Empty(data_dir=tmp_path / "tfds"), tmp_path)
