"""The rules of the optimizers of tables, beside twins of them in float64."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_elastor as ke
from keras_elastor.keras_compat.sparse_rows import mark_table, sum_rows
from tests.assertions import raises_value_error
from tests.backends import numpy

ROWS, WIDTH, STEPS = 9, 3, 6
UNTOUCHED = [0, 7]
DRAW = np.random.default_rng(0)
INITIAL = DRAW.normal(size=(ROWS, WIDTH)).astype("float32")
# Rows come in any order and several times in a batch; some in one batch, not in another.
INDICES = DRAW.choice([8, 3, 3, 1, 2, 4, 5, 6], size=(STEPS, 12)).astype("int32")
SIZES = 10.0 ** DRAW.integers(-7, 1, (STEPS, 12, 1))
VALUES = (DRAW.normal(size=(STEPS, 12, WIDTH)) * SIZES).astype("float32")


def adam(w, g, state, step, rate=0.1, betas=(0.9, 0.999), epsilon=1e-8):
    m, v = state
    m = betas[0] * m + (1 - betas[0]) * g
    v = betas[1] * v + (1 - betas[1]) * g**2
    root = np.sqrt(v / (1 - betas[1] ** step))
    return w - rate * m / (1 - betas[0] ** step) / (root + epsilon), (m, v)


def adagrad(w, g, state, step, rate=0.1, epsilon=1e-7):
    s = state[0] + g**2
    return w - rate * g / np.sqrt(s + epsilon), (s,)


def row_wise_adagrad(w, g, state, step, rate=0.1, epsilon=1e-10):
    s = state[0] + np.mean(g**2, axis=-1, keepdims=True)
    return w - rate * g / (np.sqrt(s) + epsilon), (s,)


def sgd(w, g, state, step, rate=0.1):
    return w - rate * g, ()


TWINS = {
    "LazyAdam": (adam, [np.zeros((ROWS, WIDTH)), np.zeros((ROWS, WIDTH))]),
    "LazyAdagrad": (adagrad, [np.full((ROWS, WIDTH), 0.1)]),
    "RowWiseAdagrad": (row_wise_adagrad, [np.zeros((ROWS, 1))]),
    "LazySGD": (sgd, []),
}


def train(optimizer):
    table = keras.Variable(INITIAL, name="table")
    mark_table(table, None)
    optimizer.build([table])
    for indices, values in zip(INDICES, VALUES, strict=True):
        optimizer.apply([sum_rows(ops.convert_to_tensor(indices), ops.convert_to_tensor(values))])
    return numpy(table), [numpy(slot) for slot in optimizer.variables[2:]]


def train_twin(name, change=lambda gradients: gradients, decay=0.0):
    rule, state = TWINS[name]
    table, state = INITIAL.astype("float64"), [slot.copy() for slot in state]
    for step, (indices, values) in enumerate(zip(INDICES, VALUES, strict=True), start=1):
        touched = np.unique(indices)
        gradients = np.stack(
            [values[indices == row].astype("float64").sum(axis=0) for row in touched]
        )
        weights = table[touched] * (1 - 0.1 * decay)
        moved, kept = rule(weights, change(gradients), [slot[touched] for slot in state], step)
        table[touched] = moved
        for slot, new in zip(state, kept, strict=True):
            slot[touched] = new
    return table, state


@pytest.mark.parametrize("name", TWINS)
def test_equals_its_twin_in_float64_and_leaves_other_rows_alone(name):
    table, slots = train(getattr(ke.optimizers, name)(0.1))
    expected, expected_slots = train_twin(name)
    np.testing.assert_allclose(table, expected, rtol=2e-5)
    np.testing.assert_array_equal(table[UNTOUCHED], INITIAL[UNTOUCHED])
    assert (np.abs(table - INITIAL).max(axis=1) > 0).sum() == ROWS - len(UNTOUCHED)
    for slot, other, first in zip(slots, expected_slots, TWINS[name][1], strict=True):
        np.testing.assert_allclose(slot, other, rtol=2e-5)
        np.testing.assert_array_equal(slot[UNTOUCHED], first[UNTOUCHED].astype("float32"))


def clip_norm(gradients):
    return gradients * min(1, 0.5 / np.sqrt((gradients**2).sum()))


@pytest.mark.parametrize(
    ("arguments", "change", "decay"),
    [
        ({"weight_decay": 0.2}, lambda gradients: gradients, 0.2),
        ({"clipnorm": 0.5}, clip_norm, 0.0),
        ({"clipvalue": 0.1}, lambda gradients: gradients.clip(-0.1, 0.1), 0.0),
    ],
)
def test_decays_and_clips_the_touched_rows(arguments, change, decay):
    table, _ = train(ke.optimizers.LazySGD(0.1, **arguments))
    expected, _ = train_twin("LazySGD", change, decay)
    np.testing.assert_allclose(table, expected, rtol=2e-5)
    assert np.abs(expected - train_twin("LazySGD")[0]).max() > 0.01


@pytest.mark.parametrize("name", TWINS)
def test_comes_back_from_its_config(name):
    optimizer = getattr(ke.optimizers, name)(0.25, weight_decay=0.5, clipnorm=2.0, name="mine")
    config = keras.saving.serialize_keras_object(optimizer)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()
    assert (again.weight_decay, again.clipnorm, again.name) == (0.5, 2.0, "mine")


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("global_clipnorm", 1.0),
        ("use_ema", True),
        ("loss_scale_factor", 8.0),
        ("gradient_accumulation_steps", 2),
    ],
)
def test_refuses_what_passes_over_whole_tables(argument, value):
    with raises_value_error("LazyAdam", f"expected no `{argument}`", f"{argument}={value}"):
        ke.optimizers.LazyAdam(**{argument: value})


def test_refuses_weights_that_are_no_table():
    with raises_value_error("ke.optimizers.Split(tables=ke.optimizers.LazySGD()", "'bias'"):
        ke.optimizers.LazySGD().build([keras.Variable(np.zeros(3), name="bias")])


def test_refuses_an_accumulator_below_zero():
    with raises_value_error("initial_accumulator_value=-1"):
        ke.optimizers.LazyAdagrad(initial_accumulator_value=-1)
