import math

import pytest

from keras_elastor.training import Plateau


def test_gains_and_waits():
    plateau = Plateau(patience=2, min_delta=1e-2)
    assert plateau.gains(0.5)
    assert not plateau.gains(0.505)
    assert plateau.waited == 1
    assert plateau.gains(0.52)
    assert (plateau.best, plateau.waited) == (0.52, 0)
    assert not plateau.gains(0.4)
    assert not plateau.is_over
    assert not plateau.gains(0.52)
    assert plateau.is_over


def test_a_gain_of_exactly_min_delta_counts():
    plateau = Plateau(min_delta=0.25)
    plateau.gains(0.5)
    assert plateau.gains(0.75)


def test_nan_never_gains():
    plateau = Plateau()
    assert not plateau.gains(math.nan)
    assert plateau.best is None
    assert plateau.gains(0.1)
    assert not plateau.gains(math.nan)
    assert plateau.best == 0.1


def test_learning_rate_falls_to_its_floor():
    plateau = Plateau(factor=0.1, min_learning_rate=1e-6)
    rates = [1e-3]
    for _ in range(5):
        rates.append(plateau.lower(rates[-1]))
    assert rates == pytest.approx([1e-3, 1e-4, 1e-5, 1e-6, 1e-6, 1e-6])
