"""What `fit` takes by position, and in which order rows come."""

import inspect

import keras
import numpy as np
import pytest

import keras_elastor as ke
from tests.assertions import raises_value_error

SCHEMA = ke.FeatureSchema([ke.Categorical("user", 40)], label="click")
USERS = np.arange(40, dtype="int32")
CLICKS = (USERS % 2).astype("float32")
POSITIONS = list(inspect.signature(keras.Model.fit).parameters)[1:]


class Batches(keras.utils.PyDataset):
    """Ten batches of four rows, each of which says when it is asked for."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def __len__(self):
        return 10

    def __getitem__(self, number):
        self.asked.append(number)
        rows = slice(4 * number, 4 * number + 4)
        return {"user": USERS[rows]}, CLICKS[rows]


@pytest.fixture
def model():
    model = ke.models.LogisticRegression(SCHEMA)
    model.compile("sgd")
    return model


def by_position(**arguments):
    """Arguments of `fit` behind `x` and `y` as a person writes them by position."""
    last = max(POSITIONS.index(name) for name in arguments)
    defaults = inspect.signature(keras.Model.fit).parameters
    names = POSITIONS[2 : last + 1]
    return [arguments.get(name, defaults[name].default) for name in names]


def test_validation_data_by_position_is_checked(model):
    good = ({"user": USERS}, CLICKS)
    history = model.fit({"user": USERS}, CLICKS, *by_position(verbose=0, validation_data=good))
    assert "val_loss" in history.history
    wrong = ({"user": USERS + 1}, CLICKS)
    with raises_value_error("'user'", "row 39", "40"):
        model.fit({"user": USERS}, CLICKS, *by_position(verbose=0, validation_data=wrong))


def test_shuffle_by_position(model):
    for shuffle in (False, True):
        batches = Batches()
        model.fit(batches, None, *by_position(verbose=0, shuffle=shuffle))
        order = batches.asked[-10:]
        assert sorted(order) == list(range(10))
        assert (order == list(range(10))) is not shuffle


def test_a_dataset_of_batches_is_shuffled_anew_each_epoch(model):
    batches = Batches()
    model.fit(batches, epochs=3, verbose=0)
    orders = [batches.asked[-30:][10 * epoch : 10 * epoch + 10] for epoch in range(3)]
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


def test_a_generator_keeps_its_order(model):
    seen = []

    def generate():
        for number in range(10):
            seen.append(number)
            rows = slice(4 * number, 4 * number + 4)
            yield {"user": USERS[rows]}, CLICKS[rows]

    model.fit(generate(), steps_per_epoch=10, verbose=0)
    assert seen == list(range(10))
