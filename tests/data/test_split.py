import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_elastor as ke
from tests.assertions import raises_value_error


def make_split(rows):
    """Columns of several types and shapes that all say which row they belong to."""
    row = np.arange(rows)
    features = {
        "id": row.astype("int32"),
        "history": (row[:, None] * 10 + np.arange(3)).astype("int32"),
        "price": (row / 2).astype("float32"),
        "vector": (row[:, None] * np.ones(2)).astype("float32"),
        "group": row.astype("int64"),
    }
    return ke.data.Split(features, (row % 2).astype("float32"))


def read(dataset):
    """All rows of one pass, as (features, labels)."""
    batches = [
        ({name: values.numpy() for name, values in features.items()}, labels.numpy())
        for features, labels in dataset
    ]
    features = {
        name: np.concatenate([batch[name] for batch, _ in batches]) for name in batches[0][0]
    }
    return features, np.concatenate([labels for _, labels in batches])


def order(dataset):
    return read(dataset)[0]["id"].tolist()


def test_in_order_without_shuffle():
    split = make_split(7)
    features, labels = read(split.dataset(3))
    assert features.keys() == split.features.keys()
    for name, values in split.features.items():
        np.testing.assert_array_equal(features[name], values)
        assert features[name].dtype == values.dtype
    np.testing.assert_array_equal(labels, split.labels)
    assert labels.dtype == np.float32


@settings(max_examples=10, deadline=None)
@given(rows=st.integers(1, 40), batch_size=st.integers(1, 50), seed=st.integers(0, 2**31))
def test_shuffled_rows_stay_whole_and_come_exactly_once(rows, batch_size, seed):
    split = make_split(rows)
    features, labels = read(split.dataset(batch_size, shuffle=True, seed=seed))
    ids = features["id"]
    assert sorted(ids) == list(range(rows))
    for name, values in split.features.items():
        np.testing.assert_array_equal(features[name], values[ids])
    np.testing.assert_array_equal(labels, split.labels[ids])


def test_every_pass_has_another_order_and_a_seed_repeats_them_all():
    split = make_split(100)
    dataset, again, other = (split.dataset(32, shuffle=True, seed=seed) for seed in (1, 1, 2))
    passes = [order(dataset) for _ in range(3)]
    assert passes[0] != passes[1] != passes[2] != passes[0]
    assert passes[0] != list(range(100))
    assert [order(again) for _ in range(3)] == passes
    assert order(other) != passes[0]


def test_without_a_seed_passes_differ_too():
    dataset = make_split(100).dataset(32, shuffle=True)
    assert order(dataset) != order(dataset)


def test_all_rows_are_mixed_not_only_near_ones():
    first_batch = next(iter(make_split(10_000).dataset(1000, shuffle=True, seed=0)))
    ids = first_batch[0]["id"].numpy()
    # The mean of 1,000 of the numbers 0 .. 9,999 has a standard deviation of 87.
    assert abs(ids.mean() - 5000) < 500
    assert ids.max() > 9_500


def test_cardinality_and_shapes_are_known():
    split = make_split(10)
    dataset = split.dataset(4, shuffle=True)
    assert len(dataset) == 3
    assert [len(labels) for _, labels in dataset] == [4, 4, 2]
    features, labels = dataset.element_spec
    assert features["history"].shape.as_list() == [None, 3]
    assert labels.shape.as_list() == [None]


def test_drop_remainder_makes_batches_of_one_static_shape():
    dataset = make_split(10).dataset(4, shuffle=True, drop_remainder=True)
    assert len(dataset) == 2
    assert [len(labels) for _, labels in dataset] == [4, 4]
    assert dataset.element_spec[0]["history"].shape.as_list() == [4, 3]


def test_without_reshuffling_every_pass_is_the_same():
    dataset = make_split(100).dataset(32, shuffle=True, seed=3, reshuffle=False)
    first, second = read(dataset)[1], read(dataset)[1]
    np.testing.assert_array_equal(first, second)
    assert (first != read(make_split(100).dataset(32))[1]).any()
    skipped = read(dataset.skip(2))[1]
    np.testing.assert_array_equal(skipped, first[64:])


@pytest.mark.parametrize("shuffle", [False, True])
def test_no_rows_give_no_batches(shuffle):
    split = make_split(0)
    assert len(split) == 0
    dataset = split.dataset(4, shuffle=shuffle)
    assert len(dataset) == 0
    assert list(dataset) == []


def test_several_tasks():
    labels = np.array([[0, 1], [1, 1], [0, 0]], "float32")
    split = ke.data.Split({"id": np.arange(3)}, labels)
    np.testing.assert_array_equal(read(split.dataset(2))[1], labels)


def test_weights_stay_with_their_rows():
    weights = np.arange(10, dtype="float32") / 10
    split = make_split(10)
    split = ke.data.Split(split.features, split.labels, weights)
    for features, _, found in split.dataset(4, shuffle=True, seed=0):
        np.testing.assert_array_equal(found, weights[features["id"].numpy()])
    with raises_value_error("10 weights", 3):
        ke.data.Split(split.features, split.labels, weights[:3])


def test_keras_fits_on_it():
    inputs = {"price": keras.Input((), name="price")}
    outputs = keras.layers.Dense(1)(keras.layers.Reshape((1,))(inputs["price"]))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    split = ke.data.Split(
        {"price": np.linspace(-1, 1, 10, dtype="float32")}, np.ones(10, "float32")
    )
    dataset = split.dataset(4, shuffle=True, seed=0)
    history = model.fit(dataset, validation_data=dataset, epochs=2, shuffle=False, verbose=0)
    assert history.history["loss"][1] < history.history["loss"][0]
    assert model.predict(dataset, verbose=0).shape == (10, 1)


def test_wrong_use_is_named():
    with raises_value_error("'b'", "2 rows", 3):
        ke.data.Split({"a": np.zeros(2), "b": np.zeros(3)}, np.zeros(2))
    with raises_value_error("batch_size", 0):
        make_split(3).dataset(0)
