import itertools

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

import keras_elastor as ke
from keras_elastor.validation.validation import guard
from tests.assertions import raises_value_error

SMALL = {"num_categorical": 3, "vocabulary_size": 12, "num_numeric": 2, "history_length": 3}


@pytest.fixture(autouse=True)
def _fresh_state():
    """Overrides the fixture of all tests: no test here needs its half second of clearing."""


@pytest.fixture(scope="module")
def source():
    return ke.data.synthetic(history_length=5)


@pytest.fixture(scope="module")
def many(source):
    """Features and labels of 200,000 rows."""
    return source.arrays(200_000)


@pytest.fixture(scope="module")
def small():
    return ke.data.synthetic(**SMALL)


def assert_rows_equal(one, other):
    for name in one[0].keys() | other[0].keys():
        np.testing.assert_array_equal(one[0][name], other[0][name], err_msg=name)
    np.testing.assert_array_equal(one[1], other[1])


def test_schema_and_forms(small):
    assert small.schema == ke.FeatureSchema(
        [
            ke.Categorical("user", 12),
            ke.Categorical("item", 12),
            ke.Categorical("category_3", 12),
            ke.Numeric("number_1"),
            ke.Numeric("number_2"),
            ke.Sequence("history", 12, 3, table="item"),
        ],
        label="click",
        group="user",
    )
    features, label = small.arrays(100)
    assert {name: (v.dtype.name, v.shape) for name, v in features.items()} == {
        "user": ("int32", (100,)),
        "item": ("int32", (100,)),
        "category_3": ("int32", (100,)),
        "number_1": ("float32", (100,)),
        "number_2": ("float32", (100,)),
        "history": ("int32", (100, 3)),
    }
    assert (label.dtype.name, label.shape) == ("float32", (100,))


def test_rows_are_valid(source, small):
    for one in (source, small):
        assert ke.data.validate(one.arrays(20_000), one.schema) == 20_000


# --- rows depend on the arguments and nothing else ------------------------------------------------


def test_rows_of_a_seed_never_change():
    features, label = ke.data.synthetic(**SMALL, seed=7).arrays(6)
    assert features["user"].tolist() == [1, 2, 6, 4, 1, 3]
    assert features["history"].tolist() == [
        [1, 2, 1],
        [4, 8, 0],
        [5, 0, 0],
        [9, 0, 0],
        [0, 0, 0],
        [0, 0, 0],
    ]
    np.testing.assert_allclose(
        features["number_2"],
        [1.2176298, 5.830658, 1.4320776, 0.41769385, 0.25901315, 1.2633086],
        rtol=1e-6,
    )
    assert label.tolist() == [0, 0, 1, 0, 0, 0]


def test_equal_arguments_give_equal_rows_and_others_others():
    def make(**changes):
        return ke.data.synthetic(**{**SMALL, **changes}).arrays(500)

    assert_rows_equal(make(seed=1), make(seed=1))
    features, _ = make(seed=1)
    for name, values in make(seed=2)[0].items():
        assert not np.array_equal(values, features[name])


