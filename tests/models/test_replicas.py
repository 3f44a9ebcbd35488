"""Training on two devices in one process, as TensorFlow's strategies and JAX's distributions do."""

import os
import subprocess
import sys

import keras
import pytest

# The devices of a process are decided before the backend starts.
CODE = """
import contextlib
import pathlib
import sys
import keras
import numpy as np
import keras_elastor as ke

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    two_replicas = strategy.scope()
else:
    assert len(keras.distribution.list_devices()) == 2
    two_replicas = keras.distribution.DataParallel().scope()

source = ke.data.synthetic(num_categorical=4, num_numeric=2, history_length=3, vocabulary_size=50)
train = ke.data.Split(*source.arrays(256)).dataset(128)
# The replicas' shares of the last batch are smaller than of the others.
valid = ke.data.Split(*source.arrays(180, split="valid")).dataset(128)


def metrics_and_weights(scope):
    with scope:
        keras.utils.set_random_seed(0)
        # Without dropout, which differs from replica to replica.
        tokenizer = ke.layers.SliceTokenizer(num_tokens=7, token_dim=8)
        model = ke.models.RankElastor(
            source.schema, embedding_dim=8, tokenizer=tokenizer, num_blocks=1
        )
        names = ("AUC", "LogLoss", "NormalizedEntropy", "Calibration")
        model.compile(
            keras.optimizers.SGD(0.1),
            keras.losses.BinaryCrossentropy(from_logits=True),
            metrics=[getattr(ke.metrics, name)(from_logits=True) for name in names],
        )
        model.fit(train, verbose=0)
        return model.evaluate(valid, verbose=0, return_dict=True), model.get_weights()


metrics, weights = metrics_and_weights(contextlib.nullcontext())
metrics_of_two, weights_of_two = metrics_and_weights(two_replicas)
assert len(metrics) == 5
for name, value in metrics.items():
    np.testing.assert_allclose(metrics_of_two[name], value, rtol=1e-4, err_msg=name)
for one, two in zip(weights, weights_of_two, strict=True):
    np.testing.assert_allclose(two, one, rtol=1e-3, atol=1e-5)


def weights_by_rows(scope):
    with scope:
        keras.utils.set_random_seed(0)
        model = ke.models.DNN(source.schema, embedding_dim=8, hidden_units=[4])
        tables, dense = ke.optimizers.LazyAdagrad(0.1), keras.optimizers.SGD(0.1)
        model.compile(ke.optimizers.Split(tables, dense, global_clipnorm=0.1))
        model.fit(train, verbose=0)
        return model.get_weights()


weights = weights_by_rows(contextlib.nullcontext())
if keras.backend.backend() == "tensorflow":
    try:
        weights_by_rows(strategy.scope())
    except ValueError as error:
        assert "expected one replica" in str(error), error
    else:
        raise AssertionError("Expected an error")
else:
    weights_of_two = weights_by_rows(keras.distribution.DataParallel().scope())
    for one, two in zip(weights, weights_of_two, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-3, atol=1e-5)

# As in a run: the moments are made outside of the scope, before the first step.
if keras.backend.backend() == "tensorflow":
    from keras_elastor.runs.checkpoint import Checkpoints, variables_of

    def make_model(seed):
        with strategy.scope():
            keras.utils.set_random_seed(seed)
            model = ke.models.DNN(source.schema, embedding_dim=8, hidden_units=[4])
            model.compile(keras.optimizers.Adam(0.1), jit_compile=False)
        return model

    checkpoints = Checkpoints(pathlib.Path(sys.argv[1]))
    undisturbed = make_model(0)
    undisturbed.fit(train, verbose=0)
    checkpoints.save(2, variables_of(undisturbed), {})
    before = undisturbed.get_weights()
    undisturbed.fit(train, verbose=0)
    resumed = make_model(1)
    variables_of(resumed)
    for variable in resumed.optimizer.variables:
        assert isinstance(variable.value, tf.distribute.DistributedValues), variable.path

    def restore(logs):
        assert checkpoints.load(variables_of(resumed)) == {}
        assert int(resumed.optimizer.iterations.numpy()) == 2

    restoring = keras.callbacks.LambdaCallback(on_train_begin=restore)
    resumed.fit(train, callbacks=[restoring], verbose=0)
    for one, two, old in zip(undisturbed.get_weights(), resumed.get_weights(), before, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-6, atol=1e-7)
        assert np.abs(one - old).max() > 1e-3
    for variable in resumed.optimizer.variables:
        copies = [copy.numpy() for copy in strategy.experimental_local_results(variable.value)]
        np.testing.assert_array_equal(*copies)
"""


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="Keras' data parallelism there is experimental"
)
def test_two_replicas_learn_measure_and_resume_as_one_does(tmp_path):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE, tmp_path],
        env={**os.environ, "XLA_FLAGS": flags},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
