"""Models trained by `Split`, beside the same models trained by dense optimizers of Keras."""

import keras
import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.keras_compat import replicas
from keras_elastor.keras_compat.sparse_rows import Rows, mark_table
from keras_elastor.optimizers.row_penalty import add_penalty
from tests.assertions import raises_value_error
from tests.backends import numpy, slow_but_on_pytorch
from tests.runs.runs import assert_same, make_config, power_cut

SCHEMA = ke.FeatureSchema(
    [
        ke.Categorical("item", 7),
        ke.Categorical("user", 5),
        ke.Sequence("clicks", 7, max_length=2, table="item"),
        ke.Numeric("price"),
    ]
)
BATCH = 32


def make_rows(items, users=range(5), batches=4):
    """Batches in each of which every one of these ids is looked up, some several times."""
    draw = np.random.default_rng(0)
    column = lambda ids: np.concatenate(  # noqa: E731
        [draw.permutation(np.resize(list(ids), BATCH)) for _ in range(batches)]
    ).astype("int32")
    features = {
        "item": column(items),
        "user": column(users),
        "clicks": np.stack([column(items), column(items)], axis=1),
        "price": draw.normal(size=BATCH * batches).astype("float32"),
    }
    return features, draw.integers(0, 2, BATCH * batches)


EVERY_ROW = make_rows(range(7))


def make_model(optimizer, regularizer=None, frozen=False):
    """A model with a shared table, a history and the tables of a linear term."""
    keras.utils.set_random_seed(0)
    model = ke.models.DeepFM(
        SCHEMA,
        hidden_units=[4],
        encoder={
            "embedding_dim": 3,
            "embeddings_initializer": keras.initializers.RandomNormal(stddev=0.5),
            "embeddings_regularizer": regularizer,
        },
    )
    model.get_layer("encoder").trainable = not frozen
    model.compile(optimizer, keras.losses.BinaryCrossentropy(from_logits=True))
    return model


def fit(model, rows=EVERY_ROW, epochs=2):
    model.fit(*rows, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0)
    return model


def tables(model):
    return {one.path: numpy(one) for one in model.weights if "table" in one.path}


def assert_same_weights(actual, expected, **tolerance):
    assert len(tables(actual)) == 2
    for one, other in zip(actual.weights, expected.weights, strict=True):
        np.testing.assert_allclose(numpy(one), numpy(other), **tolerance, err_msg=one.path)


L2 = keras.regularizers.L2(0.01)


@pytest.mark.parametrize(
    ("tables_by", "dense_by", "arguments", "regularizer"),
    [
        # A norm far below that of the gradients: it clips in each step.
        ("LazyAdam", ke.optimizers.PyTorchAdam, {"global_clipnorm": 0.01}, L2),
        ("LazyAdagrad", keras.optimizers.Adagrad, {}, L2),
        ("LazySGD", keras.optimizers.SGD, {"global_clipnorm": 0.01}, L2),
        ("LazySGD", keras.optimizers.SGD, {}, None),
    ],
)
def test_is_the_dense_optimizer_where_every_row_is_touched(
    tables_by, dense_by, arguments, regularizer
):
    expected = fit(make_model(dense_by(0.1, **arguments), regularizer))
    lazy = getattr(ke.optimizers, tables_by)(0.1)
    actual = fit(make_model(ke.optimizers.Split(lazy, dense_by(0.1), **arguments), regularizer))
    # The padding's row is held back alike.
    assert_same_weights(actual, expected, rtol=1e-4, atol=1e-6)
    before = make_model(dense_by(0.1), regularizer)
    for one, other in zip(actual.weights, before.weights, strict=True):
        assert np.abs(numpy(one) - numpy(other)).max() > 1e-4, one.path


