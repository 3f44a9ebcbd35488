"""What every layer and every model must pass, written once.

`run_layer_test` and `run_model_test` check what the best Keras libraries check: config round trips,
explicit building, symbolic against eager shapes and dtypes, gradients to every weight, training,
saving, dtype policies.
"""

import contextlib
import json

import keras
import numpy as np
import pandas as pd

import keras_elastor as ke
from tests.backends import call, compute_gradients, numpy, symbolic

POLICIES = ("mixed_bfloat16", "mixed_float16", "float64")


def random_inputs(shape, batch=3, seed=0):
    """Float inputs of that shape behind a batch."""
    return np.random.default_rng(seed).normal(size=(batch, *shape)).astype("float32")


def random_batch(schema, batch=8, seed=0):
    """Valid features and labels for a schema."""
    rng = np.random.default_rng(seed)
    features = {}
    for feature in schema.features:
        if isinstance(feature, ke.Numeric):
            features[feature.name] = rng.normal(size=batch).astype("float32")
        elif isinstance(feature, ke.Embedding):
            features[feature.name] = rng.normal(size=(batch, feature.dim)).astype("float32")
        else:
            size = (batch, feature.max_length) if isinstance(feature, ke.Sequence) else batch
            features[feature.name] = rng.integers(0, feature.vocabulary_size, size).astype("int32")
    labels = rng.integers(0, 2, (batch, schema.num_tasks)).astype("float32")
    return features, labels[:, 0] if schema.num_tasks == 1 else labels


def _shape_of(inputs):
    if isinstance(inputs, dict):
        return {name: (None, *array.shape[1:]) for name, array in inputs.items()}
    if isinstance(inputs, list):
        return [(None, *array.shape[1:]) for array in inputs]
    return (None, *inputs.shape[1:])


def _counts(layer):
    return (
        len(layer.trainable_weights),
        len(layer.non_trainable_weights),
        len(layer.non_trainable_variables),
    )


def call_layer(layer, inputs, output_shape):
    """Build the layer by calling it; its output must have that shape.

    Returns:
        The layer and the output as numpy.
    """
    outputs = call(layer, inputs)
    assert outputs.shape == output_shape
    return layer, outputs


def run_layer_test(make_layer, inputs, output_shape):
    """Check a layer.

    Args:
        make_layer: makes a new layer; takes keyword arguments such as `dtype`.
        inputs: numpy array, or list or dict of arrays, at least two rows.
        output_shape: expected shape of the output, the batch included.

    """
    layer = make_layer()
    _check_symbolic_call(layer, inputs, output_shape)
    outputs = call(layer, inputs)
    assert outputs.shape == output_shape
    assert outputs.dtype == np.float32
    _check_config(layer)
    _check_build(make_layer, layer, inputs)
    if layer.trainable_weights:
        _check_gradients(layer, inputs)
    _check_batch_sizes(layer, inputs)
    if layer.trainable_weights:
        _check_training(make_layer, inputs, output_shape)
    for policy in POLICIES:
        with _policy_scope(policy):
            _check_policy(make_layer, policy, inputs)


def _check_config(layer):
    config = layer.get_config()
    revived = layer.__class__.from_config(config)
    assert revived.get_config() == config
    assert set(dir(revived)) <= set(dir(layer))
    text = json.dumps(keras.saving.serialize_keras_object(layer))
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert type(again) is type(layer)
    assert json.dumps(keras.saving.serialize_keras_object(again)) == text


def _check_build(make_layer, called, inputs):
    """A layer that makes sub-layers in `build` without building them has fewer weights here."""
    built = make_layer()
    built.build(_shape_of(inputs))
    assert built.built
    assert _counts(built) == _counts(called)
    assert [w.shape for w in built.weights] == [w.shape for w in called.weights]


def _check_symbolic_call(layer, inputs, output_shape):
    outputs = layer(symbolic(inputs))
    assert outputs.shape == (None, *output_shape[1:])
    assert keras.backend.standardize_dtype(outputs.dtype) == "float32"
    assert tuple(layer.compute_output_shape(_shape_of(inputs))) == (None, *output_shape[1:])


def _check_gradients(layer, inputs):
    _, by_weights = compute_gradients(layer, inputs, training=True)
    for weight, gradient in zip(layer.trainable_weights, by_weights, strict=True):
        assert gradient is not None, f"{weight.path} receives no gradient"
        assert np.isfinite(gradient).all(), f"the gradient of {weight.path} is not finite"
        assert gradient.any(), f"the gradient of {weight.path} is zero"


def _check_batch_sizes(layer, inputs):
    # Not those of before: gradients in training have moved the averages of a batch norm.
    outputs = call(layer, inputs)

    def rows(count):
        if isinstance(inputs, dict):
            return {name: array[:count] for name, array in inputs.items()}
        if isinstance(inputs, list):
            return [array[:count] for array in inputs]
        return inputs[:count]

    np.testing.assert_allclose(call(layer, rows(1)), outputs[:1], rtol=1e-4, atol=1e-5)
    assert call(layer, rows(0)).shape == (0, *outputs.shape[1:])


