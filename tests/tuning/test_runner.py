"""Searches: what they find, what stops them, and that nothing is lost."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import keras_elastor as ke
from keras_elastor.runs.errors import RunError
from keras_elastor.tuning.execution import Job
from keras_elastor.tuning.proposals import bayesian_values, grid_values, random_values
from keras_elastor.tuning.runner import _State
from keras_elastor.tuning.search import Proposals
from keras_elastor.tuning.space import read_space
from keras_elastor.tuning.workers import Workers, _describe

SCHEMA = ke.FeatureSchema([ke.Categorical("user", 9), ke.Numeric("price")])
SPACE = {"hidden_units": [[2], [4], [4, 4]], "learning_rate": [0.001, 0.01]}


def make_search(folder, **changes):
    rows = {"train_rows": 192, "valid_rows": 128, "test_rows": 64}
    columns = {"num_categorical": 3, "num_numeric": 1, "vocabulary_size": 9}
    run = ke.runs.RunConfig.from_dict(
        {
            "dataset": {"name": "synthetic", "arguments": {**rows, **columns}},
            "model": {"name": "dnn", "arguments": {"embedding_dim": 2}},
            "batch_size": 64,
            "epochs": 1,
        }
    )
    return ke.tuning.Search(run, **{"space": SPACE, "trials": 3, "folder": str(folder), **changes})


def make_state(search, outcomes=()):
    state = _State(search, Proposals(search, SCHEMA), {}, [], False)
    for trial, score in outcomes:
        state.add(
            ke.tuning.Execution(
                *(trial, 0, {}),
                status="failed" if score is None else "finished",
                metrics={} if score is None else {"valid": {"auc": score, "logloss": 0.5}},
                dense=10 * (trial + 1),
                error="ValueError: no" if score is None else None,
            )
        )
    return state


@pytest.mark.backend_free
def test_proposals_follow_from_the_seed_and_differ():
    space = read_space({**SPACE, "dropout": {"min": 0.0, "max": 0.3, "step": 0.1}})
    earlier = []
    for _ in range(24):
        earlier.append(random_values(space, 7, earlier))
    assert len({json.dumps(values) for values in earlier}) == 24
    assert random_values(space, 7, earlier) is None
    assert random_values(space, 7, earlier[:5]) == earlier[5]
    assert random_values(space, 8, []) != earlier[0]
    assert sorted(map(json.dumps, grid_values(space))) == sorted(map(json.dumps, earlier))
    with pytest.raises(ValueError, match="'rate': expected alternatives or a range with a step"):
        grid_values(read_space({"rate": {"min": 0.1, "max": 1.0}}))


@pytest.mark.slow
def test_bayesian_proposals_look_where_it_is_good():
    pytest.importorskip("keras_tuner")
    space = read_space({"width": {"min": 0.0, "max": 1.0}, "layers": [[1], [2, 2]]})
    earlier, seen = [], []
    for _ in range(10):
        values = bayesian_values(space, 0, earlier, seen)
        assert values == bayesian_values(space, 0, earlier, seen)
        earlier.append(values)
        seen.append((values, -((values["width"] - 0.7) ** 2)))
    assert max(seen, key=lambda each: each[1])[0]["width"] == pytest.approx(0.7, abs=0.1)
    assert earlier[0]["layers"] in ([1], [2, 2])


@pytest.mark.backend_free
def test_the_best_trial_is_chosen_by_validation_and_size(tmp_path):
    state = make_state(make_search(tmp_path), [(0, 0.6), (1, None), (2, 0.7)])
    state.max_dense = [10]
    state.propose_all()
    result = state.write()
    assert result.is_finished
    assert [trial.status for trial in result.trials] == ["finished", "failed", "finished"]
    assert result.best().number == 2
    assert result.best(max_dense=10).number == 0
    best = ke.runs.RunConfig.from_file(state.search.path / "best.json")
    assert best.model.arguments["hidden_units"] == result.trials[2].values["hidden_units"]
    small = ke.runs.RunConfig.from_file(state.search.path / "best_10.json")
    assert small.protocol.learning_rate == result.trials[0].values["learning_rate"]
    assert "ValueError: no" in (state.search.path / "table.md").read_text()


@pytest.mark.backend_free
def test_another_search_in_the_folder_is_refused(tmp_path):
    make_search(tmp_path, name="same").write_identity()
    make_search(tmp_path, name="same", trials=9, workers=2).write_identity()
    with pytest.raises(RunError, match="holds another search: its 'space' is"):
        make_search(tmp_path, name="same", space={"hidden_units": [[2]]}).write_identity()
    assert make_search(tmp_path).path != make_search(tmp_path, space=None).path
    assert make_search(tmp_path).path == make_search(tmp_path, trials=5).path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "bayes"}, "Unknown method 'bayes'. Did you mean 'bayesian'?"),
        ({"trials": 0}, "'trials': expected at least 1. Received: 0"),
        ({"seeds": [1, 1]}, "'seeds': expected seeds that differ. Received: "),
        ({"minutes": 0}, "'minutes': expected None or above 0"),
        ({"points": [{"epochs": 1}]}, "either a space or points"),
    ],
)
def test_a_wrong_search_is_named(change, message, tmp_path):
    with pytest.raises(ValueError, match=r".+") as error:
        make_search(tmp_path, **change)
    assert message in str(error.value)


def test_a_plan_has_the_sizes_of_presets_and_models():
    points = [{"model": "fm"}, {"hidden_units": [4], "embedding_dim": 2}]
    search = make_search("unused", space=None, points=points)
    first, second = ke.tuning.plan(search, ke.runs.load_data(search.run))
    assert (first.dense, first.flops) == (0, 0)
    assert second.flops == 2 * (4 * 2 * 4 + 4)


@pytest.mark.backend_free
def test_a_worker_that_dies_is_named(tmp_path):
    job = Job(tmp_path / "job", 0, 0, {})
    workers = Workers(1)
    workers.start(job, {})
    workers._running[0].process.kill()
    workers._running[0].process.wait()
    (execution,) = workers.collect()
    assert execution == job.outcome
    assert execution.error == "The worker died by SIGKILL: was the memory used up?"
    assert "exit code 3" in _describe(3)
    assert workers.is_free


SEARCH = """
import json, sys
import keras_elastor as ke
values = json.loads(sys.argv[1])
run = ke.runs.RunConfig.from_dict(values.pop("run"))
ke.tuning.search(ke.tuning.Search(run, **values))
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_search_killed_three_times_ends_as_one_left_alone(tmp_path):
    undisturbed = make_search(tmp_path / "undisturbed", workers=2)
    result = ke.tuning.search(undisturbed)
    assert [trial.status for trial in result.trials] == ["finished"] * 3
    killed = make_search(tmp_path / "killed", workers=2)
    values = {"run": killed.run.to_dict(), "space": SPACE, "trials": 3, "workers": 2}
    values["folder"] = killed.folder
    for ended in (0, 1, 2):
        command = [sys.executable, "-W", "ignore", "-c", SEARCH, json.dumps(values)]
        process = subprocess.Popen(command, env=os.environ)
        latest = time.monotonic() + 300
        while len(list(killed.path.glob("jobs/*/outcome.json"))) < ended:
            assert time.monotonic() < latest
            assert process.poll() is None
            time.sleep(0.05)
        while not list(killed.path.glob("jobs/*/job.json")):
            assert time.monotonic() < latest
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    ke.tuning.search(killed)
    for name in ("table.csv", "table.md", "best.json"):
        assert (killed.path / name).read_text() == (undisturbed.path / name).read_text()


@pytest.mark.slow
def test_a_failing_trial_costs_itself_alone(tmp_path):
    """A learning rate that ends in NaN is named; the others finish."""
    search = make_search(tmp_path, space={"learning_rate": [0.01, 1e38]}, method="grid")
    result = ke.tuning.search(search)
    good, bad = result.trials
    assert good.status == "finished"
    assert (bad.status, result.best().number) == ("failed", 0)
    assert "NonFiniteLossError" in bad.error
    assert "Traceback" in bad.executions[0].traceback
