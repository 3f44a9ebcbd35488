import keras
import numpy as np
import polars as pl
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.data.raw_files import read, write_csv

ROWS = 5000
RECIPE = ke.data.Recipe(
    [
        ke.data.CategoricalColumn("id", dtype="integer"),
        ke.data.NumericColumn("number"),
        ke.data.SequenceColumn("history", max_length=2),
    ],
    label="click",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Rows that each know their number, in several shards and one with a single short block."""
    folder = tmp_path_factory.mktemp("load")
    numbers = np.arange(ROWS)
    frame = pl.DataFrame(
        {
            "click": (numbers % 2).astype(str),
            "id": numbers.astype(str),
            "number": numbers.astype(str),
            "history": [f"{number}^x" for number in numbers],
        }
    )
    files = {
        "train": write_csv(folder / "train.csv", frame),
        "few": write_csv(folder / "few.csv", frame[:3]),
    }
    ke.data.prepare(files, RECIPE, folder / "out", segment_bytes=30_000, progress=False)
    return folder / "out"


def order(dataset):
    return read(dataset)[0]["number"].astype(int).tolist()


def test_in_order_without_shuffle(folder):
    assert order(ke.data.load(folder, "train", 300)) == list(range(ROWS))


@pytest.mark.parametrize("batch_size", [64, 1024, 4999, 5000, 6000])
@pytest.mark.parametrize("shuffle", [False, True])
def test_every_row_once_and_whole_in_batches_of_known_number(folder, batch_size, shuffle):
    dataset = ke.data.load(folder, "train", batch_size, shuffle, seed=1)
    assert len(dataset) == -(-ROWS // batch_size)
    batches = list(dataset.as_numpy_iterator())
    sizes = [len(labels) for _, labels in batches]
    assert sizes[:-1] == [batch_size] * (len(dataset) - 1)
    assert sum(sizes) == ROWS
    features, labels = read(dataset)
    numbers = features["number"].astype(int)
    assert sorted(numbers) == list(range(ROWS))
    # All values occur once, so that ids follow the values.
    np.testing.assert_array_equal(features["id"], numbers + 1)
    np.testing.assert_array_equal(labels, numbers % 2)
    assert (features["history"][:, 1] == 1).all()


def test_each_pass_has_another_order_and_a_seed_repeats_them_all(folder):
    load = lambda seed: ke.data.load(folder, "train", 512, shuffle=True, seed=seed)  # noqa: E731
    dataset, again, other = load(1), load(1), load(2)
    passes = [order(dataset) for _ in range(3)]
    assert passes[0] != passes[1] != passes[2] != passes[0]
    assert [order(again) for _ in range(3)] == passes
    assert order(other) != passes[0]
    unseeded = load(None)
    assert order(unseeded) != order(unseeded)


def test_the_same_order_in_every_pass_where_asked_for(folder):
    dataset = ke.data.load(folder, "train", 64, shuffle=True, seed=3, reshuffle=False)
    first = order(dataset)
    assert first == order(dataset)
    assert first != sorted(first)
    # What a training skips that was stopped in the middle of an epoch.
    assert order(dataset.skip(40)) == first[40 * 64 :]


def test_rows_of_all_shards_are_mixed(folder):
    features, _ = next(iter(ke.data.load(folder, "train", 1000, shuffle=True, seed=0)))
    # The mean of 1,000 of the numbers 0 .. 4,999 has a standard deviation of 41.
    assert abs(features["number"].numpy().mean() - 2500) < 200


def test_drop_remainder_makes_batches_of_one_static_shape(folder):
    dataset = ke.data.load(folder, "train", 300, drop_remainder=True)
    assert len(dataset) == 16
    assert dataset.element_spec[0]["history"].shape.as_list() == [300, 2]
    assert order(dataset) == list(range(4800))


def test_shapes_are_known(folder):
    features, label = ke.data.load(folder, "train", 300).element_spec
    assert {name: spec.shape.as_list() for name, spec in features.items()} == {
        "id": [None],
        "number": [None],
        "history": [None, 2],
    }
    assert label.shape.as_list() == [None]


@pytest.mark.parametrize("shuffle", [False, True])
def test_workers_share_the_rows(folder, shuffle):
    shards = len(ke.data.Manifest.load(folder).splits["train"].shards)
    assert shards >= 3
    parts = [
        ke.data.load(folder, "train", 100, shuffle, seed=3, worker=(index, 3)) for index in range(3)
    ]
    rows = [order(part) for part in parts]
    assert sorted(number for part in rows for number in part) == list(range(ROWS))
    assert [len(part) for part in parts] == [-(-len(part) // 100) for part in rows]
    with raises_value_error("worker", shards, "segment_bytes"):
        ke.data.load(folder, "train", 100, worker=(0, shards + 1))
    with raises_value_error("worker"):
        ke.data.load(folder, "train", 100, worker=(3, 3))


def test_keras_fits_on_it(folder):
    schema = ke.data.Manifest.load(folder).schema
    model = ke.models.DNN(schema, embedding_dim=2, hidden_units=(4,))
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    dataset = ke.data.load(folder, "train", 1000, shuffle=True, seed=0)
    few = ke.data.load(folder, "few", 1000)
    history = model.fit(dataset, validation_data=few, epochs=2, shuffle=False, verbose=0)
    assert np.isfinite(history.history["val_loss"]).all()


def test_wrong_use_is_named(folder, tmp_path):
    with raises_value_error("'tset'", "train, few"):
        ke.data.load(folder, "tset", 10)
    with raises_value_error("batch_size", 0):
        ke.data.load(folder, "train", 0)
    with pytest.raises(FileNotFoundError, match=r"ke\.data\.prepare"):
        ke.data.load(tmp_path, "train", 10)


def test_a_copy_that_is_not_whole_is_named(folder, tmp_path):
    for path in folder.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    shard = next(tmp_path.glob("*train.tfrecord-00001*"))
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(FileNotFoundError, match=rf"{shard.name}.*Copy"):
        ke.data.load(tmp_path, "train", 10)
    shard.unlink()
    with pytest.raises(FileNotFoundError, match="no such file"):
        ke.data.load(tmp_path, "train", 10)
    (tmp_path / "manifest.json").write_text('{"format": 1}')
    with raises_value_error("manifest.json"):
        ke.data.load(tmp_path, "train", 10)
