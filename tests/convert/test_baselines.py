"""FuxiCTR's baselines in every option, against a float64 twin of its equations."""

import keras
import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.convert.options import _MODELS
from keras_elastor.convert.weights import _assignments
from tests.assertions import raises_value_error
from tests.backends import call, numpy
from tests.convert import fuxictr_twin

pytestmark = pytest.mark.usefixtures("drawn_by_numpy")

SHARED = {"embedding_dim": 4, "num_numeric": 2, "vocabulary_sizes": [7, 11, 5]}
DNN = {"model": "DNN", "hidden_units": [6, 5]}
DCN = {
    "model": "DCNv2",
    "num_cross_layers": 2,
    "stacked_dnn_hidden_units": [6],
    "parallel_dnn_hidden_units": [7, 5],
}
MIXTURE = {**DCN, "use_low_rank_mixture": True, "low_rank": 3, "num_experts": 2}
XDEEPFM = {"model": "xDeepFM", "cin_hidden_units": [5, 3], "dnn_hidden_units": [6]}
AUTOINT = {"model": "AutoInt", "attention_dim": 6, "num_heads": 3, "dnn_hidden_units": [6]}
CASES = {
    "dnn": DNN,
    "dnn with batch norm and dropout": {**DNN, "batch_norm": True, "net_dropout": 0.1},
    "dnn with Dice": {**DNN, "hidden_activations": "Dice", "net_dropout": 0.1},
    "dnn with lists": {**DNN, "hidden_activations": ["tanh", "tanh"], "net_dropout": [0.2, 0.2]},
    "dnn with PReLU": {**DNN, "hidden_activations": "PReLU", "net_dropout": 0.1},
    "dnn with LeakyReLU": {**DNN, "hidden_activations": "LeakyReLU", "batch_norm": True},
    "dnn without activation": {**DNN, "hidden_activations": None, "net_dropout": 0.1},
    "dnn of different layers": {
        **DNN,
        "hidden_activations": ["PReLU", None],
        "net_dropout": [0, 0.4],
        "batch_norm": True,
    },
    "dnn of other layers": {**DNN, "hidden_activations": ["Dice", "Softmax"]},
    **{
        f"{name} {structure}": {**config, "model_structure": structure}
        for name, config in (("dcn_v2", DCN), ("mixture", MIXTURE))
        for structure in ("crossnet_only", "stacked", "parallel", "stacked_parallel")
    },
    "dcn_v2 with PReLU": {
        **DCN,
        "stacked_dnn_hidden_units": [6, 4],
        "model_structure": "stacked_parallel",
        "dnn_activations": ["PReLU", "LeakyReLU"],
        "net_dropout": [0.3, 0],
    },
    "dcn_v2 with batch norm": {**DCN, "batch_norm": True, "net_dropout": 0.3},
    "xdeepfm": XDEEPFM,
    "xdeepfm of three steps": {**XDEEPFM, "cin_hidden_units": [2, 3, 4]},
    "xdeepfm without dnn": {**XDEEPFM, "dnn_hidden_units": []},
    "xdeepfm with batch norm": {**XDEEPFM, "batch_norm": True},
    "autoint": AUTOINT,
    "autoint without dnn": {**AUTOINT, "dnn_hidden_units": []},
    "autoint without residual": {**AUTOINT, "use_residual": False, "attention_layers": 3},
    "autoint with scale": {**AUTOINT, "use_scale": True, "net_dropout": 0.1},
    "autoint with layer norm": {**AUTOINT, "layer_norm": True, "use_wide": True},
    "autoint of the embeddings' width": {**AUTOINT, "attention_dim": 4, "num_heads": 2},
}


def random_state(config, seed=0):
    """Random weights under FuxiCTR's names; variances are positive."""
    rng = np.random.default_rng(seed)
    state = {}
    for assignment in _assignments(_MODELS[config["model"]](config)):
        for name, shape in assignment.sources.items():
            values = rng.normal(scale=0.5, size=shape)
            state[name] = (np.exp(values) if "running_var" in name else values).astype("float32")
    return state


