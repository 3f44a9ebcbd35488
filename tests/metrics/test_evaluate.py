"""`ke.evaluate` against scikit-learn, on hand-made models of known logits."""

import math
import warnings

import keras
import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

import keras_elastor as ke
from tests.assertions import raises_value_error
from tests.metrics.test_exact import looped_group_auc

ROWS = 1000


def make_model(schema, num_tasks=1):
    """A model whose logit of task k is `(k + 1) * price - k * user / 8`."""
    inputs = {
        feature.name: keras.Input(
            (), name=feature.name, dtype="float32" if feature.name == "price" else "int32"
        )
        for feature in schema.features
    }
    price = keras.ops.expand_dims(inputs["price"], -1)
    logits = price
    if num_tasks > 1:
        user = keras.ops.expand_dims(keras.ops.cast(inputs["user"], "float32"), -1)
        tasks = np.arange(num_tasks, dtype="float32")
        logits = price * (tasks + 1) - user * (tasks / 8)
    model = keras.Model(inputs, logits)
    model.schema = schema
    return model


def make_schema(group=None, label="click"):
    features = [ke.Numeric("price"), ke.Categorical("user", vocabulary_size=50)]
    return ke.FeatureSchema(features, label=label, group=group)


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    # The known users are 1 to 48.
    user = rng.integers(1, 49, size=ROWS).astype("int32")
    click = (rng.random(ROWS) < 0.3).astype("float32")
    price = (np.round(rng.normal(size=ROWS) + click, 1) + user / 64).astype("float32")
    return {"price": price, "user": user}, click


def batches_of(*parts, size=300):
    """The rows in batches, the last one smaller."""

    def cut(part, start):
        if isinstance(part, dict):
            return {name: values[start : start + size] for name, values in part.items()}
        return part[start : start + size]

    return [tuple(cut(part, start) for part in parts) for start in range(0, ROWS, size)]


def expected_of(labels, logits, weights=None):
    probabilities = 1 / (1 + np.exp(-logits.astype("float64")))
    return {
        "auc": pytest.approx(roc_auc_score(labels, logits, sample_weight=weights), abs=1e-12),
        "logloss": pytest.approx(log_loss(labels, probabilities, sample_weight=weights), rel=1e-7),
    }


class TestValues:
    def test_one_task(self, rows):
        features, click = rows
        result = ke.evaluate(make_model(make_schema()), rows)
        assert result == expected_of(click, features["price"])
        assert {type(value) for value in result.values()} == {float}

    def test_every_form_of_dataset_gives_the_same(self, rows):
        features, click = rows
        model = make_model(make_schema())
        expected = ke.evaluate(model, rows)
        assert ke.evaluate(model, rows, batch_size=7 * ROWS) == expected
        assert ke.evaluate(model, rows, batch_size=250) == expected
        assert ke.evaluate(model, batches_of(*rows)) == expected
        assert ke.evaluate(model, (batch for batch in batches_of(*rows))) == expected
        assert ke.evaluate(model, (features, click[:, None].astype("int64"))) == expected
        tensors = {name: keras.ops.convert_to_tensor(values) for name, values in features.items()}
        assert ke.evaluate(model, [(tensors, keras.ops.convert_to_tensor(click))]) == expected

    def test_tf_data(self, rows):
        tf = pytest.importorskip("tensorflow")
        model = make_model(make_schema())
        dataset = tf.data.Dataset.from_tensor_slices(rows)
        assert ke.evaluate(model, dataset.batch(300)) == ke.evaluate(model, rows)
        with raises_value_error("finite", "endless", "take"):
            ke.evaluate(model, dataset.batch(300).repeat())

    @pytest.mark.parametrize("shape", [(ROWS,), (ROWS, 1)])
    def test_weights(self, rows, shape):
        features, click = rows
        weights = np.random.default_rng(1).gamma(1.0, size=ROWS).astype("float32")
        expected = expected_of(click, features["price"], weights)
        model = make_model(make_schema())
        assert ke.evaluate(model, (*rows, weights.reshape(shape))) == expected
        assert ke.evaluate(model, batches_of(*rows, weights.reshape(shape))) == expected

    def test_several_tasks(self, rows):
        features, click = rows
        like = np.random.default_rng(1).integers(0, 2, size=ROWS)
        labels = np.stack([click, like], axis=1)
        model = make_model(make_schema("user", label=("click", "like")), num_tasks=2)
        # As the model computes it: in float32.
        second = features["price"] * np.float32(2) - features["user"].astype("float32") / 8
        expected = {}
        for name, label, logits in (("click", click, features["price"]), ("like", like, second)):
            expected |= {f"{key}_{name}": v for key, v in expected_of(label, logits).items()}
            gauc = looped_group_auc(label, logits, features["user"])
            expected[f"gauc_{name}"] = pytest.approx(gauc, abs=1e-12)
        assert ke.evaluate(model, (features, labels)) == expected

        weights = np.random.default_rng(2).random((ROWS, 2)).astype("float32")
        result = ke.evaluate(model, (features, labels, weights))
        auc = roc_auc_score(like, second, sample_weight=weights[:, 1])
        assert result["auc_like"] == pytest.approx(auc, abs=1e-12)

    def test_verbose_shows_progress(self, rows, capsys):
        model = make_model(make_schema())
        ke.evaluate(model, rows, batch_size=500)
        assert capsys.readouterr().out == ""
        ke.evaluate(model, rows, batch_size=500, verbose=True)
        assert "2/2" in capsys.readouterr().out
        ke.evaluate(model, iter(batches_of(*rows)), verbose=True)
        assert capsys.readouterr().out.endswith("\n")

    def test_on_the_backend_in_lower_precision(self, rows):
        """Float16 logits are compared as they are: their ties count one half."""
        features, click = rows
        keras.config.set_dtype_policy("mixed_float16")
        price = keras.Input((), name="price")
        logits = keras.ops.expand_dims(keras.ops.cast(price, "float16"), -1)
        model = keras.Model({"price": price}, logits)
        model.schema = ke.FeatureSchema([ke.Numeric("price")], label="click")
        half = features["price"].astype("float16")
        result = ke.evaluate(model, ({"price": features["price"]}, click))
        assert result == expected_of(click, half)