@hypothesis.settings(deadline=None, max_examples=20)
@hypothesis.given(st.integers(1, 12_000), st.sampled_from(["train", "valid", "test"]))
def test_batches_are_the_rows_whatever_their_size(small, batch_size, split):
    batches = itertools.islice(small.batches(batch_size, split), -(-20_000 // batch_size))
    parts = list(batches)
    features = {
        name: np.concatenate([part[name] for part, _ in parts])[:20_000] for name in parts[0][0]
    }
    label = np.concatenate([part for _, part in parts])[:20_000]
    assert_rows_equal((features, label), small.arrays(20_000, split))


def test_batches_are_copies(small):
    features, label = small.arrays(10)
    features["user"][:] = 0
    label[:] = 5
    assert small.arrays(10)[0]["user"].min() > 0
    assert small.arrays(10)[1].max() <= 1


def test_splits_share_no_row(source):
    rows = [
        set(zip(*(source.arrays(20_000, split)[0][f"number_{i}"] for i in (1, 2, 3)), strict=True))
        for split in ("train", "valid", "test")
    ]
    assert len(set.union(*rows)) == 60_000


# --- distributions --------------------------------------------------------------------------------


def test_ids_follow_zipf(many):
    rows = 200_000
    frequencies = np.arange(1, 999) ** -1.1
    frequencies /= frequencies.sum()
    for name in ("user", "category_8"):
        ids = many[0][name]
        assert 1 <= ids.min() <= ids.max() <= 998
        counts = np.bincount(ids, minlength=1000)[1:999]
        chi_square = ((counts - rows * frequencies) ** 2 / (rows * frequencies)).sum()
        # The statistic has mean 997 and standard deviation 45.
        assert 997 - 180 < chi_square < 997 + 180


def test_numbers_are_normal_and_the_last_one_log_normal(many):
    features, _ = many
    for values in (features["number_1"], np.log(features["number_4"])):
        np.testing.assert_allclose([values.mean(), values.std()], [0, 1], atol=0.01)
    assert features["number_4"].min() > 0


def test_histories_are_padded_at_the_end_and_of_any_length(many):
    history = many[0]["history"]
    lengths = (history > 0).sum(axis=1)
    assert ((history > 0) == (np.arange(5) < lengths[:, None])).all()
    np.testing.assert_allclose(np.bincount(lengths, minlength=6) / 2e5, 1 / 6, atol=0.005)
    popular = (history == 1).sum() / (history > 0).sum()
    np.testing.assert_allclose(popular, (many[0]["item"] == 1).mean(), atol=0.01)


@pytest.mark.parametrize("click_rate", [0.001, 0.05, 0.2, 0.7])
def test_click_rate(click_rate):
    source = ke.data.synthetic(click_rate=click_rate)
    p = source.probability(source.arrays(50_000)[0])
    # Calibrated on 65,536 other rows, so that both samples add to the error.
    assert abs(p.mean() - click_rate) < 5 * p.std() * (1 / 65_536 + 1 / 50_000) ** 0.5


def test_labels_are_drawn_from_the_probabilities(source, many):
    features, label = many
    p = source.probability(features)
    order = np.argsort(p).reshape(40, -1)
    excess = (label - p)[order].sum(axis=1)
    chi_square = (excess**2 / (p * (1 - p))[order].sum(axis=1)).sum()
    # 40 degrees of freedom: outside in one of a thousand seeds on each side.
    assert 17 < chi_square < 74


def test_bayes_optimum_is_what_the_true_probabilities_score(source, many):
    optimum = source.bayes(200_000)
    features, label = many
    p = source.probability(features)
    # The labels add noise of about 0.0012 and 0.0012.
    np.testing.assert_allclose(roc_auc_score(label, p), optimum.auc, atol=0.004)
    np.testing.assert_allclose(log_loss(label, p), optimum.logloss, atol=0.004)
    assert 0.75 < optimum.auc < 0.81
    assert source.bayes().auc_error < 0.0003
    other = source.bayes(200_000, "test")
    assert abs(other.auc - optimum.auc) < 4 * (other.auc_error**2 + optimum.auc_error**2) ** 0.5


# --- the planted logit ----------------------------------------------------------------------------


def logit_of(source, features):
    p = source.probability(features)
    return np.log(p) - np.log1p(-p)


def difference(source, features, **changes):
    """The mixed difference of the logit under two values of each changed field."""
    total = 0.0
    for choice in itertools.product((0, 1), repeat=len(changes)):
        sign = (-1) ** sum(choice)
        values = {
            name: np.full_like(features[name], pair[bit])
            for (name, pair), bit in zip(changes.items(), choice, strict=True)
        }
        total = total + sign * logit_of(source, {**features, **values})
    return total


def test_order_one_is_additive():
    source = ke.data.synthetic(**SMALL, order_shares=(1.0, 0.0, 0.0))
    features, _ = source.arrays(200)
    change = difference(source, features, item=(1, 2))
    np.testing.assert_allclose(change, change[0], atol=1e-9)
    assert abs(change[0]) > 1e-3


def test_order_two_joins_neighbours_and_history_with_item():
    source = ke.data.synthetic(**SMALL, order_shares=(0.0, 1.0, 0.0))
    features, _ = source.arrays(200)
    change = difference(source, features, item=(1, 2), category_3=(3, 4))
    np.testing.assert_allclose(change, change[0], atol=1e-9)
    assert abs(change[0]) > 1e-3
    apart = difference(source, features, user=(1, 2), category_3=(3, 4))
    np.testing.assert_allclose(apart, 0, atol=1e-9)
    assert abs(difference(source, features, item=(1, 2), history=(3, 4))).min() > 1e-3
    np.testing.assert_allclose(
        difference(source, features, user=(1, 2), history=(3, 4)), 0, atol=1e-9
    )
    empty = {**features, "history": np.zeros_like(features["history"])}
    shuffled = {**features, "history": np.array([[3, 4, 0]] * 200, "int32")}
    turned = {**features, "history": np.array([[4, 3, 0]] * 200, "int32")}
    np.testing.assert_allclose(logit_of(source, shuffled), logit_of(source, turned), atol=1e-12)
    assert abs(logit_of(source, shuffled) - logit_of(source, empty)).max() > 1e-3


def test_order_three_joins_three_neighbours():
    source = ke.data.synthetic(**SMALL, order_shares=(0.0, 0.0, 1.0))
    features, _ = source.arrays(200)
    change = difference(source, features, user=(1, 2), item=(1, 2), category_3=(3, 4))
    np.testing.assert_allclose(change, change[0], atol=1e-9)
    assert abs(change[0]) > 1e-3
    apart = difference(source, features, user=(1, 2), number_1=(0.0, 1.0))
    np.testing.assert_allclose(apart, 0, atol=1e-9)


def test_orders_have_their_shares_and_no_part_of_lower_ones():
    arguments = {"num_categorical": 4, "vocabulary_size": 30, "num_numeric": 2, "seed": 3}
    shares = np.eye(3)
    logits = []
    for share in (*shares, (0.4, 0.4, 0.2)):
        source = ke.data.synthetic(**arguments, order_shares=tuple(share))
        features, _ = source.arrays(100_000)
        logits.append(logit_of(source, features))
    np.testing.assert_allclose(np.std(logits, axis=1), 1.3, rtol=0.05)
    first, second, third, whole = [logit - logit.mean() for logit in logits]
    np.testing.assert_allclose(np.corrcoef([first, second, third]), np.eye(3), atol=0.05)
    parts = 0.4**0.5 * first + 0.4**0.5 * second + 0.2**0.5 * third
    np.testing.assert_allclose(whole, parts, atol=0.05)
    for higher in (second, third):
        for item in range(1, 5):
            assert abs(higher[features["item"] == item].mean()) < 0.06


# --- tf.data --------------------------------------------------------------------------------------


def test_finite_dataset(small):
    pytest.importorskip("tensorflow")
    dataset = small.dataset(300, num_rows=1000, split="test")
    assert int(dataset.cardinality()) == 4
    for _ in range(2):
        parts = list(dataset.as_numpy_iterator())
        features = {name: np.concatenate([x[name] for x, _ in parts]) for name in parts[0][0]}
        rows = features, np.concatenate([y for _, y in parts])
        assert_rows_equal(rows, small.arrays(1000, "test"))


def test_endless_dataset(small):
    pytest.importorskip("tensorflow")
    dataset = small.dataset(300, split="valid")
    assert int(dataset.cardinality()) == -1
    guarded = guard(dataset, small.schema).take(3).as_numpy_iterator()
    for received, expected in zip(guarded, small.batches(300, "valid"), strict=False):
        assert_rows_equal(received, expected)


# --- wrong use ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_categorical": 2}, ("num_categorical", "at least 3", "2")),
        ({"num_categorical": 4.0}, ("num_categorical", "integer", "4.0")),
        ({"vocabulary_size": 3}, ("vocabulary_size", "at least 4", "3")),
        ({"num_numeric": -1}, ("num_numeric", "at least 0", "-1")),
        ({"history_length": True}, ("history_length", "True")),
        ({"seed": -1}, ("seed", "at least 0")),
        ({"seed": 2**64}, ("seed", "below 2^64")),
        ({"click_rate": 0.0}, ("click_rate", "between 0.0 and 1.0")),
        ({"click_rate": 1}, ("click_rate", "between 0.0 and 1.0")),
        ({"zipf_exponent": 0}, ("zipf_exponent",)),
        ({"logit_stddev": 0.0}, ("logit_stddev",)),
        ({"logit_stddev": float("nan")}, ("logit_stddev", "nan")),
        ({"order_shares": (0.5, 0.5)}, ("order_shares", "three numbers")),
        ({"order_shares": (0.5, 0.6, -0.1)}, ("order_shares", "three numbers")),
        ({"order_shares": (0.5, 0.6, 0.1)}, ("order_shares", "sum to 1")),
    ],
)
def test_wrong_arguments(arguments, words):
    with raises_value_error(*words):
        ke.data.synthetic(**arguments)


