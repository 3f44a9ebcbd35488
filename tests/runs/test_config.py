import json

import pytest

import keras_elastor as ke
from keras_elastor.runs import RunConfig
from tests.assertions import raises_value_error
from tests.runs.runs import PROTOCOLS, make_config, make_config_with_layers

pytestmark = pytest.mark.backend_free

VALUES = {
    "dataset": {"name": "synthetic", "arguments": {"train_rows": 100}},
    "model": {"name": "dnn", "arguments": {"hidden_units": [8]}},
    "protocol": {"learning_rate": 0.01, "monitor": {"auc": 1, "logloss": -1}},
    "batch_size": 64,
    "checkpoint_minutes": 1,
}


def test_plain_values_round_trip(tmp_path):
    config = make_config_with_layers(tmp_path)
    plain = json.loads(json.dumps(config.to_dict()))
    assert RunConfig.from_dict(plain) == config


def test_fields_have_their_types():
    config = RunConfig.from_dict(VALUES)
    assert config.protocol == ke.training.FuxiCTRProtocol(0.01, monitor={"auc": 1, "logloss": -1})
    assert config.model == ke.runs.Named("dnn", {"hidden_units": [8]})
    assert isinstance(config.checkpoint_minutes, float)


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_protocols_round_trip(tmp_path, name):
    config = make_config(tmp_path, protocol=PROTOCOLS[name])
    plain = json.loads(json.dumps(config.to_dict()))
    assert plain["protocol"]["name"] == name
    assert RunConfig.from_dict(plain) == config
    assert RunConfig.from_dict(plain).run_id == config.run_id


def test_configs_without_a_name_of_a_protocol_are_fuxictrs(tmp_path):
    unnamed = {"learning_rate": 0.01, "patience": 3}
    configs = [make_config(tmp_path, protocol=p) for p in (unnamed, {"name": "fuxictr", **unnamed})]
    assert configs[0] == configs[1]
    assert configs[0].run_id == configs[1].run_id


def test_json_and_yaml_files_give_the_same(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(VALUES))
    (tmp_path / "a.yaml").write_text(
        """
        dataset: {name: synthetic, arguments: {train_rows: 100}}
        model:
          name: dnn
          arguments:
            hidden_units: [8]
        protocol:
          learning_rate: 1e-2  # a text to YAML 1.1
          monitor: {auc: 1, logloss: -1}
        batch_size: 64
        checkpoint_minutes: 1
        """
    )
    config = RunConfig.from_dict(VALUES)
    assert RunConfig.from_file(tmp_path / "a.json") == config
    assert RunConfig.from_file(tmp_path / "a.yaml") == config


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batchsize": 3}, ["'batchsize'", "'batch_size'"]),
        ({"protocol": {"lerning_rate": 3}}, ["'protocol.lerning_rate'", "'learning_rate'"]),
        ({"model": {"nam": "dnn"}}, ["'model.nam'", "'name'"]),
        ({"zzz": 3}, ["'zzz'", "Known are: dataset, model"]),
        ({"model": {}}, ["'model.name'", "missing"]),
        ({"model": "dnn"}, ["'model'", "keys and values", "'dnn'"]),
        ({"batch_size": 2.5}, ["'batch_size'", "an integer", "2.5"]),
        ({"batch_size": True}, ["'batch_size'", "an integer", "True"]),
        ({"batch_size": 0}, ["'batch_size'", "at least 1", "0"]),
        ({"epochs": "3"}, ["'epochs'", "an integer", "'3'"]),
        ({"checkpoint_minutes": float("nan")}, ["'checkpoint_minutes'", "a number"]),
        ({"checkpoint_steps": 0}, ["'checkpoint_steps'", "0"]),
        ({"seed": -1}, ["'seed'", "-1"]),
        ({"name": "a/b"}, ["'name'", "'a/b'"]),
        ({"folder": None}, ["'folder'", "a text", "None"]),
        ({"protocol": {"patience": 0}}, ["`patience`", "at least 1"]),
        ({"model": {"name": "dnn", "arguments": {"x": object()}}}, ["plain values", "object"]),
        ({"version": 0}, ["an older version, 0", "expected 1", "keras-elastor that wrote it"]),
        ({"version": 2}, ["a newer version, 2"]),
        # As texts, "10" comes before "9" and "-1" before "1".
        ({"version": 10}, ["a newer version, 10"]),
        ({"version": -1}, ["an older version, -1"]),
        ({"version": "1.0"}, ["another version, '1.0'"]),
        ({"protocol": {"name": "fuxi"}}, ["protocol 'fuxi'", "'fuxictr'"]),
        ({"protocol": {"name": "keras", "optimiser": "adam"}}, ["'optimizer'"]),
        ({"protocol": {"name": "keras", "optimizer": 3}}, ["a text or keys and values", "3"]),
        (
            {"protocol": {"embedding_regularizer": 1e-5}},
            ["'protocol.embedding_regularizer'", "Did you mean 'embedding_l2_lambda'?"],
        ),
        ({"protocol": "keras"}, ["'protocol'", "keys and values", "'keras'"]),
    ],
)
def test_wrong_values_are_named(changes, words):
    with raises_value_error(*words):
        RunConfig.from_dict({**VALUES, **changes})


