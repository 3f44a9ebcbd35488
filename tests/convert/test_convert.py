"""Parity with the official PyTorch code: recorded values, outputs and gradients.

`tests/golden/*.npz` hold small random weights, inputs, outputs and gradients of the official code
(github.com/vasile-paskardlgm/RankElastor, commit 68e5f29) and of FuxiCTR's baselines
(github.com/reczoo/FuxiCTR, commit 0245987).
"""

import json
import pathlib

import keras
import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.convert.weights import _assignments
from tests.assertions import raises_value_error
from tests.backends import call, compute_gradients, numpy

pytestmark = pytest.mark.usefixtures("drawn_by_numpy")

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
LAYERS = sorted(
    path.stem for path in GOLDEN.glob("*.npz") if not path.stem.startswith(("model_", "replay_"))
)
MODELS = sorted(path.stem for path in GOLDEN.glob("model_*.npz"))


def read(name):
    with np.load(GOLDEN / f"{name}.npz") as file:
        arrays = dict(file)
    groups = {"weights": {}, "inputs": {}, "gradients": {}}
    for key in arrays:
        group, _, rest = key.partition("/")
        if group in groups:
            groups[group][rest] = arrays[key]
    return json.loads(str(arrays["config"])), arrays, groups


def assert_close(actual, expected, tolerance, name=""):
    """|difference| <= tolerance * max(1, |value|), as the recordings ask for."""
    assert np.shape(actual) == np.shape(expected), name
    error = np.abs(actual - expected) / np.maximum(1, np.abs(expected))
    assert error.max() <= tolerance, f"{name}: {error.max()}"


def test_all_recordings_are_here():
    assert len(LAYERS) == 12
    baselines = ["model_autoint", "model_dcn_v2", "model_dnn"]
    own = ["model_rank_elastor", "model_rank_mixer_baseline"]
    assert set(MODELS) == {*baselines, *own, "model_xdeepfm"}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_equals_the_official_code(name):
    config, arrays, groups = read(name)
    layer = ke.convert.from_official(config, groups["weights"])
    inputs = groups["inputs"]["tokens"]
    assert_close(call(layer, inputs), arrays["output"], 1e-5)
    by_inputs, by_weights = compute_gradients(layer, inputs, arrays["probe"])
    assert_close(by_inputs, groups["gradients"]["input"], 1e-4, "input")
    gradients = {id(w): g for w, g in zip(layer.trainable_variables, by_weights, strict=True)}
    expected = {
        key.removeprefix("weights/"): value
        for key, value in groups["gradients"].items()
        if key != "input"
    }
    compared = set()
    for assignment in _assignments(layer):
        official = assignment.assemble([expected[source] for source in assignment.sources])
        ours = gradients[id(assignment.variable)]
        assert_close(ours, official, 1e-4, assignment.variable.path)
        compared |= set(assignment.sources)
    assert compared == set(expected)


@pytest.mark.parametrize("name", MODELS)
def test_model_equals_the_official_code(name):
    config, arrays, groups = read(name)
    model = ke.convert.from_official(config, groups["weights"])
    logits = call(model, groups["inputs"])
    # The recording of the DNN, alone, holds the probability.
    outputs = 1 / (1 + np.exp(-logits)) if name == "model_dnn" else logits
    assert_close(outputs, arrays["output"], 1e-5)
    assert model.count_params() == arrays["params_total"]


def random_state(model, seed=0):
    """Random official weights that fit the model."""
    rng = np.random.default_rng(seed)
    return {
        source: rng.normal(scale=0.3, size=shape).astype("float32")
        for assignment in _assignments(model)
        for source, shape in assignment.sources.items()
    }


def test_weights_go_where_their_names_say():
    config, _, groups = read("model_rank_elastor")
    model = ke.convert.from_official(config, groups["weights"])
    state = random_state(model)
    ke.convert.load_official_weights(model, state)
    table = numpy(model.get_layer("encoder").table.embeddings)
    prefix = "embedding_layer.embedding_layer.embedding_layers."
    np.testing.assert_array_equal(table[7:18], state[f"{prefix}C2.weight"])
    kernel = numpy(model.get_layer("mixing_1").layer.kernel)
    np.testing.assert_array_equal(kernel.T, state["backbone.1.token_mixing.cross_mixing.weight"])


