"""Power laws: found where they are, and refused where the points tell none."""

import numpy as np
import pytest

import keras_elastor as ke

pytestmark = pytest.mark.backend_free
SIZES = np.geomspace(1e3, 1e7, 6)


def losses_of(factor, exponent, floor, noise, seeds=3, seed=0):
    rng = np.random.default_rng(seed)
    means = factor * SIZES**-exponent + floor
    return means[:, None] + rng.normal(0, noise, (len(SIZES), seeds))


def test_a_law_with_a_floor_is_found():
    law = ke.tuning.fit_power_law(SIZES, losses_of(0.8, 0.2, 0.45, 1e-4))
    assert (law.form, law.problem) == ("a * N^-b + c", None)
    assert law.exponent_interval[0] < 0.2 < law.exponent_interval[1]
    assert law.floor == pytest.approx(0.45, abs=3e-3)
    truth = 0.8 * SIZES**-0.2 + 0.45
    np.testing.assert_allclose(law.predict(SIZES), truth, atol=3e-4)
    low, high = law.interval(SIZES)
    assert (low < high).all()
    assert law.change == pytest.approx(truth[-1] - truth[0], abs=1e-3)


def test_a_straight_line_is_that_of_least_squares_in_the_logarithms():
    """With three sizes no floor can be told: the fit is numpy's polynomial of degree one."""
    sizes, losses = [10.0, 200.0, 3000.0], [[0.7, 0.72], [0.66, 0.64], [0.5, 0.51]]
    law = ke.tuning.fit_power_law(sizes, losses)
    slope, height = np.polyfit(np.log(sizes), np.log(np.mean(losses, axis=1)), 1)
    assert law.form == "a * N^-b"
    assert law.exponent == pytest.approx(-slope, rel=1e-9)
    assert law.factor == pytest.approx(np.exp(height), rel=1e-9)
    assert law.floor == 0
    assert law.problem == "3 sizes are too few for a law, which takes 4"


def test_the_fit_with_a_floor_has_no_better_neighbour():
    losses = losses_of(0.8, 0.3, 0.45, 1e-3)
    law = ke.tuning.fit_power_law(SIZES, losses)
    assert law.form == "a * N^-b + c"
    means = losses.mean(axis=1)

    def error(exponent):
        """Least squares by numpy at this exponent."""
        design = np.stack([SIZES**-exponent, np.ones(len(SIZES))], axis=1)
        return np.linalg.lstsq(design, means, rcond=None)[1][0]

    found = ((law.predict(SIZES) - means) ** 2).sum()
    assert found == pytest.approx(error(law.exponent), rel=1e-6)
    # The exponents that are tried are half a percent apart.
    assert found < min(error(law.exponent * 0.98), error(law.exponent * 1.02))


@pytest.mark.parametrize(
    ("sizes", "losses", "problem"),
    [
        (SIZES, losses_of(0.0, 0.1, 0.6, 2e-3, seed=1), "which holds 0: not told from the spread"),
        (SIZES, losses_of(-0.5, 0.1, 0.9, 1e-4), "the loss grows with the size: +0.1"),
        (SIZES, losses_of(0.8, 0.2, 0.45, 1e-4, seeds=1), "one seed for each size tells no spread"),
        ([5.0] * 4, [[0.5, 0.6]] * 4, "1 sizes are too few"),
    ],
)
def test_points_without_a_law_are_said_to_have_none(sizes, losses, problem):
    assert problem in ke.tuning.fit_power_law(sizes, losses).problem


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Two seeds each: of the intervals of 100 draws of noise about 95 hold the true change."""
    sizes = SIZES[:4]
    truth = 0.6 * (sizes[-1] ** -0.02 - sizes[0] ** -0.02)
    held = 0
    for seed in range(100):
        losses = losses_of(0.6, 0.02, 0.0, 2e-3, seeds=2, seed=seed)[:4]
        low, high = ke.tuning.fit_power_law(sizes, losses, num_resamples=300).change_interval
        held += low <= truth <= high
    # Two standard deviations of a binomial variable are 4.4.
    assert 90 <= held <= 99


@pytest.mark.parametrize(
    ("sizes", "losses", "message"),
    [([1.0, 2.0], [[0.5]], "losses of every size"), ([0.0], [[0.5]], "sizes above 0")],
)
def test_wrong_points_are_named(sizes, losses, message):
    with pytest.raises(ValueError, match=message):
        ke.tuning.fit_power_law(sizes, losses)
