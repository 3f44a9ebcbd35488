"""A model is made again of what its constructor was called with, whoever wrote the class."""

import keras
import numpy as np
import pytest

import keras_elastor as ke

SCHEMA = ke.FeatureSchema([ke.Categorical("user", 9), ke.Numeric("price")])
BATCH = {"user": np.array([1, 2, 3], "int32"), "price": np.array([0.5, 1, 2], "float32")}


@keras.saving.register_keras_serializable("tests")
class Narrow(ke.models.DNN):
    """A person's subclass of a model, with arguments of its own."""

    def __init__(self, schema, width, *, twice=False, **kwargs):
        super().__init__(schema, 3, [width] * (2 if twice else 1), **kwargs)
        self.width = width


@keras.saving.register_keras_serializable("tests")
class Narrowest(Narrow):
    """A subclass of that, with the constructor of its parent."""


def saved(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    assert loaded.get_config() == model.get_config()
    expected = model.predict(BATCH, verbose=0)
    np.testing.assert_array_equal(loaded.predict(BATCH, verbose=0), expected)
    return loaded


@pytest.mark.parametrize("kind", [Narrow, Narrowest])
def test_a_subclass_of_a_model(tmp_path, kind):
    model = kind(SCHEMA, 5, twice=True, activation="tanh", name="mine")
    config = model.get_config()
    assert (config["width"], config["twice"], config["activation"]) == (5, True, "tanh")
    assert "hidden_units" not in config
    loaded = saved(model, tmp_path)
    assert (loaded.name, loaded.width) == ("mine", 5)


def test_positions_names_and_defaults_are_one(tmp_path):
    by_position = ke.models.DNN(SCHEMA, 4, [8, 8], "tanh").get_config()
    by_name = ke.models.DNN(
        activation="tanh", schema=SCHEMA, hidden_units=(8, 8), embedding_dim=4
    ).get_config()
    for config in (by_position, by_name):
        del config["name"], config["layer_state"]
    assert by_position == by_name
    assert by_position["dropout"] == 0.0


def test_an_argument_changed_later_is_not_what_was_given(tmp_path):
    units = [8, 4]
    model = ke.models.DNN(SCHEMA, hidden_units=units)
    units.append(100)
    assert model.get_config()["hidden_units"] == [8, 4]
    saved(model, tmp_path)


def test_clones_and_templates():
    model = ke.models.RankElastor(
        SCHEMA, 4, tokenizer=ke.layers.SharedTokenizer(2, 8, (4,)), num_blocks=1
    )
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone.predict(BATCH, verbose=0), model.predict(BATCH, verbose=0))
    assert [w.shape for w in clone.weights] == [w.shape for w in model.weights]


def test_a_map_of_dtype_policies_is_kept_whole(tmp_path):
    policies = keras.dtype_policies.DTypePolicyMap(default_policy="mixed_bfloat16")
    model = ke.models.DNN(SCHEMA, hidden_units=[8], dtype=policies)
    computes = {layer.name: layer.compute_dtype for layer in model.layers}
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert {layer.name: layer.compute_dtype for layer in loaded.layers} == computes
    expected = model.predict(BATCH, verbose=0)
    np.testing.assert_array_equal(loaded.predict(BATCH, verbose=0), expected)
    assert computes["head"] == "bfloat16"


def test_a_view_cannot_be_saved_by_mistake():
    view = ke.models.DNN(SCHEMA, hidden_units=[8]).intermediates()
    with pytest.raises(NotImplementedError, match="view on the tensors of another model"):
        view.get_config()


def test_wrong_arguments_are_named():
    with pytest.raises(TypeError, match=r"Narrow: unknown argument 'witdh'|'width'"):
        Narrow(SCHEMA, witdh=5)
    with pytest.raises(TypeError, match="twice"):
        Narrow(SCHEMA, 5, twise=True)
