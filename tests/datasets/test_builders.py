"""TensorFlow Datasets prepares what `ke.data.prepare` does."""

import dataclasses
import functools
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.data.prepared.blocks import read_blocks
from keras_elastor.data.vocabularies.encoder_files import load_encoder
from keras_elastor.datasets.files import find_files
from tests.assertions import raises_value_error
from tests.data.raw_files import read
from tests.datasets.kuairand_files import impression, user, video, write_files

tfds = pytest.importorskip("tensorflow_datasets")
# Both are of TensorFlow Datasets itself.
pytestmark = [
    pytest.mark.backend_free,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

OTHERS = ("kuairand_pure", "prepared", "table", "synthetic")
NAMES = [name for name in ke.datasets.list_datasets() if name not in OTHERS]


@pytest.fixture(autouse=True)
def _no_progress_bars():
    tfds.disable_progress_bar()


def builder_of(name, **options):
    """The builder of a dataset for generated files, which have other sums than the real ones."""
    registered = ke.datasets.builders.BUILDERS[name]
    members = {"dataset": dataclasses.replace(registered.dataset, md5={}), **options}
    return type("Generated", (registered,), members, skip_registration=True)


def prepare(builder, **options):
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(**options))


def blocks(folder, split):
    """The blocks of a split as bytes, sorted: TensorFlow Datasets has an order of its own."""
    paths = map(str, folder.glob(f"*-{split}.tfrecord-*"))
    matrices = read_blocks(paths, ke.data.Manifest.load(folder).layout)
    return sorted(tuple(matrix.tobytes() for matrix in block.values()) for block in matrices)


@pytest.fixture
def downloads(monkeypatch):
    """Archives that are downloaded become folders of this test."""
    folders = {}
    manager = tfds.download.DownloadManager
    monkeypatch.setattr(manager, "download_and_extract", lambda self, url: folders[url])
    return folders