class TestGroups:
    def test_exact_groups_travel_with_the_batch(self, rows):
        features, click = rows
        model = make_model(make_schema("user"))
        exact_group = np.random.default_rng(1).integers(0, 20, size=ROWS)
        features = {**features, "user_group": exact_group}
        result = ke.evaluate(model, (features, click), batch_size=300)
        expected = looped_group_auc(click, features["price"], exact_group)
        assert result["gauc"] == pytest.approx(expected, abs=1e-12)
        assert "user_group" in features

    @pytest.mark.parametrize("other", ["int64", "int16", "uint32"])
    def test_groups_of_two_widths_in_turn(self, rows, other):
        features, click = rows
        session = np.arange(ROWS) % 30
        expected = looped_group_auc(click, features["price"], session)
        batches = []
        for number, start in enumerate(range(0, ROWS, 100)):
            part = slice(start, start + 100)
            groups = session[part].astype(other if number % 2 else "int32")
            batch = {name: values[part] for name, values in features.items()}
            batches.append(({**batch, "session": groups}, click[part]))
        result = ke.evaluate(make_model(make_schema("session")), batches)
        assert result["gauc"] == pytest.approx(expected, abs=1e-6)

    def test_groups_as_text(self, rows):
        features, click = rows
        session = np.arange(ROWS) % 30
        expected = looped_group_auc(click, features["price"], session)
        features = {**features, "session": np.array([f"s{number}" for number in session])}
        result = ke.evaluate(make_model(make_schema("session")), (features, click))
        assert result["gauc"] == pytest.approx(expected, abs=1e-6)

    def test_a_group_that_is_no_feature(self, rows):
        features, click = rows
        model = make_model(make_schema("session"))
        session = np.random.default_rng(1).integers(0, 20, size=ROWS)
        result = ke.evaluate(model, batches_of({**features, "session": session}, click))
        expected = looped_group_auc(click, features["price"], session)
        assert result["gauc"] == pytest.approx(expected, abs=1e-12)

    def test_ids_of_known_groups_serve_without_a_warning(self, rows):
        features, click = rows
        result = ke.evaluate(make_model(make_schema("user")), rows)
        expected = looped_group_auc(click, features["price"], features["user"])
        assert result["gauc"] == pytest.approx(expected, abs=1e-12)
        assert list(result) == ["auc", "logloss", "gauc"]

    def test_unknown_groups_warn(self, rows):
        features, _ = rows
        features["user"][:7] = 49
        features["user"][7:10] = 0
        words = "10 of 1000 rows have the out-of-vocabulary or the padding id.*'user_group'"
        with pytest.warns(UserWarning, match=words) as caught:
            ke.evaluate(make_model(make_schema("user")), rows)
        assert __file__ in [warning.filename for warning in caught]

    def test_exact_groups_of_unknown_users_do_not_warn(self, rows):
        features, click = rows
        features["user"][:] = 49
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            ke.evaluate(
                make_model(make_schema("user")),
                ({**features, "user_group": np.arange(ROWS) % 9}, click),
            )

    @pytest.mark.parametrize("group", ["session", "price"])
    def test_no_group_is_an_error(self, rows, group):
        column = "session" if group == "session" else "price_group"
        with raises_value_error(f"groups rows by '{group}'", column, "price, user", "group=None"):
            ke.evaluate(make_model(make_schema(group)), rows)


