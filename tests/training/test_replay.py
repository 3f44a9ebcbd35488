"""Recorded trainings of FuxiCTR, step by step.

`tests/golden/replay_*.npz` hold 200 training steps of FuxiCTR 2.3.10: options, weights before and
after, batches, and the loss of each step before its update.
"""

import json
import pathlib

import keras
import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.convert.weights import _assignments
from tests.backends import numpy

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"


def read(path):
    with np.load(path) as file:
        arrays = dict(file)
    groups = {"weights": {}, "final_weights": {}, "inputs": {}}
    for key, array in arrays.items():
        group, _, name = key.partition("/")
        if group in groups:
            groups[group][name] = array
    return json.loads(str(arrays["config"])), arrays, groups


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("replay_*.npz")), ids=lambda path: path.stem)
def test_follows_the_recorded_training(path):
    config, arrays, groups = read(path)
    model = ke.convert.from_official(config, groups["weights"])
    protocol = ke.training.FuxiCTRProtocol.from_official(config)
    metric = keras.metrics.BinaryCrossentropy(from_logits=True, name="task")
    protocol.compile(model, metrics=[metric])
    # Otherwise TensorFlow traces the first step twice.
    model.optimizer.build(model.trainable_variables)

    total, task = [], []
    for step in range(config["steps"]):
        features = {name: values[step] for name, values in groups["inputs"].items()}
        model.reset_metrics()
        labels = arrays["labels"][step][:, None]
        logs = model.train_on_batch(features, labels, return_dict=True)
        total.append(float(logs["loss"]))
        task.append(float(logs["task"]))
    np.testing.assert_allclose(task, arrays["loss_task"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(total, arrays["loss_total"], rtol=0, atol=1e-4)
    for assignment in _assignments(model):
        official = [groups["final_weights"][name] for name in assignment.sources]
        expected = assignment.assemble(official)
        actual = numpy(assignment.variable)
        np.testing.assert_allclose(
            actual, expected, rtol=0, atol=1e-3, err_msg=assignment.variable.path
        )
        print(assignment.variable.path, np.abs(actual - expected).max())
    print(np.abs(np.array(task) - arrays["loss_task"]).max())
