import numpy as np
import pytest

from keras_elastor.data.synthetic.draws import Draws

pytestmark = pytest.mark.backend_free


def test_a_name_always_gives_the_same_numbers():
    np.testing.assert_array_equal(Draws(3, 1, 4).uniform(2, 3), Draws(3, 1, 4).uniform(2, 3))
    assert Draws(0, 0).uniform(2).tolist() == [0.011546754286331562, 0.24154919656271812]


@pytest.mark.parametrize("other", [(4, 1, 4), (3, 2, 4), (3, 1, 5)])
def test_other_names_give_other_numbers(other):
    one, two = Draws(3, 1, 4).uniform(10_000), Draws(*other).uniform(10_000)
    assert not np.intersect1d(one, two).size
    assert abs(np.corrcoef(one, two)[0, 1]) < 4 / 100


def test_uniform_numbers_have_the_moments_of_the_uniform_distribution():
    numbers = Draws(0, 0).uniform(100_000)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    np.testing.assert_allclose(np.histogram(numbers, 10, (0, 1))[0], 10_000, atol=400)


def test_normal_numbers_have_the_moments_of_the_normal_distribution():
    numbers = Draws(0, 0).normal(2, 100_000)
    assert numbers.shape == (2, 100_000)
    moments = [(numbers**power).mean() for power in (1, 2, 3, 4)]
    np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=0.06)
    np.testing.assert_allclose((numbers < -1.6449).mean(), 0.05, atol=0.002)


def test_categories_follow_their_probabilities_and_skip_those_of_zero():
    cumulative = np.cumsum([0.0, 0.5, 0.0, 0.2, 0.3, 0.0])
    indices = Draws(0, 0).categories(cumulative, 100_000)
    assert indices.dtype == np.int32
    counts = np.bincount(indices, minlength=6)
    np.testing.assert_allclose(counts, [0, 50_000, 0, 20_000, 30_000, 0], atol=700)
    assert counts[[0, 2, 5]].sum() == 0
