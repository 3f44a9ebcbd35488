"""Our models under the tuners of KerasTuner, used as its own documentation uses them."""

import keras
import numpy as np
import pytest

import keras_elastor as ke
from tests.backends import slow_but_on_pytorch

keras_tuner = pytest.importorskip("keras_tuner")
# KerasTuner loads the optimizer of a model that was not trained yet.
pytestmark = pytest.mark.filterwarnings("ignore:Skipping variable loading:UserWarning")

SPACE = {
    "hidden_units": [[4], [8, 8]],
    "embedding_dim": [4, 8],
    "learning_rate": {"min": 1e-3, "max": 1e-1, "sampling": "log"},
    "dropout": {"min": 0.0, "max": 0.4, "step": 0.2},
}


@pytest.fixture(scope="module")
def data():
    source = ke.data.synthetic(num_categorical=3, num_numeric=1, vocabulary_size=20, seed=3)
    splits = [ke.data.Split(*source.arrays(256, split)) for split in ("train", "valid")]
    return source.schema, *splits


def make_tuner(kind, hyper_model, folder, **arguments):
    return kind(hyper_model, objective=hyper_model.objective, directory=folder, seed=1, **arguments)


def search(tuner, data, **arguments):
    tuner.search(data[1], validation_data=data[2], verbose=0, **arguments)
    return tuner.oracle.get_best_trials(1)[0]


@slow_but_on_pytorch
def test_the_objective_is_the_exact_auc_of_the_best_weights(data, tmp_path):
    hyper_model = ke.tuning.RankingHyperModel("dnn", data[0], SPACE)
    tuner = make_tuner(keras_tuner.RandomSearch, hyper_model, tmp_path, max_trials=2)
    stop = keras.callbacks.EarlyStopping(monitor="val_auc", mode="max", patience=1)
    best = search(tuner, data, epochs=2, callbacks=[stop])
    model = tuner.get_best_models()[0]
    logits = model.predict({k: data[2].features[k] for k in data[0].names}, verbose=0)[:, 0]
    clicked = data[2].labels == 1
    pairs = logits[clicked][:, None] - logits[~clicked][None]
    exact = np.mean((pairs > 0) + 0.5 * (pairs == 0))
    assert best.score == pytest.approx(exact, abs=1e-6)
    config = hyper_model.config(best.hyperparameters)
    assert config.model.arguments["hidden_units"] in SPACE["hidden_units"]
    assert ke.runs.RunConfig.from_dict({**config.to_dict(), "dataset": {"name": "synthetic"}})


@slow_but_on_pytorch
def test_executions_of_a_trial_differ_and_repeat(data, tmp_path):
    scores = []
    for folder in ("first", "second"):
        hyper_model = ke.tuning.RankingHyperModel("dnn", data[0], {"hidden_units": [[4]]})
        initial = []
        make = hyper_model.build

        def build(hp, make=make, initial=initial):
            model = make(hp)
            initial.append(model.get_weights()[0])
            return model

        hyper_model.build = build
        tuner = make_tuner(
            keras_tuner.RandomSearch,
            hyper_model,
            tmp_path / folder,
            max_trials=1,
            executions_per_trial=2,
        )
        scores.append(search(tuner, data, epochs=1).score)
        # The first build only tells the tuner what there is to choose from.
        assert not np.array_equal(initial[-1], initial[-2])
    # The order of the rows is not that of a seed.
    assert scores[0] == pytest.approx(scores[1], abs=0.05)


@slow_but_on_pytorch
def test_batches_become_those_of_the_trial(data, tmp_path):
    """Of a Split, of batches of tf.data and of arrays."""
    schema, train, valid = data
    steps = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(1))
    arrays = {name: train.features[name] for name in schema.names}
    for number, rows in enumerate(
        [{"x": train}, {"x": train.dataset(16)}, {"x": arrays, "y": train.labels}]
    ):
        hyper_model = ke.tuning.RankingHyperModel("logistic_regression", schema, {"batch_size": 64})
        hyper_model.fit(
            hp := keras_tuner.HyperParameters(),
            hyper_model.build(hp),
            **rows,
            validation_data=valid,
            callbacks=[count],
            verbose=0,
        )
        assert len(steps) == 4 * (number + 1)


def test_what_cannot_work_ends_the_search_at_once(data, tmp_path):
    hyper_model = ke.tuning.RankingHyperModel("dnn", data[0], {"hidden_units": [[4]]})
    tuner = make_tuner(keras_tuner.RandomSearch, hyper_model, tmp_path, max_trials=1)
    with pytest.raises(keras_tuner.errors.FatalValueError, match="Expected `validation_data`"):
        tuner.search(data[1], verbose=0)
    with pytest.raises(ValueError, match="Did you mean 'hidden_units'"):
        ke.tuning.RankingHyperModel("dnn", data[0], {"hidden_unit": [[4]]})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (keras_tuner.RandomSearch, {"max_trials": 4}),
        (keras_tuner.GridSearch, {"max_trials": 4}),
        (keras_tuner.Hyperband, {"max_epochs": 3}),
        (keras_tuner.BayesianOptimization, {"max_trials": 10, "num_initial_points": 4}),
    ],
)
def test_every_tuner(kind, arguments, data, tmp_path):
    space = {**SPACE, "batch_size": [64, 128]}
    hyper_model = ke.tuning.RankingHyperModel("rank_elastor", data[0], {"tokens": [[4, 4], [4, 8]]})
    for each in (hyper_model, ke.tuning.RankingHyperModel("dnn", data[0], space)):
        tuner = make_tuner(kind, each, tmp_path / each.name, **arguments)
        epochs = {} if "max_epochs" in arguments else {"epochs": 1}
        best = search(tuner, data, **epochs)
        statuses = {trial.status for trial in tuner.oracle.trials.values()}
        assert statuses == {"COMPLETED"}
        assert 0 < best.score <= 1
        if kind is keras_tuner.BayesianOptimization and each.name == "dnn":
            assert len(tuner.oracle.trials) == 10