@pytest.mark.parametrize("name", NAMES)
def test_the_blocks_are_those_of_prepare(name, tmp_path, downloads):
    # The archive holds its files in a folder.
    ke.datasets.write_sample(name, tmp_path / "raw" / name, rows=60)
    downloads[ke.datasets.get(name).archive] = tmp_path / "raw"
    builder = builder_of(name, segment_bytes=5000)(data_dir=tmp_path / "tfds")
    prepare(builder, manual_dir=tmp_path / "raw")
    raw = {split: tmp_path / "raw" / name / file for split, file in builder.dataset.files.items()}
    recipe, out = builder.dataset.recipe, tmp_path / "out"
    known = find_files(builder.dataset, [tmp_path / "raw" / name])[1]
    options = {"segment_bytes": 5000, "known_values": known, "progress": False}
    expected = ke.data.prepare(raw, recipe, out, **options)
    assert set(known) == ({"item_emb"} if name == "kuaivideo_x1" else set())
    manifest = ke.data.Manifest.load(builder.data_dir)
    assert manifest.schema == expected.schema
    assert load_encoder(builder.data_dir).vocabularies == load_encoder(out).vocabularies
    for split, part in expected.splits.items():
        assert blocks(builder.data_path, split) == blocks(out, split)
        assert manifest.splits[split].rows == part.rows
        assert manifest.splits[split].label_rates == part.label_rates
        assert manifest.splits[split].sources == part.sources
    assert not list((tmp_path / "tfds").rglob("*.prepared"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """MovieLens' builder, and its generated rows prepared by it."""
    folder = tmp_path_factory.mktemp("movielens")
    name = "movielens_latest"
    ke.datasets.write_sample(name, folder / "raw", rows=3000)
    builder = builder_of(name)(data_dir=folder / "tfds")
    with pytest.MonkeyPatch.context() as patch:
        manager = tfds.download.DownloadManager
        patch.setattr(manager, "download_and_extract", lambda self, url: folder / "raw")
        prepare(builder)
    return folder, builder


def test_tensorflow_datasets_knows_what_it_is(prepared):
    _, builder = prepared
    info, dataset = builder.info, ke.datasets.get("movielens_latest")
    assert info.full_name == "movielens_latest/1.0.0"
    assert info.file_format.value == "tfrecord"
    assert (info.homepage, info.citation) == (dataset.homepage, dataset.citation)
    assert info.redistribution_info.license == dataset.licence
    # 3,000 rows in blocks of 1,024.
    assert sorted(len(block["integers"]) for block in builder.as_dataset(split="train")) == [
        952,
        1024,
        1024,
    ]
    assert issubclass(tfds.builder_cls("movielens_latest"), ke.datasets.builders.RecipeBuilder)


def test_load_takes_the_name(prepared):
    folder, builder = prepared
    dataset = ke.datasets.load("movielens_latest", "train", 500, data_dir=folder / "tfds")
    features, labels = read(dataset)
    expected, expected_labels = read(ke.data.load(builder.data_dir, "train", 500))
    assert len(labels) == 3000
    np.testing.assert_array_equal(labels, expected_labels)
    np.testing.assert_array_equal(features["tag_id"], expected["tag_id"])


def test_load_says_how_to_prepare_what_is_not(tmp_path):
    with pytest.raises(FileNotFoundError, match="criteo_x1 is not prepared") as error:
        ke.datasets.load("criteo_x1", "train", 10, data_dir=tmp_path)
    manual = tmp_path / "downloads" / "manual"
    for words in (str(manual), "train.csv, valid.csv, test.csv", "huggingface.co", "python -c"):
        assert words in str(error.value)


def test_missing_files_are_named(tmp_path):
    builder = builder_of("avazu_x4")(data_dir=tmp_path / "tfds")
    missing = tmp_path / "nowhere"
    with pytest.raises(ke.datasets.DatasetNotFoundError) as error:
        prepare(builder, manual_dir=missing)
    for words in ("train.csv, valid.csv, test.csv", str(missing), "reczoo/Avazu_x4", "avazu_x4"):
        assert words in str(error.value)
    (missing / "avazu_x4").mkdir(parents=True)
    (missing / "avazu_x4" / "train.csv").touch()
    with pytest.raises(ke.datasets.DatasetNotFoundError, match=r"Missing: valid\.csv, test\.csv"):
        prepare(builder, manual_dir=missing)


def test_other_files_than_the_published_ones_are_named(tmp_path):
    ke.datasets.write_sample("criteo_x1", tmp_path / "raw", rows=5)
    builder = ke.datasets.builders.CriteoX1(data_dir=tmp_path / "tfds")
    with raises_value_error("train.csv", "MD5", "30b89c1c7213013b92df52ec44f52dc5"):
        prepare(builder, manual_dir=tmp_path / "raw")


def kuairand_folder(folder):
    """Files in which every feature of the official ones varies, and no other."""
    texts = ("user_active_degree", "is_live_streamer", "is_video_author", "follow_user_num_range")
    texts += ("fans_user_num_range", "friend_user_num_range", "register_days_range")
    texts += tuple(f"onehot_feat{i}" for i in range(18))
    users = [user(key, **dict.fromkeys(texts, f"v{key}")) for key in (1, 2)]
    texts = ("author_id", "video_type", "upload_dt", "upload_type", "music_id", "music_type", "tag")
    videos = [video(key, **dict.fromkeys(texts, f"v{key}")) for key in (1, 2)]
    log = [
        impression(key, key, day, is_click=key % 2, hourmin=key * 100)
        for key in (1, 2)
        for day in (20220425, 20220503, 20220506)
    ]
    earlier = [impression(1, 2, 20220410)]
    return write_files(folder / "KuaiRand-Pure" / "data", log, earlier, users, videos)


def test_kuairand_in_blocks_is_kuairand_in_memory(tmp_path, downloads):
    folder = kuairand_folder(tmp_path)
    downloads[ke.datasets.builders.KuairandPure.dataset.archive] = tmp_path
    load = functools.partial(ke.datasets.load, "kuairand_pure", data_dir=tmp_path / "tfds")
    with pytest.raises(FileNotFoundError) as error:
        load("train", 4)
    # The command of the message, in this process.
    exec(re.search(r'python -c "(.*)"', str(error.value))[1])
    data = ke.datasets.kuairand_pure(folder)
    prepared = tmp_path / "tfds" / "kuairand_pure" / "1.0.0"
    assert ke.data.Manifest.load(prepared).schema == data.schema
    assert load_encoder(prepared).vocabularies == data.vocabularies
    for split in ("train", "valid", "test"):
        expected = getattr(data, split)
        features, labels = read(load(split, 4))
        np.testing.assert_array_equal(labels, expected.labels)
        assert set(features) == set(expected.features)
        for name, values in features.items():
            np.testing.assert_array_equal(values, expected.features[name])


def test_other_features_than_those_of_kuairands_official_files_are_named(tmp_path, downloads):
    downloads[ke.datasets.builders.KuairandPure.dataset.archive] = tmp_path
    write_files(tmp_path, [impression(1, 1, 20220425), impression(2, 2, 20220425)])
    with raises_value_error("official", "onehot_feat3"):
        prepare(ke.datasets.builders.KuairandPure(data_dir=tmp_path / "tfds"))


AFTER = """
import tensorflow_datasets as tfds
import keras_elastor.datasets
print(tfds.builder_cls("criteo_x4").__name__)
"""


def test_names_are_registered_where_tensorflow_datasets_is_imported():
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    arguments = [sys.executable, "-W", "ignore", "-c", AFTER]
    result = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "CriteoX4", result.stderr