def test_wrong_requests(small):
    with raises_value_error("split", "train", "valid", "test", "training"):
        small.arrays(10, split="training")
    with raises_value_error("num_rows", "at least 1"):
        small.arrays(0)
    with raises_value_error("batch_size", "at least 1"):
        small.batches(0)
    with raises_value_error("feature 'item'", "is missing"):
        small.probability({"user": np.array([1])})


# --- models learn it ------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_network_learns_interactions_that_a_linear_model_cannot():
    import keras
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import OneHotEncoder

    keras.utils.set_random_seed(0)
    source = ke.data.synthetic(vocabulary_size=100)
    train, test = source.arrays(200_000), source.arrays(100_000, "test")
    names = [f.name for f in source.schema.features if isinstance(f, ke.Categorical)]
    encoder = OneHotEncoder(handle_unknown="ignore")
    encoder.fit(np.stack([train[0][name] for name in names], axis=1))

    def table(features):
        numbers = [features[f"number_{i}"] for i in (1, 2, 3)] + [np.log(features["number_4"])]
        ids = np.stack([features[name] for name in names], axis=1)
        return hstack([encoder.transform(ids), csr_matrix(np.stack(numbers, axis=1))])

    linear = LogisticRegression(max_iter=200).fit(table(train[0]), train[1])
    linear_auc = roc_auc_score(test[1], linear.predict_proba(table(test[0]))[:, 1])
    model = ke.models.DNN(source.schema, embedding_dim=8, hidden_units=(128, 64))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(2e-3), loss)
    model.fit(*train, batch_size=2048, epochs=5, verbose=0)
    model_auc = roc_auc_score(test[1], model.predict(test[0], batch_size=8192, verbose=0))
    assert 0.65 < linear_auc < model_auc - 0.015
    assert model_auc < source.bayes().auc
