import math
import re

import hypothesis
import hypothesis.strategies as st
import keras
import ml_dtypes
import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.validation.validation import guard, readable_errors
from tests.assertions import raises_value_error
from tests.validation.batches import SCHEMA, make_batch, make_model

tf = pytest.importorskip("tensorflow")
torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def _fresh_state():
    """Overrides the fixture of all tests: no test here needs its half second of clearing."""


def with_value(part, name, index, value):
    """A change of one value of a batch."""

    def change(features, label, weight):
        array = {"features": features, "label": {"": label}, "weight": {"": weight}}[part][name]
        array[index] = value
        return features, label, weight

    return change


def with_features(**columns):
    """A change of whole feature columns; a column of None is taken away."""

    def change(features, label, weight):
        changed = {**features, **columns}
        return {name: v for name, v in changed.items() if v is not None}, label, weight

    return change


def with_label(column):
    return lambda features, label, weight: (features, column, weight)


# The wrong value stands in row 5, which is row 1 of batch 1 where batches have 4 rows.
WRONG_VALUES = {
    "id beyond the vocabulary": (
        with_value("features", "item", 5, 50),
        ("feature 'item'", "expected an id in [0, 50)", "Received: 50.", "last id, 49"),
    ),
    "negative id": (
        with_value("features", "item", 5, -1),
        ("feature 'item'", "expected an id in [0, 50)", "Received: -1."),
    ),
    "id beyond the vocabulary in a history": (
        with_value("features", "history", (5, 2), 1234567),
        ("feature 'history'", "position 2", "expected an id in [0, 50)", "Received: 1234567."),
    ),
    "negative id in a history": (
        with_value("features", "history", (5, 0), -7),
        ("feature 'history'", "position 0", "Received: -7."),
    ),
    "NaN": (
        with_value("features", "price", 5, math.nan),
        ("feature 'price'", "expected a finite number", "Received: nan.", "Fill"),
    ),
    "infinite": (
        with_value("features", "price", 5, -math.inf),
        ("feature 'price'", "expected a finite number", "Received: -inf."),
    ),
    "NaN in an embedding": (
        with_value("features", "image", (5, 1), math.nan),
        ("feature 'image'", "position 1", "expected a finite number", "Received: nan."),
    ),
    "label 2": (
        with_value("label", "", 5, 2.5),
        ("label 'click'", "expected 0 or 1", "Received: 2.5."),
    ),
    "label NaN": (
        with_value("label", "", 5, math.nan),
        ("label 'click'", "expected 0 or 1", "Received: nan."),
    ),
    "negative weight": (
        with_value("weight", "", 5, -0.5),
        ("sample weight", "at least 0", "Received: -0.5."),
    ),
    "weight NaN": (
        with_value("weight", "", 5, math.nan),
        ("sample weight", "at least 0", "Received: nan."),
    ),
}
WRONG_FORMS = {
    "missing feature": (
        with_features(item=None),
        ("feature 'item' is missing", "Received: 'price', 'history', 'image'"),
    ),
    "extra feature": (
        with_features(colour=np.zeros(8, "int32")),
        ("column 'colour' is not in the schema", "Drop the column"),
    ),
    "extra label": (
        with_features(click=np.zeros(8, "float32")),
        ("column 'click' is not in the schema",),
    ),
    "ids as floats": (
        with_features(item=np.zeros(8, "float32")),
        ("feature 'item'", "expected integers", "dtype float32", "cast numbers to int32"),
    ),
    "ids as bool": (
        with_features(item=np.zeros(8, "bool")),
        ("feature 'item'", "expected integers", "dtype bool"),
    ),
    "ids as words": (
        with_features(item=np.array(["a"] * 8)),
        ("feature 'item'", "expected integers", "Encode words with a vocabulary"),
    ),
    "histories as floats": (
        with_features(history=np.zeros((8, 3))),
        ("feature 'history'", "expected integers", "dtype float64"),
    ),
    "numbers as bool": (
        with_features(price=np.zeros(8, "bool")),
        ("feature 'price'", "expected numbers", "dtype bool"),
    ),
    "numbers as words": (
        with_features(price=np.array(["0.5"] * 8)),
        ("feature 'price'", "expected numbers"),
    ),
    "embedding as bool": (
        with_features(image=np.zeros((8, 2), "bool")),
        ("feature 'image'", "expected numbers", "dtype bool"),
    ),
    "column of rank 2": (
        with_features(item=np.zeros((8, 1), "int32")),
        ("feature 'item'", "expected shape (rows)"),
    ),
    "long history": (
        with_features(history=np.zeros((8, 4), "int32")),
        ("feature 'history'", "expected shape (rows, 3)"),
    ),
    "wide embedding": (
        with_features(image=np.zeros((8, 5), "float32")),
        ("feature 'image'", "expected shape (rows, 2)"),
    ),
    "group as floats": (
        with_features(user=np.zeros(8)),
        ("group 'user'", "expected integers", "dtype float64"),
    ),
    "labels of two tasks": (
        with_label(np.zeros((8, 2))),
        ("label 'click'", "expected shape (rows)"),
    ),
    "labels as words": (
        with_label(np.array(["no"] * 8)),
        ("label 'click'", "expected numbers"),
    ),
}
WRONG = {**WRONG_VALUES, **WRONG_FORMS}