def test_wrong_files_are_named(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{\n"batch_size": 3,,}')
    with raises_value_error(str(path), "line 2", "JSON"):
        RunConfig.from_file(path)
    path.write_text('{"batchsize": 3}')
    with raises_value_error(str(path), "'batchsize'"):
        RunConfig.from_file(path)
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xff\xfe")
    with raises_value_error(str(path), "UTF-8"):
        RunConfig.from_file(path)
    path.write_text("batch_size: [3\nepochs: 2")
    with raises_value_error(str(path), "line 2", "YAML"):
        RunConfig.from_file(path)
    path.write_text("- 3")
    with raises_value_error(str(path), "keys and values", "list"):
        RunConfig.from_file(path)


class TestRunId:
    def test_names_model_and_dataset(self):
        assert RunConfig.from_dict(VALUES).run_id.startswith("dnn_synthetic-")
        assert RunConfig.from_dict({**VALUES, "name": "first"}).run_id.startswith("first-")

    @pytest.mark.parametrize(
        "changes",
        [
            {"seed": 1},
            {"batch_size": 65},
            {"epochs": 1},
            {"protocol": {"learning_rate": 0.02}},
            {"model": {"name": "dnn"}},
            {"dataset": {"name": "synthetic"}},
        ],
    )
    def test_changes_with_what_matters(self, changes):
        hashes = [RunConfig.from_dict({**VALUES, **c}).run_id[-10:] for c in ({}, changes)]
        assert hashes[0] != hashes[1]

    @pytest.mark.parametrize(
        "changes", [{"folder": "/elsewhere"}, {"checkpoint_steps": 3}, {"name": "other"}]
    )
    def test_stays_with_what_does_not(self, changes):
        hashes = [RunConfig.from_dict({**VALUES, **c}).run_id[-10:] for c in ({}, changes)]
        assert hashes[0] == hashes[1]

    def test_the_place_of_the_data_does_not_matter(self):
        ids = {
            RunConfig.from_dict(
                {
                    **VALUES,
                    "dataset": {"name": "kuairand_pure", "arguments": {"data_dir": place}},
                }
            ).run_id
            for place in ("/here", "/there")
        }
        assert len(ids) == 1

    def test_is_the_same_in_every_process(self, monkeypatch):
        monkeypatch.setattr("keras.backend.backend", lambda: "jax")
        assert RunConfig.from_dict(VALUES).run_id == "dnn_synthetic-e982ed609c"


class TestParts:
    @pytest.mark.parametrize(
        ("dataset", "words"),
        [
            ({"name": "kuairand_pur"}, ["'kuairand_pur'", "'kuairand_pure'"]),
            (
                {"name": "synthetic", "arguments": {"trainrows": 3}},
                ["'dataset.arguments.trainrows'", "'train_rows'"],
            ),
            (
                {"name": "synthetic", "arguments": {"num_catgorical": 3}},
                ["'dataset.arguments.num_catgorical'", "'num_categorical'"],
            ),
            ({"name": "kuairand_pure"}, ["'dataset.arguments'", "kuairand_pure", "'data_dir'"]),
        ],
    )
    def test_wrong_datasets_are_named(self, dataset, words):
        config = RunConfig.from_dict({**VALUES, "dataset": dataset})
        with raises_value_error(*words):
            ke.runs.load_data(config)

    @pytest.mark.parametrize(
        ("model", "words"),
        [
            ({"name": "RankElastr"}, ["'RankElastr'", "'rank_elastor'"]),
            ({"name": "rank_elastor_criteo_dim11"}, ["Did you mean 'rank_elastor_criteo_dim1"]),
            (
                {"name": "dnn", "arguments": {"hiddenunits": [3]}},
                ["'model.arguments.hiddenunits'", "'hidden_units'"],
            ),
        ],
    )
    def test_wrong_models_are_named(self, model, words, tmp_path):
        config = make_config(tmp_path, model=model)
        with raises_value_error(*words):
            ke.runs.run(config)
        assert not any(tmp_path.iterdir())

    def test_the_synthetic_splits(self, tmp_path):
        data = ke.runs.load_data(make_config(tmp_path))
        assert [len(split) for split in (data.train, data.valid, data.test)] == [640, 192, 128]
        assert data.schema.names[:2] == ("user", "item")
