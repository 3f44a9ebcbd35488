"""Models tuned at one budget: the same trials, the same values, rows that none has seen."""

import pytest

import keras_elastor as ke
from keras_elastor.runs.errors import RunError
from keras_elastor.tuning.equal_budget import compare_best, equal_searches, require_test_rows
from keras_elastor.tuning.result import SearchResult

pytestmark = pytest.mark.backend_free
SCHEMA = ke.FeatureSchema([ke.Categorical("user", 9), ke.Categorical("item", 9)])


def make_run(name, dataset="synthetic"):
    return ke.runs.RunConfig.from_dict({"dataset": {"name": dataset}, "model": {"name": name}})


def test_models_share_the_values_of_what_both_have():
    runs = [make_run("dnn"), make_run("rank_mixer")]
    space = {"hidden_units": [[4]], "tokens": [[2, 4]], "learning_rate": [0.1, 0.2]}
    dnn, mixer = equal_searches(runs, SCHEMA, space, trials=7, seed=3)
    assert dnn.space == {"hidden_units": [[4]], "learning_rate": [0.1, 0.2]}
    assert mixer.space == {"tokens": [[2, 4]], "learning_rate": [0.1, 0.2]}
    assert [(each.trials, each.seed, each.with_test) for each in (dnn, mixer)] == [
        (7, 3, False)
    ] * 2
    own = equal_searches(runs, SCHEMA)
    shared = set(own[0].space) & set(own[1].space)
    assert shared == {"dropout", "embedding_dim", "embedding_l2_lambda", "learning_rate"}
    assert all(own[0].space[name] == own[1].space[name] for name in shared)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"batch_size": [64, 128]}, "'batch_size': expected a space without it, as models are com"),
        ({"epochs": [1, 2]}, "'epochs': expected a space without it"),
        ({"hidden_unit": [[4]]}, "Did you mean 'hidden_units'?"),
        ({"hidden_units": [[4]]}, "'rank_mixer': expected a space with a name that it has"),
    ],
)
def test_a_space_that_would_be_unfair_is_refused(space, message):
    with pytest.raises(ValueError, match=r".+") as error:
        equal_searches([make_run("dnn"), make_run("rank_mixer")], SCHEMA, space)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("dataset", "how"),
    [
        ("kuairand_pure", "--set dataset.arguments.test_from=20220504"),
        ("prepared", "--files test=FILE"),
        ("table", "--set dataset.arguments.test_size=0.1"),
        ("synthetic", "take a dataset that has some"),
    ],
)
def test_without_test_rows_it_says_how_to_get_some(dataset, how):
    with pytest.raises(ValueError, match=r"expected test rows") as error:
        require_test_rows(ke.runs.Data(SCHEMA, [1], [1], []), make_run("dnn", dataset))
    assert how in str(error.value)


def test_a_search_that_has_not_ended_is_not_compared(tmp_path):
    result = SearchResult(tmp_path, make_run("dnn"), [], is_finished=False)
    data = ke.runs.Data(SCHEMA, [1], [1], [1])
    with pytest.raises(RunError, match="expected a search that has ended"):
        compare_best([result], [0], data)
