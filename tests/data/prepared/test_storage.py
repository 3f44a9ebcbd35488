"""Prepared data at an address; `ram://` is a file system that TensorFlow keeps in memory."""

import numpy as np
import pytest
import tensorflow as tf

import keras_elastor as ke
from keras_elastor.data.prepared import storage
from keras_elastor.data.vocabularies.encoder_files import load_encoder
from tests.data.raw_files import RECIPE, make_rows, read, write_csv

pytestmark = pytest.mark.backend_free


@pytest.fixture
def address():
    yield "ram://bucket/prepared"
    tf.io.gfile.rmtree("ram://bucket")


def test_bytes_come_back_from_an_address(address):
    storage.write_bytes(storage.join(address, "a", "b.txt"), b"one")
    assert storage.read_bytes("ram://bucket/prepared/a/b.txt") == b"one"
    assert storage.num_bytes("ram://bucket/prepared/a/b.txt") == 3
    assert storage.num_bytes("ram://bucket/prepared/none") is None
    with pytest.raises(FileNotFoundError, match="ram://bucket/prepared/none"):
        storage.read_bytes("ram://bucket/prepared/none")


def test_only_addresses_are_left_to_tensorflow():
    assert storage.is_address("gs://bucket/folder")
    assert not storage.is_address("folder/file")
    assert storage.join("folder", "file") == "folder/file"


def test_prepared_data_is_read_from_an_address(tmp_path, address):
    files = {"train": write_csv(tmp_path / "train.csv", make_rows(300))}
    ke.data.prepare(files, RECIPE, tmp_path / "out", segment_bytes=5000, progress=False)
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            name = path.relative_to(tmp_path / "out").as_posix()
            storage.write_bytes(storage.join(address, name), path.read_bytes())
    assert ke.data.Manifest.load(address) == ke.data.Manifest.load(tmp_path / "out")
    assert load_encoder(address).vocabularies == load_encoder(tmp_path / "out").vocabularies
    expected = read(ke.data.load(tmp_path / "out", "train", 64, shuffle=True, seed=1))
    features, labels, _ = read(ke.data.load(address, "train", 64, shuffle=True, seed=1))
    np.testing.assert_array_equal(labels, expected[1])
    for name, values in features.items():
        np.testing.assert_array_equal(values, expected[0][name])
    shard = next(name for name in tf.io.gfile.listdir(address) if "tfrecord-00001" in name)
    # TensorFlow's file system in memory appends to a file that is there.
    tf.io.gfile.remove(storage.join(address, shard))
    storage.write_bytes(storage.join(address, shard), b"cut off")
    with pytest.raises(FileNotFoundError, match=rf"ram://.*{shard}.*Received: 7 bytes"):
        ke.data.load(address, "train", 64)
    with pytest.raises(FileNotFoundError, match=r"ram://none.*ke\.data\.prepare"):
        ke.data.load("ram://none", "train", 64)