def _check_training(make_layer, inputs, output_shape):
    model_inputs = symbolic(inputs)
    model = keras.Model(model_inputs, make_layer()(model_inputs))
    model.compile("sgd", "mse")
    model.fit(inputs, np.zeros(output_shape, "float32"), verbose=0)


def _policy_scope(policy):
    """JAX has no float64 unless asked for it."""
    if policy == "float64" and keras.backend.backend() == "jax":
        import jax

        return jax.enable_x64(True)
    return contextlib.nullcontext()


def _sublayers(layer):
    return [part for part in layer._flatten_layers() if part is not layer]


def _check_policy(make_layer, policy, inputs):
    policy = keras.DTypePolicy(policy)
    keras.config.set_dtype_policy(policy)
    try:
        layer = make_layer()
        wanted = layer(symbolic(inputs)).dtype
        outputs = call(layer, inputs)
        assert keras.backend.standardize_dtype(outputs.dtype) == wanted
        assert layer.compute_dtype == policy.compute_dtype
        assert np.isfinite(outputs.astype("float64")).all()
        for part in _sublayers(layer):
            if part.name != "logits":
                assert part.compute_dtype == policy.compute_dtype, part.path
        for weight in layer.weights:
            if weight.dtype.startswith("float"):
                assert weight.dtype == policy.variable_dtype, weight.path
    finally:
        keras.config.set_dtype_policy("float32")


def run_model_test(make_model, schema, tmp_path):
    """Check a model.

    Args:
        make_model: makes a new model of that schema; takes keyword arguments such as `dtype`.
        schema: the schema.
        tmp_path: a folder to save into.

    Returns:
        A model.
    """
    features, labels = random_batch(schema)
    model = make_model()
    logits = call(model, features)
    assert logits.shape == (8, schema.num_tasks)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    _check_config(model)
    _check_gradients(model, features)
    _check_batch_sizes(model, features)
    _check_input_modes(model, features, labels)
    _check_group_is_dropped(model, schema, features)
    _check_model_training(make_model(), features, labels)
    _check_saving(model, features, tmp_path)
    _check_stages(model, features)
    for policy in POLICIES:
        with _policy_scope(policy):
            _check_model_policy(make_model, policy, features)
    return model


def _check_input_modes(model, features, labels):
    tf = __import__("tensorflow")
    logits = call(model, features)
    # Batches of one size: a step of each is compiled once.
    predicted = model.predict(features, batch_size=4, verbose=0)
    np.testing.assert_allclose(predicted, logits, rtol=1e-4, atol=1e-5)
    dataset = tf.data.Dataset.from_tensor_slices((features, labels)).batch(4)
    np.testing.assert_allclose(model.predict(dataset, verbose=0), logits, rtol=1e-4, atol=1e-5)
    # A frame holds 64-bit numbers, and vectors as objects.
    frame = pd.DataFrame({name: values.tolist() for name, values in features.items()})
    columns = {name: np.stack(frame[name].to_numpy()) for name in frame}
    predicted = model.predict(columns, batch_size=4, verbose=0)
    np.testing.assert_allclose(predicted, logits, rtol=1e-4, atol=1e-5)


def _check_group_is_dropped(model, schema, features):
    if schema.group_column is None:
        return
    with_group = {**features, schema.group_column: np.arange(8)}
    np.testing.assert_array_equal(call(model, with_group), call(model, features))


def _check_model_training(model, features, labels):
    before = [numpy(weight).copy() for weight in model.trainable_weights]
    means = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda _, logs: means.append(logs["loss"])
    )
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-2), loss)
    # The same rows again and again: a batch is a step, and one epoch takes less time than many.
    rows = {name: np.concatenate([values] * 20) for name, values in features.items()}
    labels = np.concatenate([labels] * 20)
    model.fit(rows, labels, batch_size=8, shuffle=False, callbacks=[note], verbose=0)
    assert np.isfinite(means).all()
    assert means[-1] < means[0]
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert (numpy(weight) != old).any(), f"{weight.path} did not train"


def _check_saving(model, features, tmp_path):
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    assert type(loaded) is type(model)
    assert loaded.get_config() == model.get_config()
    np.testing.assert_allclose(call(loaded, features), call(model, features), atol=1e-6)


def _check_stages(model, features):
    stages = model.intermediates()
    assert list(stages.output) == model.stage_names
    assert model.stage_names[0] in ("encoder", "linear")
    values = call(stages, features)
    last = model.stage_names[-1]
    alone = call(model.intermediates([last]), features)
    assert list(alone) == [last]
    np.testing.assert_allclose(alone[last], values[last], atol=1e-6)


def _check_model_policy(make_model, policy, features):
    model = make_model(dtype=policy)
    wanted = "float64" if policy == "float64" else "float32"
    logits = call(model, features)
    assert keras.backend.standardize_dtype(logits.dtype) == wanted
    assert model.output.dtype == wanted
    assert np.isfinite(logits).all()
    compute_dtype = keras.DTypePolicy(policy).compute_dtype
    for layer in model.layers:
        if not isinstance(layer, keras.layers.InputLayer):
            assert layer.compute_dtype == compute_dtype