def random_inputs(config, batch=9, seed=1):
    rng = np.random.default_rng(seed)
    numeric = {f"I{i + 1}": rng.normal(size=batch) for i in range(config["num_numeric"])}
    sizes = enumerate(config["vocabulary_sizes"], start=1)
    inputs = {name: values.astype("float32") for name, values in numeric.items()}
    return inputs | {f"C{i}": rng.integers(0, n, batch).astype("int32") for i, n in sizes}


@pytest.mark.parametrize("case", CASES)
def test_model_equals_fuxictr(case):
    config = {**SHARED, **CASES[case]}
    state, inputs = random_state(config), random_inputs(config)
    model = ke.convert.from_official(config, state)
    expected = fuxictr_twin.logits(config, state, inputs)
    np.testing.assert_allclose(call(model, inputs), expected, rtol=2e-5, atol=2e-5)
    statistics = sum(value.size for name, value in state.items() if "running" in name)
    assert model.count_params() == sum(value.size for value in state.values())
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert trainable == model.count_params() - statistics


def test_prelu_starts_as_in_fuxictr():
    model = _MODELS["DNN"]({**SHARED, **CASES["dnn with PReLU"]})
    slopes = [w for w in model.weights if w.path.endswith("alpha")]
    assert [numpy(w).tolist() for w in slopes] == [
        pytest.approx([0.1] * 6),
        pytest.approx([0.1] * 5),
    ]


def test_batch_counters_of_pytorch_are_ignored():
    config = {**SHARED, **CASES["dnn with batch norm and dropout"]}
    state = random_state(config)
    model = ke.convert.from_official(config, {**state, "mlp.mlp.1.num_batches_tracked": 3})
    np.testing.assert_array_equal(
        numpy(model.get_layer("head").hidden.layers[1].moving_mean), state["mlp.mlp.1.running_mean"]
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({**DCN, "model_structure": "serial"}, ["model_structure", "stacked_parallel", "'serial'"]),
        ({**DNN, "hidden_activations": "swish"}, ["hidden_activations", "relu", "'swish'"]),
        ({**DNN, "hidden_activations": ["ReLU"]}, ["`activation`", "[6, 5]", "Received: 1"]),
        ({**DNN, "net_dropout": [0.1, 0.2, 0.3]}, ["`dropout`", "[6, 5]", "Received: 3"]),
        ({**AUTOINT, "net_dropout": [0.1]}, ["net_dropout", "AutoInt", "[0.1]"]),
        ({**DNN, "embedding_regularizer": "l3(1)"}, ["embedding_regularizer", "'l3(1)'"]),
        ({**AUTOINT, "num_heads": 4}, ["num_heads", "units=6"]),
    ],
)
def test_unsupported_options_are_named(changes, words):
    with raises_value_error(*words):
        ke.convert.from_official({**SHARED, **changes}, {})


@pytest.mark.parametrize(
    ("option", "l1", "l2"),
    [
        (1e-3, 0, 5e-4),
        ("l2(1e-3)", 0, 5e-4),
        ("l1(1e-3)", 1e-3, 0),
        ("l1_l2(1e-3, 2e-3)", 1e-3, 1e-3),
        (None, 0, 0),
        (0, 0, 0),
    ],
)
def test_embedding_regularizer(option, l1, l2):
    config = {**SHARED, **XDEEPFM, "embedding_regularizer": option}
    model = ke.convert.from_official(config, random_state(config))
    weights = [numpy(w) for name in ("encoder", "linear") for w in model.get_layer(name).weights]
    expected = sum(l1 * np.abs(w).sum() + l2 * np.square(w).sum() for w in weights)
    total = sum(float(numpy(loss)) for loss in model.losses)
    assert total == pytest.approx(expected, rel=1e-5)


def test_a_baseline_survives_saving(tmp_path):
    config = {**SHARED, **CASES["dnn of other layers"]}
    model = ke.convert.from_official(config, random_state(config))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    inputs = random_inputs(config)
    np.testing.assert_allclose(call(loaded, inputs), call(model, inputs), atol=1e-6)