@pytest.mark.parametrize("name", ["LazyAdam", "RowWiseAdagrad"])
def test_moves_no_bit_of_other_rows(name):
    optimizer = ke.optimizers.Split(
        getattr(ke.optimizers, name)(0.1, weight_decay=0.1), "adam", global_clipnorm=1.0
    )
    before = tables(make_model("adam"))
    model = fit(make_model(optimizer, L2), make_rows(items=[2, 4, 5], users=[1, 3]))
    of_table = {"item": [2, 4, 5], "user": [1, 3], "clicks": [2, 4, 5]}
    layers = [layer.table for layer in model.layers if hasattr(layer, "table")]
    for layer, (path, table) in zip(layers, tables(model).items(), strict=True):
        touched = np.concatenate(
            [np.array(of_table[one]) + rows.start for one, rows in layer.rows.items()]
        )
        others = np.setdiff1d(np.arange(len(table)), touched)
        np.testing.assert_array_equal(table[others], before[path][others])
        assert (np.abs(table - before[path]).max(axis=1) > 1e-3).sum() == len(touched)
        slots = [
            one for one in optimizer.tables.variables if one.name.startswith(path.replace("/", "_"))
        ]
        assert len(slots) == {"LazyAdam": 2, "RowWiseAdagrad": 1}[name]
        for slot in slots:
            assert not numpy(slot)[others].any()
            assert numpy(slot)[touched].any(axis=1).all()


@pytest.mark.parametrize(
    ("regularizer", "penalty"),
    [
        (keras.regularizers.L1(0.5), [[0.5, -0.5, 0.0]]),
        (keras.regularizers.L2(0.25), [[1.0, -0.5, 0.0]]),
        (keras.regularizers.L1L2(0.5, 0.25), [[1.5, -1.0, 0.0]]),
    ],
)
def test_the_penalty_of_a_row_is_its_share_of_the_gradient(regularizer, penalty):
    table = keras.Variable(np.array([[9, 9, 9], [2, -1, 0], [9, 9, 9]], "float32"))
    mark_table(table, regularizer)
    one = keras.ops.convert_to_tensor(np.array([1], "int32"))
    rows = add_penalty(Rows(one, keras.ops.ones((1, 3))), table)
    np.testing.assert_allclose(numpy(rows.values), np.array(penalty) + 1)


def test_both_parts_follow_schedules():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    expected = fit(make_model(ke.optimizers.PyTorchAdam(schedule)))
    split = ke.optimizers.Split(
        ke.optimizers.LazyAdam(schedule), ke.optimizers.PyTorchAdam(schedule)
    )
    assert_same_weights(fit(make_model(split)), expected, rtol=1e-4, atol=1e-6)
    with pytest.raises(TypeError, match="schedule"):
        split.learning_rate = 0.1


def test_lowers_both_learning_rates_in_proportion():
    split = ke.optimizers.Split(ke.optimizers.LazyAdam(0.02), keras.optimizers.SGD(0.1))
    split.learning_rate = 0.05
    assert float(numpy(split.learning_rate)) == pytest.approx(0.05)
    assert float(numpy(split.tables.learning_rate)) == pytest.approx(0.01)
    model = make_model(split)
    # Nothing is ever a gain of 9: each epoch's end lowers the rate.
    plateau = keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=9)
    model.fit(*EVERY_ROW, epochs=3, callbacks=[plateau], verbose=0)
    assert float(numpy(split.dense.learning_rate)) == pytest.approx(0.0125)
    assert float(numpy(split.tables.learning_rate)) == pytest.approx(0.0025)
    split.learning_rate = 0.0
    with raises_value_error("expected a learning rate above 0", "Received: 0"):
        split.learning_rate = 0.1


def test_trains_in_mixed_bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    expected = fit(make_model(ke.optimizers.PyTorchAdam(0.01)), epochs=1)
    split = ke.optimizers.Split(ke.optimizers.LazyAdam(0.01), ke.optimizers.PyTorchAdam(0.01))
    actual = fit(make_model(split), epochs=1)
    # A product in bfloat16 has eight bits; a step of Adam is at most 0.01.
    assert_same_weights(actual, expected, atol=2e-3)
    assert {table.dtype for table in tables(actual).values()} == {np.dtype("float32")}


def test_refuses_mixed_float16():
    keras.config.set_dtype_policy("mixed_float16")
    with raises_value_error("expected the dtype policy float32 or mixed_bfloat16"):
        make_model(ke.optimizers.Split())


