"""Ranks through the stages of every model, against the stages measured at once."""

import itertools

import keras
import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.analysis.windows import iterate_windows
from tests.assertions import raises_value_error
from tests.backends import call
from tests.checks import random_batch
from tests.models.test_models import SCHEMA, SMALL, make

ROWS, WINDOW = 50, 20


def names(frame):
    return list(zip(frame.stage, frame.kind, frame.view, strict=True))


@pytest.mark.usefixtures("drawn_by_numpy")
@pytest.mark.parametrize("name", SMALL)
def test_every_model_against_its_stages_measured_at_once(name):
    model = make(name)
    features, _ = random_batch(SCHEMA, batch=ROWS)
    ranks = ke.analysis.layer_ranks(model, features, kinds=["entropy", "stable"], window=WINDOW)
    stages = call(model.intermediates(), features)
    expected = []
    for stage, kind in itertools.product(model.stage_names, ("entropy", "stable")):
        values = stages[stage]
        whole = values[:40].reshape(2, WINDOW, *values.shape[1:])
        views = {"batch": whole.reshape(2, WINDOW, -1)}
        if values.ndim == 3:
            views = {"tokens": values, **views, "token_batch": whole.swapaxes(1, 2)}
        for view, matrices in views.items():
            expected.append((stage, kind, view, ke.analysis.effective_rank(matrices, kind)))
    assert names(ranks) == [line[:3] for line in expected]
    for line, (*_, view, values) in zip(ranks.itertuples(), expected, strict=True):
        assert line.rows == (ROWS if view == "tokens" else 40)
        assert line.mean == pytest.approx(values.mean(), rel=1e-3)
        error = values.std(ddof=1) / values.size**0.5
        assert line.standard_error == pytest.approx(error, rel=1e-2, abs=1e-4)
        for share in (10, 50, 90):
            quantile = np.quantile(values, share / 100, method="inverted_cdf")
            assert getattr(line, f"q{share}") == pytest.approx(quantile, rel=1e-2, abs=1e-2)


def test_any_form_of_dataset_gives_the_same():
    features, labels = random_batch(SCHEMA, batch=ROWS)
    tf = pytest.importorskip("tensorflow")
    batches = tf.data.Dataset.from_tensor_slices((features, labels)).batch(7)
    grouped = {**features, SCHEMA.group_column: np.arange(ROWS)}
    model = make("RankMixer")
    expected = ke.analysis.layer_ranks(model, features, max_rows=44, window=WINDOW)
    for dataset in (batches, batches.repeat(), (grouped, labels), [features]):
        ranks = ke.analysis.layer_ranks(model, dataset, max_rows=44, window=WINDOW)
        assert ranks.equals(expected)
    assert set(expected.rows) == {44, 40}


@pytest.mark.parametrize("max_rows", [None, 2, 19, 20, 21, 49, 50, 51])
@pytest.mark.parametrize("batch", [1, 7, 20, 50])
def test_windows_hold_the_first_rows_in_order(max_rows, batch):
    schema = ke.FeatureSchema([ke.Categorical("item", 99)])
    dataset = ({"item": np.arange(i, min(i + batch, ROWS))} for i in range(0, ROWS, batch))
    windows = [window["item"] for window in iterate_windows(dataset, schema, WINDOW, max_rows)]
    assert np.concatenate(windows).tolist() == list(range(min(ROWS, max_rows or ROWS)))
    assert all(len(window) == WINDOW for window in windows[:-1])


def test_some_views_and_leaves_the_model_as_it_was():
    features, _ = random_batch(SCHEMA, batch=ROWS)
    model = make("MaskNet")
    before = model.get_weights()
    ranks = ke.analysis.layer_ranks(model, features, views=["batch"], window=WINDOW)
    assert set(ranks.view) == {"batch"}
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    # Fewer rows than a window are enough where no view is over windows.
    ranks = ke.analysis.layer_ranks(model, features, views=["tokens"])
    assert set(ranks.rows) == {ROWS}


def test_bad_input():
    features, labels = random_batch(SCHEMA, batch=ROWS)
    model = make("RankMixer")
    measure = ke.analysis.layer_ranks
    for other in (keras.Sequential(name="mine"), None):
        with raises_value_error("named stages", type(other).__name__):
            measure(other, features)
    one = {name: values[:1] for name, values in features.items()}
    with raises_value_error("at least 2 rows", "1 rows"):
        measure(model, one)
    with raises_value_error("at least 2 rows", "0 rows"):
        measure(model, iter(()))
    with raises_value_error("window=500", "50 rows", "smaller"):
        measure(model, features)
    with raises_value_error("'stabel'", "stable"):
        measure(model, features, kinds=["stabel"])
    with raises_value_error("`kinds`", "list", "'stable'"):
        measure(model, features, kinds="stable")
    with raises_value_error("'rows'", "token_batch"):
        measure(model, features, views=["rows"])
    for name, value in (("window", 1), ("max_rows", 0), ("window", 2.5), ("max_rows", True)):
        with raises_value_error(name, repr(value)):
            measure(model, features, **{name: value})
    with raises_value_error("iterable", "int"):
        measure(model, 3)
    with raises_value_error("dict", "ndarray"):
        measure(model, [labels])
    with raises_value_error("without user"):
        measure(model, {name: features[name] for name in features if name != "user"})
    with raises_value_error("'price'", "50 rows", "49"):
        measure(model, {**features, "price": features["price"][1:]}, window=WINDOW)
    wrong = {**features, "price": np.where(np.arange(ROWS) == 33, np.nan, features["price"])}
    with raises_value_error("'price'", "nan"):
        measure(model, wrong, window=WINDOW)
    encoder = model.get_layer("encoder")
    encoder.numeric_vectors.assign(encoder.numeric_vectors * np.nan)
    with raises_value_error("Stage 'encoder'", "'tokens'", "rows 0 to 19", "(0, 3, 0)"):
        measure(model, features, window=WINDOW)