def test_torch_tensors_are_taken_as_they_come():
    torch = pytest.importorskip("torch")
    config, arrays, groups = read("mixing_full")
    state = {key: torch.tensor(value) for key, value in groups["weights"].items()}
    layer = ke.convert.from_official(config, state)
    assert_close(call(layer, groups["inputs"]["tokens"]), arrays["output"], 1e-5)
    halves = {key: value.to(torch.bfloat16) for key, value in state.items()}
    ke.convert.load_official_weights(layer, halves)
    expected = halves["cross_mixing.bias"].float().numpy()
    np.testing.assert_array_equal(numpy(layer.layer.bias), expected)


def test_every_wrong_name_is_listed_and_nothing_changes():
    config, _, groups = read("block_full_glu")
    block = ke.convert.from_official(config, groups["weights"])
    before = [numpy(weight).copy() for weight in block.weights]
    state = random_state(block)
    del state["layer_norm1.gamma"], state["token_mixing.pre_norm.gamma"]
    state["surplus.weight"] = np.zeros(3)
    state["token_mixing.cross_mixing.bias"] = np.zeros(5)
    with raises_value_error(
        "nothing was changed",
        "missing: layer_norm1.gamma, of shape (6,)",
        "missing: token_mixing.pre_norm.gamma",
        "left over: surplus.weight, of shape (3,)",
        "of another shape: token_mixing.cross_mixing.bias, expected (24,), received (5,)",
    ):
        ke.convert.load_official_weights(block, state)
    for weight, old in zip(block.weights, before, strict=True):
        np.testing.assert_array_equal(numpy(weight), old)
    with raises_value_error("left over: surplus.weight"):
        ke.convert.from_official(config, {**groups["weights"], "surplus.weight": np.zeros(3)})


def model_config(**changes):
    config, _, _ = read("model_rank_elastor")
    return {**config, **changes}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mixing_type": 3}, ["mixing_type", "999", "3"]),
        ({"mixing_type": [2], "depth": 2}, ["mixing_type", "depth=2", "Received: 1"]),
        ({"use_opq": True}, ["use_opq"]),
        ({"pred_head": "tower"}, ["pred_head", "'tower'"]),
        ({"interaction_ffn_type": "dcnv2"}, ["interaction_ffn_type", "dcnv2"]),
        ({"proj_param": {"trans_type": "conv"}}, ["trans_type", "'conv'"]),
        ({"interaction_mlp_params": {"activation": "swiglu-mhc"}}, ["swiglu-mhc"]),
        ({"model": "Transformer"}, ["UniMixer", "'Transformer'"]),
    ],
)
def test_unknown_options_are_named(changes, words):
    with raises_value_error(*words):
        ke.convert.from_official(model_config(**changes), {})


def test_missing_options_are_named():
    with raises_value_error("'mixing_type'"):
        config = {"component": "token_mixing", "num_tokens": 2, "token_dim": 2}
        ke.convert.from_official(config, {})


def test_layers_without_official_counterpart_are_named():
    schema = ke.FeatureSchema([ke.Categorical("C1", 4)])
    model = ke.models.RankElastor(schema, head=ke.layers.PredictionHead(pooling="mean"))
    with raises_value_error("PredictionHead 'head'", "no counterpart"):
        ke.convert.load_official_weights(model, {})


def test_embedding_regularizer_is_fuxictrs_half_lambda():
    config = model_config(embedding_regularizer=1e-3)
    model = ke.convert.from_official(config, read("model_rank_elastor")[2]["weights"])
    squares = sum((numpy(w) ** 2).sum() for w in model.get_layer("encoder").weights)
    assert float(sum(numpy(loss) for loss in model.losses)) == pytest.approx(
        0.5e-3 * squares, rel=1e-5
    )


def test_loading_survives_saving(tmp_path):
    config, _, groups = read("model_rank_elastor")
    model = ke.convert.from_official(config, groups["weights"])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        call(loaded, groups["inputs"]), call(model, groups["inputs"]), atol=1e-6
    )