def test_frozen_tables_stay():
    split = ke.optimizers.Split(ke.optimizers.LazyAdam(0.1), keras.optimizers.SGD(0.1))
    model = make_model(split, frozen=True)
    before = tables(model)
    after = tables(fit(model))
    np.testing.assert_array_equal(
        after.pop("encoder/table/embeddings"), before["encoder/table/embeddings"]
    )
    ((path, table),) = after.items()
    assert np.abs(table - before[path]).max() > 0.01
    assert len(split.tables.variables) == 2 + 2


def test_a_loaded_model_trains_on_bit_for_bit(tmp_path):
    split = ke.optimizers.Split(
        ke.optimizers.LazyAdam(0.1), keras.optimizers.Adam(0.01), global_clipnorm=0.1
    )
    model = fit(make_model(split, L2), epochs=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.get_config() == split.get_config()
    assert int(numpy(loaded.optimizer.iterations)) == 4
    for one, other in zip(loaded.optimizer.variables, split.variables, strict=True):
        np.testing.assert_array_equal(numpy(one), numpy(other), err_msg=one.path)
    fit(model, epochs=1)
    fit(loaded, epochs=1)
    assert_same_weights(loaded, model, rtol=0, atol=0)


def test_the_dense_part_may_have_moving_averages():
    split = ke.optimizers.Split(dense=keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.5))
    model = fit(make_model(split), epochs=1)
    averages = {one.name: numpy(one) for one in split.dense.variables if "average" in one.name}
    assert len(averages) == 7
    for weight in model.weights:
        if "table" not in weight.path:
            name = f"{weight.path.replace('/', '_')}_average"
            np.testing.assert_array_equal(numpy(weight), averages[name])