def cases(table):
    return pytest.mark.parametrize(("change", "words"), table.values(), ids=table)


def split(batch, rows=4):
    """The batch in batches of fewer rows."""
    parts = (batch[0], *batch[1:])
    size = len(batch[1])
    return [
        keras.tree.map_structure(lambda array, first=first: array[first : first + rows], parts)
        for first in range(0, size, rows)
    ]


class Batches(keras.utils.PyDataset):
    def __init__(self, batches, **kwargs):
        super().__init__(**kwargs)
        self.batches = batches
        self.events = []

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]

    def on_epoch_begin(self):
        self.events.append("begin")

    def on_epoch_end(self):
        self.events.append("end")


class Rows(torch.utils.data.Dataset):
    def __init__(self, batch):
        self.batch = batch

    def __len__(self):
        return len(self.batch[1])

    def __getitem__(self, row):
        return keras.tree.map_structure(lambda array: array[row], self.batch)


def as_tf_dataset(batch):
    return without_autotune(tf.data.Dataset.from_tensor_slices(batch).batch(4))


def without_autotune(dataset):
    """The same dataset, whose iterators go away at once.

    TensorFlow's autotuning thread may sleep for up to a minute before it lets go of an iterator,
    and failing tests leave many.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


STREAMS = {
    "tf.data": as_tf_dataset,
    "PyDataset": lambda batch: Batches(split(batch)),
    "PyDataset with workers": lambda batch: Batches(split(batch), workers=2),
    "generator": lambda batch: (part for part in split(batch) + split(make_batch())),
    "DataLoader": lambda batch: torch.utils.data.DataLoader(Rows(batch), batch_size=4),
}


# --- validate -------------------------------------------------------------------------------------


def test_right_input_is_counted():
    batch = make_batch()
    features, label, weight = batch
    assert ke.data.validate(features, SCHEMA) == 8
    assert ke.data.validate((features,), SCHEMA) == 8
    assert ke.data.validate((features, label), SCHEMA) == 8
    assert ke.data.validate((features, label, weight), SCHEMA) == 8
    assert ke.data.validate((features, label, None), SCHEMA) == 8
    assert ke.data.validate([features, features], SCHEMA) == 16
    assert ke.data.validate(as_tf_dataset(features), SCHEMA) == 8
    for stream in ("tf.data", "PyDataset", "DataLoader"):
        assert ke.data.validate(STREAMS[stream](batch), SCHEMA) == 8
    assert ke.data.validate(STREAMS["generator"](batch), SCHEMA) == 16


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64"])
def test_every_integer_dtype_holds_ids(dtype):
    features, label, _ = make_batch()
    features["item"] = features["item"].astype(dtype)
    assert ke.data.validate((features, label), SCHEMA) == 8
    features["item"][3] = 77
    for check in (ke.data.validate, lambda x, schema: list(guard(as_tf_dataset(x), schema))):
        with raises_value_error("row 3", "Received: 77"), readable_errors():
            check((features, label), SCHEMA)


@pytest.mark.parametrize("dtype", ["int32", "float16", "float64", "bfloat16"])
def test_every_number_dtype_holds_numbers(dtype):
    features, label, _ = make_batch()
    features["price"] = features["price"].astype(getattr(ml_dtypes, dtype, dtype))
    assert ke.data.validate((features, label), SCHEMA) == 8
    assert len(list(guard(as_tf_dataset((features, label)), SCHEMA))) == 2


@pytest.mark.parametrize(("dtype", "shape"), [("int32", 8), ("float64", (8, 1)), ("bool", (8, 1))])
def test_every_form_of_a_label(dtype, shape):
    features, label, _ = make_batch()
    label = label.astype(dtype).reshape(shape)
    assert ke.data.validate((features, label), SCHEMA) == 8
    assert len(list(guard(as_tf_dataset((features, label)), SCHEMA))) == 2


def test_labels_of_several_tasks():
    schema = ke.FeatureSchema([ke.Numeric("price")], label=("click", "like"))
    features = {"price": np.zeros(3)}
    label = np.zeros((3, 2))
    assert ke.data.validate((features, label), schema) == 3
    label[2, 1] = -1
    with raises_value_error("label 'click', 'like'", "row 2, position 1", "Received: -1.0"):
        ke.data.validate((features, label), schema)
    with raises_value_error("label 'click', 'like'", "expected shape (rows, 2)"):
        ke.data.validate((features, label[:, 0]), schema)


def test_group_column_may_hold_any_integer():
    features, label, _ = make_batch()
    features["user"] = np.arange(8) - 10**12
    assert ke.data.validate((features, label), SCHEMA) == 8
    assert len(list(guard(as_tf_dataset((features, label)), SCHEMA))) == 2


def test_empty_batches_and_batches_of_one():
    assert ke.data.validate(make_batch(0), SCHEMA) == 0
    assert ke.data.validate([make_batch(0), make_batch(1), make_batch(0)], SCHEMA) == 1
    assert ke.data.validate([], SCHEMA) == 0
    assert ke.data.validate(as_tf_dataset(make_batch(8)).take(0), SCHEMA) == 0


def test_an_endless_dataset_is_refused():
    with raises_value_error("repeats for ever", "take"):
        ke.data.validate(as_tf_dataset(make_batch()).repeat(), SCHEMA)


@cases(WRONG)
def test_validate_names_what_is_wrong(change, words):
    batch = change(*make_batch())
    with raises_value_error(*words):
        ke.data.validate(batch, SCHEMA)
    row = ("row 13",) if words in [w for _, w in WRONG_VALUES.values()] else ("from row 8 on",)
    with raises_value_error(*words, *row):
        ke.data.validate([make_batch(), batch], SCHEMA)


def test_columns_of_different_rows():
    features, label, weight = make_batch()
    features["price"] = features["price"][:-1]
    with raises_value_error("feature 'price'", "8 rows, as many as feature 'item'", "7 rows"):
        ke.data.validate(features, SCHEMA)
    features, _, _ = make_batch()
    with raises_value_error("label 'click'", "expected 8 rows", "Received: 1 rows"):
        ke.data.validate((features, label[:1]), SCHEMA)
    with raises_value_error("sample weight", "expected 8 rows", "Received: 4 rows"):
        ke.data.validate((features, label, weight[:4]), SCHEMA)


@pytest.mark.parametrize("batch", [np.zeros(3), 3, (np.zeros(3), np.zeros(3)), ({},) * 4, "a"])
def test_other_structures_are_refused(batch):
    with raises_value_error("expected a batch", "(features, label[, sample weight])", "dict"):
        ke.data.validate([batch], SCHEMA)


def test_lists_are_no_arrays():
    with raises_value_error("feature 'item'", "expected an array", "list", "np.asarray"):
        ke.data.validate({**make_batch()[0], "item": [1] * 8}, SCHEMA)


@hypothesis.given(
    st.integers(1, 300),
    st.integers(1, 10),
    st.lists(st.integers(-5, 305), min_size=1, max_size=30),
)
def test_the_first_wrong_row_is_named_whatever_the_batches(size, rows, ids):
    schema = ke.FeatureSchema([ke.Categorical("item", size)])
    ids = np.array(ids)
    batches = [{"item": ids[first : first + rows]} for first in range(0, len(ids), rows)]
    wrong = np.flatnonzero((ids < 0) | (ids > size - 1))
    if len(wrong):
        with raises_value_error(f"row {wrong[0]}:", f"Received: {ids[wrong[0]]}."):
            ke.data.validate(batches, schema)
    else:
        assert ke.data.validate(batches, schema) == len(ids)


# --- guard ----------------------------------------------------------------------------------------


@pytest.fixture
def model():
    return make_model()


@cases(WRONG)
def test_no_wrong_arrays_pass(change, words):
    batch = change(*make_batch())
    with raises_value_error(*words):
        guard(batch, SCHEMA)
    with raises_value_error(*words):
        list(guard((part for part in [batch]), SCHEMA))


@cases(WRONG_FORMS)
def test_a_tf_dataset_is_refused_for_what_it_declares(change, words):
    with raises_value_error(*words):
        guard(as_tf_dataset(change(*make_batch())), SCHEMA)


@pytest.mark.parametrize(
    ("kind", "case"),
    [("tf.data", case) for case in WRONG_VALUES]
    + [(kind, case) for kind in STREAMS for case in ("NaN", "label 2") if kind != "tf.data"],
)
def test_no_model_trains_on_wrong_values_of_a_stream(model, kind, case):
    change, words = WRONG_VALUES[case]
    stream = STREAMS[kind](change(*make_batch()))
    with raises_value_error(*words, "row ") as error, readable_errors():
        model.fit(guard(stream, SCHEMA), shuffle=False, verbose=0)
    place = r"row (1|5)(, position \d)?( of a batch| of batch 1)?: expected"
    assert re.match(f"Bad input: [a-z]+ .*{place}", str(error.value))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("method", ["evaluate", "predict"])
def test_the_other_methods_fail_alike(model, method):
    stream = as_tf_dataset(WRONG_VALUES["NaN"][0](*make_batch()))
    with raises_value_error("feature 'price', row 1"), readable_errors():
        getattr(model, method)(guard(stream, SCHEMA), verbose=0)


@pytest.mark.parametrize("make_stream", STREAMS.values(), ids=STREAMS)
def test_right_input_passes_unchanged(model, make_stream):
    batch = make_batch()
    expected = [keras.tree.flatten(part) for part in make_stream(batch)]
    received = [keras.tree.flatten(part) for part in guard(make_stream(batch), SCHEMA)]
    assert len(received) == len(expected)
    for one, other in zip(received, expected, strict=True):
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)
    stream = guard(make_stream(batch), SCHEMA)
    history = model.fit(stream, steps_per_epoch=2, shuffle=False, verbose=0)
    assert math.isfinite(history.history["loss"][0])


def test_arrays_are_returned_themselves(model):
    batch = make_batch()
    assert guard(batch[0], SCHEMA) is batch[0]
    assert guard(batch, SCHEMA) is batch
    one = make_batch(1)
    assert math.isfinite(model.fit(guard(one[0], SCHEMA), one[1], verbose=0).history["loss"][0])


def test_tensors_of_the_backend_are_checked():
    features = keras.tree.map_structure(keras.ops.convert_to_tensor, make_batch()[0])
    assert guard(features, SCHEMA) is features
    features["item"] = keras.ops.convert_to_tensor(np.array([1, 50], "int32"))
    with raises_value_error("feature 'item'", "row 1", "Received: 50"):
        guard(features, SCHEMA)


def test_a_frame_is_the_dict_of_its_columns():
    pandas = pytest.importorskip("pandas")
    features = make_batch()[0]
    frame = pandas.DataFrame({name: values.tolist() for name, values in features.items()})
    received = guard(frame, SCHEMA)
    assert list(received) == list(features)
    for name, values in features.items():
        np.testing.assert_array_equal(received[name], values)
    assert ke.data.validate(frame, SCHEMA) == 8
    frame.columns = ["item", "price", "history", "item"]
    with raises_value_error("'item'", "more than once"):
        guard(frame, SCHEMA)


def test_tf_dataset_keeps_cardinality_and_order():
    dataset = as_tf_dataset(make_batch(40))
    assert int(guard(dataset, SCHEMA).cardinality()) == 10
    assert int(guard(dataset.repeat(), SCHEMA).cardinality()) == -1
    assert guard(dataset, SCHEMA).element_spec == dataset.element_spec
    features = as_tf_dataset(make_batch()[0])
    assert guard(features, SCHEMA).element_spec == features.element_spec


def test_tf_dataset_of_other_rows_per_column():
    features, label, _ = make_batch()

    def batches():
        yield features, label
        yield features, label[:1]

    signature = (
        {name: tf.TensorSpec((None, *v.shape[1:]), v.dtype) for name, v in features.items()},
        tf.TensorSpec((None,), tf.float32),
    )
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    dataset = without_autotune(dataset)
    words = ("label 'click'", "8 rows, as many as feature 'item'", "1 rows")
    with raises_value_error(*words), readable_errors():
        list(guard(dataset, SCHEMA))


def declared(**specs):
    """A dataset that declares its columns otherwise."""
    features = make_batch()[0]
    signature = {
        name: tf.TensorSpec((None, *array.shape[1:]), array.dtype)
        for name, array in features.items()
    }
    return tf.data.Dataset.from_generator(
        lambda: [features], output_signature={**signature, **specs}
    )


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (
            tf.data.Dataset.from_tensor_slices(make_batch()),
            ("feature 'item'", "shape ()", "batch(4096)"),
        ),
        (
            declared(item=tf.TensorSpec(None, "int32")),
            ("feature 'item'", "shape None", "tf.ensure_shape"),
        ),
        (
            declared(history=tf.TensorSpec((None, None), "int32")),
            ("feature 'history'", "shape (None, None)", "tf.ensure_shape"),
        ),
        (
            declared(history=tf.RaggedTensorSpec((None, None), "int32")),
            ("feature 'history'", "expected a dense tensor", "RaggedTensorSpec", "to_tensor"),
        ),
    ],
    ids=["single rows", "unknown rank", "unknown length", "ragged"],
)
def test_tf_dataset_of_other_shapes(dataset, words):
    with raises_value_error(*words):
        guard(dataset, SCHEMA)


def test_py_dataset_stays_one():
    inner = Batches(split(make_batch()), workers=2, max_queue_size=3)
    outer = guard(inner, SCHEMA)
    assert isinstance(outer, keras.utils.PyDataset)
    assert (outer.workers, outer.use_multiprocessing, outer.max_queue_size) == (2, False, 3)
    assert outer.num_batches == 2
    outer.on_epoch_begin()
    outer.on_epoch_end()
    assert inner.events == ["begin", "end"]


@pytest.mark.parametrize("name", ["it's", 'a "quoted" [name]', "back\\slash", "Größe 价格", "a\nb"])
def test_readable_errors_survive_any_name(name):
    schema = ke.FeatureSchema([ke.Numeric(name)])
    dataset = as_tf_dataset({name: np.array([1.0, math.nan])})
    with raises_value_error(f"feature {name!r}, row 1", "Received: nan"), readable_errors():
        list(guard(dataset, schema))


def test_readable_errors_find_the_message_of_a_worker_process():
    text = "Caught ValueError in worker 0.\nTraceback:\n...\nValueError: Bad input: x, row 3.\n"
    with pytest.raises(ValueError, match=r"^Bad input: x, row 3\.$"), readable_errors():
        raise ValueError(text)


def test_errors_of_others_pass_unchanged():
    with pytest.raises(KeyError, match="mine"), readable_errors():
        raise KeyError("mine")