class TestUndefined:
    def test_an_empty_dataset_is_nan_with_a_warning(self):
        model = make_model(make_schema("user", label=("click", "like")), num_tasks=2)
        nothing = {"price": np.zeros(0, "float32"), "user": np.zeros(0, "int32")}
        for dataset in ([], (nothing, np.zeros((0, 2)))):
            with pytest.warns(UserWarning, match="dataset is empty") as caught:
                result = ke.evaluate(model, dataset)
            assert __file__ in [warning.filename for warning in caught]
            assert list(result) == [
                f"{metric}_{label}"
                for label in ("click", "like")
                for metric in ("auc", "logloss", "gauc")
            ]
            assert all(math.isnan(value) for value in result.values())

    def test_one_class_only_is_nan_with_a_warning(self, rows):
        features, _ = rows
        model = make_model(make_schema("user"))
        with (
            pytest.warns(UserWarning, match="^AUC is nan: .*label 0"),
            pytest.warns(UserWarning, match="^gAUC is nan"),
        ):
            result = ke.evaluate(model, (features, np.zeros(ROWS)))
        assert math.isnan(result["auc"])
        assert math.isnan(result["gauc"])
        expected = np.logaddexp(0, features["price"].astype("float64")).mean()
        assert result["logloss"] == pytest.approx(expected)


class TestBadInput:
    def test_nan_logits(self, rows):
        features, click = rows
        features["price"][[400, 950]] = np.nan
        with raises_value_error("Task click", "NaN in 2 of 1000 rows", "row 400"):
            ke.evaluate(make_model(make_schema()), (features, click), batch_size=300)

    def test_labels(self, rows):
        features, click = rows
        click[700] = 2
        with raises_value_error("Task 'click'", "0 or 1", "2 in row 700"):
            ke.evaluate(make_model(make_schema()), (features, click), batch_size=300)

    def test_a_model_without_schema(self, rows):
        model = make_model(make_schema())
        model.schema = None
        with raises_value_error("schema", "Functional", "model.schema ="):
            ke.evaluate(model, rows)

    @pytest.mark.parametrize(
        ("dataset", "words"),
        [
            (5, ("iterable of batches", "int")),
            ([{"price": [1.0]}], ("(features, label)", "dict")),
            ([({"price": [1.0]},)], ("(features, label)", "tuple of ['dict']")),
            ([(np.zeros(3), np.zeros(3))], ("dict of one array per feature", "ndarray")),
        ],
    )
    def test_another_form_of_dataset(self, dataset, words):
        with raises_value_error(*words):
            ke.evaluate(make_model(make_schema()), dataset)

    def test_shapes_that_do_not_fit(self, rows):
        features, click = rows
        model = make_model(make_schema())
        with raises_value_error("'price'", "10 labels", "1000"):
            ke.evaluate(model, (features, click[:10]))
        with raises_value_error("'price'", "10 labels", "(1000,)"):
            ke.evaluate(model, [(features, click[:10])])
        with raises_value_error("label", "(1000, 1) or (1000,)", "(1000, 2)"):
            ke.evaluate(model, (features, np.stack([click, click], axis=1)))
        with raises_value_error("sample_weight", "(1000, 2)"):
            ke.evaluate(model, (features, click, np.ones((ROWS, 2))))
        with raises_value_error("sample_weight", "1000 labels", "3"):
            ke.evaluate(model, (features, click, np.ones(3)))
        with raises_value_error("batch_size", "at least 1", "0"):
            ke.evaluate(model, rows, batch_size=0)

    def test_a_model_of_another_width(self, rows):
        features, click = rows
        model = make_model(make_schema(label=("click", "like")), num_tasks=3)
        with raises_value_error("logits", "(1000, 2)", "click, like", "(1000, 3)"):
            ke.evaluate(model, (features, np.stack([click, click], axis=1)))