@slow_but_on_pytorch
def test_a_run_resumes_with_the_same_bits(tmp_path, monkeypatch):
    protocol = {
        "name": "keras",
        "optimizer": {
            "name": "split",
            "tables": {"name": "lazy_adam", "learning_rate": 0.1},
            "dense": {"name": "adam", "learning_rate": 0.05},
        },
        "learning_rate_factor": 0.5,
        "min_delta": 1.0,
        "patience": 9,
    }
    undisturbed = ke.runs.run(make_config(tmp_path / "undisturbed", protocol=protocol))
    config = make_config(tmp_path / "disturbed", protocol=protocol)
    with power_cut(monkeypatch, 18):
        ke.runs.run(config)
    result = ke.runs.run(config)
    assert "from step 16\n" in (result.folder / "log.txt").read_text()
    files = [run.folder / "metrics.jsonl" for run in (result, undisturbed)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert_same(result, undisturbed)


def test_a_run_names_both_parts():
    protocol = ke.training.KerasProtocol(
        {
            "name": "split",
            "tables": {"name": "row_wise_adagrad", "learning_rate": 0.05, "weight_decay": 0.1},
            "dense": {"name": "pytorch_adam", "weight_decay": 0.01},
            "global_clipnorm": 10.0,
        },
        learning_rate_factor=0.5,
    )
    split = protocol.make_optimizer()
    assert isinstance(split, ke.optimizers.Split)
    assert isinstance(split.tables, ke.optimizers.RowWiseAdagrad)
    assert isinstance(split.dense, ke.optimizers.PyTorchAdam)
    assert (split.tables.weight_decay, split.dense.weight_decay) == (0.1, 0.01)
    assert float(numpy(split.tables.learning_rate)) == pytest.approx(0.05)
    with raises_value_error("protocol.optimizer.tables", "learning_rte", "learning_rate"):
        ke.training.KerasProtocol(
            {"name": "split", "tables": {"name": "lazy_adam", "learning_rte": 1.0}}
        )
    with raises_value_error("LazyAdam moves embedding tables only"):
        ke.training.KerasProtocol("lazy_adam")
    scheduled = {"name": "exponential_decay", "initial_learning_rate": 0.1}
    scheduled |= {"decay_steps": 2, "decay_rate": 0.5}
    with raises_value_error("learning_rate_factor", "schedule"):
        ke.training.KerasProtocol(
            {"name": "split", "tables": {"name": "lazy_sgd", "learning_rate": scheduled}},
            learning_rate_factor=0.5,
        )


def _values_of_table_size_jax(model, rows, shape):
    """What a step makes that is as large as a table, apart from the tables that it hands on."""
    import jax

    groups = (model.trainable_variables, model.non_trainable_variables)
    groups += (model.optimizer.variables, model.metrics_variables)
    state = tuple([variable.value for variable in group] for group in groups)
    program = jax.make_jaxpr(model.train_step)(state, rows)
    inner = [program.jaxpr]
    found = []
    while inner:
        for equation in inner.pop().eqns:
            # A jitted part has a closed jaxpr, which holds one.
            parts = [getattr(part, "jaxpr", part) for part in equation.params.values()]
            inner += [part for part in parts if hasattr(part, "eqns")]
            if any(getattr(value.aval, "shape", ()) == shape for value in equation.outvars):
                found.append(equation.primitive.name)
    return [name for name in found if name not in ("scatter", "jit", "pjit")]


def _values_of_table_size_tensorflow(model, rows, shape):
    import tensorflow as tf

    graph = (
        tf.function(model.train_step)
        .get_concrete_function(keras.tree.map_structure(tf.convert_to_tensor, rows))
        .graph
    )
    return [
        operation.name
        for operation in graph.get_operations()
        if any(output.shape == shape for output in operation.outputs)
    ]


def _values_of_table_size_torch(model, rows, shape):
    from torch.utils._python_dispatch import TorchDispatchMode

    found = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            output = function(*args, **(kwargs or {}))
            is_table = getattr(output, "shape", ()) == shape and not output.is_sparse
            if is_table and not any(output.data_ptr() == table for table in pointers):
                found.append(str(function))
            return output

    variables = (*model.variables, *model.optimizer.variables)
    pointers = {variable.value.data_ptr() for variable in variables}
    with Watch():
        model.train_step(keras.tree.map_structure(keras.ops.convert_to_tensor, rows))
    return found


def test_nothing_of_a_tables_size_is_made():
    model = make_model(ke.optimizers.Split(global_clipnorm=1.0), L2)
    model.optimizer.build(model.trainable_variables)
    shape = next(iter(tables(model).values())).shape
    assert shape == (12, 3)
    # Fewer rows than the table has.
    rows = make_rows(items=[2, 4], users=[1], batches=1)
    backend = keras.backend.backend()
    assert globals()[f"_values_of_table_size_{backend}"](model, rows, shape) == []
    model.compile(ke.optimizers.PyTorchAdam(global_clipnorm=1.0))
    model.optimizer.build(model.trainable_variables)
    assert len(globals()[f"_values_of_table_size_{backend}"](model, rows, shape)) >= 2


def test_a_plain_model_of_keras_is_refused():
    inputs = keras.Input((2,), dtype="int32")
    rows = ke.layers.EmbeddingTable({"item": 9}, ["item", "item"], 3)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(rows)))
    model.compile(ke.optimizers.Split(), "mse", run_eagerly=True)
    ids = np.zeros((4, 2), "int32")
    with raises_value_error("expected the gradient of table", "a gradient of the whole table"):
        model.train_on_batch(ids, np.zeros(4))


def test_refuses_what_does_not_fit():
    with raises_value_error("LazySGD moves embedding tables only", "optimizer=LazySGD"):
        make_model(ke.optimizers.LazySGD())
    with raises_value_error("expected `tables` to be an optimizer of rows"):
        ke.optimizers.Split(keras.optimizers.Adam())
    with raises_value_error("expected `dense` to be an optimizer of Keras"):
        ke.optimizers.Split(dense=ke.optimizers.LazyAdam())
    for arguments in ({"global_clipnorm": 1.0}, {"gradient_accumulation_steps": 2}):
        with raises_value_error(f"expected `dense` without `{next(iter(arguments))}`"):
            ke.optimizers.Split(dense=keras.optimizers.Adam(**arguments))
    model = make_model(ke.optimizers.Split(), keras.regularizers.OrthogonalRegularizer())
    with raises_value_error("encoder/table/embeddings", "Received: OrthogonalRegularizer"):
        fit(model)


def test_refuses_several_replicas(monkeypatch):
    monkeypatch.setattr("keras_elastor.optimizers.split.num_replicas", lambda: 2)
    with raises_value_error("expected one replica", "with 2"):
        fit(make_model(ke.optimizers.Split()))
    assert replicas.num_replicas() == 1
