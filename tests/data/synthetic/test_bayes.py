import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from keras_elastor.data.synthetic.bayes import bayes_optimum
from tests.assertions import raises_value_error

pytestmark = pytest.mark.backend_free

# Few different values, so that there are ties.
probabilities = st.lists(
    st.sampled_from([0.01, 0.1, 0.5, 0.51]) | st.floats(0.001, 0.999), min_size=2, max_size=40
)


@hypothesis.given(probabilities)
def test_auc_is_the_sum_over_all_pairs(p):
    p = np.array(p)
    weight = np.outer(p, 1 - p)
    np.fill_diagonal(weight, 0)
    won = (p[:, None] > p) + (p[:, None] == p) / 2
    np.testing.assert_allclose(bayes_optimum(p).auc, (weight * won).sum() / weight.sum())


def test_hand_computed():
    optimum = bayes_optimum([0.2, 0.6])
    np.testing.assert_allclose(optimum.auc, 0.48 / 0.56)
    np.testing.assert_allclose(optimum.logloss, (0.500402423538 + 0.673011667009) / 2)
    assert bayes_optimum([0.3, 0.3, 0.3]).auc == pytest.approx(0.5)


def test_standard_errors_are_the_spread_over_samples():
    rng = np.random.default_rng(0)
    samples = 1 / (1 + np.exp(1.5 - 1.2 * rng.normal(size=(400, 1000))))
    optima = [bayes_optimum(p) for p in samples]
    for name in ("auc", "logloss"):
        spread = np.std([getattr(optimum, name) for optimum in optima])
        claimed = np.mean([getattr(optimum, f"{name}_error") for optimum in optima])
        np.testing.assert_allclose(claimed, spread, rtol=0.15)


@pytest.mark.parametrize("p", [[0.5], [0.5, 0.0], [0.5, 1.0], [0.5, np.nan], [[0.5], [0.4]]])
def test_other_input_is_refused(p):
    with raises_value_error("at least 2 probabilities strictly between 0 and 1"):
        bayes_optimum(p)
