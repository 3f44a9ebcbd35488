"""Effective ranks against values by hand, bounds that hold for every matrix, and plain SVDs."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

import keras_elastor as ke
from keras_elastor.analysis import singular_values
from tests.assertions import raises_value_error

KINDS = ("stable", "participation", "entropy")


def by_svd(x, kind):
    s = np.linalg.svd(x, compute_uv=False)
    s = s / s.max()
    if kind == "stable":
        return (s**2).sum()
    if kind == "participation":
        return (s**2).sum() ** 2 / (s**4).sum()
    p = s[s > 0] / s.sum()
    return np.exp(-(p * np.log(p)).sum())


def orthogonal(rng, size):
    return np.linalg.qr(rng.normal(size=(size, size)))[0]


@st.composite
def matrices(draw):
    """Any shape, rank, condition and scale."""
    rows, columns = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    rank = draw(st.integers(1, min(rows, columns)))
    decades = draw(st.floats(0, 12))
    scale = 10.0 ** draw(st.integers(-30, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    s = 10 ** -(decades * np.linspace(0, 1, rank))
    left, right = orthogonal(rng, rows), orthogonal(rng, columns)
    return (left[:, :rank] * s) @ right[:rank] * scale


@pytest.mark.parametrize(
    ("s", "stable", "participation", "entropy", "abundance"),
    [
        ([5], 1, 1, 1, 1),
        ([3, 3, 3], 3, 3, 3, 3),
        ([2, 1, 1], 1.5, 2, 2**1.5, 2),
        ([4, 3, 0], 25 / 16, 625 / 337, 7 / (4 ** (4 / 7) * 3 ** (3 / 7)), 7 / 4),
        ([0, 0], 0, 0, 0, 0),
    ],
)
def test_by_hand(s, stable, participation, entropy, abundance):
    x = np.zeros((len(s), len(s) + 2))
    x[range(len(s)), range(len(s))] = s
    expected = dict(zip(KINDS, (stable, participation, entropy), strict=True))
    for kind, value in expected.items():
        for matrix in (x, x.T, -x):
            assert ke.analysis.effective_rank(matrix, kind) == pytest.approx(value, rel=1e-12)
    assert ke.analysis.information_abundance(x) == pytest.approx(abundance, rel=1e-12)
    np.testing.assert_allclose(ke.analysis.spectrum(x), sorted(s, reverse=True), atol=1e-12)


@settings(deadline=None)
@given(matrices())
def test_equals_plain_svd_within_its_bounds(x):
    ranks = {kind: float(ke.analysis.effective_rank(x, kind)) for kind in KINDS}
    abundance = float(ke.analysis.information_abundance(x))
    s = np.linalg.svd(x / np.abs(x).max(), compute_uv=False)
    for kind in KINDS:
        assert ranks[kind] == pytest.approx(by_svd(x / np.abs(x).max(), kind), rel=1e-6)
    assert abundance == pytest.approx(s.sum() / s.max(), rel=1e-6)
    slack = 1 + 1e-6
    ordered = [1, *ranks.values(), min(x.shape)]
    assert all(low <= high * slack for low, high in itertools.pairwise(ordered))
    assert ranks["stable"] <= abundance * slack
    assert abundance <= ranks["entropy"] * slack


@settings(deadline=None)
@given(matrices(), st.integers(0, 2**32), st.floats(1e-30, 1e30))
def test_scale_and_rotation_change_nothing(x, seed, scale):
    rng = np.random.default_rng(seed)
    # A rotation rounds; what it makes of the small singular values is of the size of the largest's
    # last digits, which an entropy sees by that times its logarithm.
    rotated = orthogonal(rng, x.shape[0]) @ x @ orthogonal(rng, x.shape[1])
    for kind in KINDS:
        rank = ke.analysis.effective_rank(x, kind)
        assert ke.analysis.effective_rank(x / np.abs(x).max() * scale, kind) == pytest.approx(
            rank, rel=1e-6
        )
        assert ke.analysis.effective_rank(rotated, kind) == pytest.approx(rank, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e-30, 1, 1e30, 1e300])
def test_any_scale(scale):
    x = np.array([[1.0, 0], [0, 1]]) * scale
    for kind in KINDS:
        assert ke.analysis.effective_rank(x, kind) == 2
    assert ke.analysis.information_abundance(x) == 2
    np.testing.assert_array_equal(ke.analysis.spectrum(x), [scale, scale])


def test_stacks_keep_their_axes_and_zeros_among_them():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 4, 5)).astype("float32")
    x[1, 2] = 0
    x[0, 1] = np.outer(np.arange(4), np.arange(5))
    for kind in KINDS:
        ranks = ke.analysis.effective_rank(x, kind)
        assert ranks.shape == (2, 3)
        assert ranks.dtype == np.float64
        assert ranks[1, 2] == 0
        assert ranks[0, 1] == pytest.approx(1, abs=1e-6)
        assert ranks[0, 0] == pytest.approx(by_svd(x[0, 0].astype("float64"), kind), rel=1e-6)
    assert ke.analysis.spectrum(x).shape == (2, 3, 4)
    assert ke.analysis.effective_rank(x[:0]).shape == (0, 3)


def test_gram_matrices_serve_where_they_are_accurate(monkeypatch):
    svd = np.linalg.svd
    decomposed = []
    monkeypatch.setattr(
        singular_values.np.linalg,
        "svd",
        lambda x, **kwargs: decomposed.append(x) or svd(x, **kwargs),
    )
    rng = np.random.default_rng(0)
    easy = rng.normal(size=(10, 26, 30))
    hard = easy.copy()
    hard[3, 5] = hard[3, 6] + 1e-8 * hard[3, 5]
    for kind in KINDS:
        ke.analysis.effective_rank(easy, kind)
    assert not sum(map(len, decomposed))
    ke.analysis.effective_rank(hard, "stable")
    assert not sum(map(len, decomposed))
    ke.analysis.effective_rank(hard, "entropy")
    assert sum(map(len, decomposed)) == 1


def test_accepts_integers_lists_and_tensors():
    for x in ([[1, 0], [0, 1]], np.eye(2, dtype=bool), ops.eye(2), ops.eye(2, dtype="bfloat16")):
        assert ke.analysis.effective_rank(x) == 2


@pytest.mark.parametrize(
    "measure",
    [ke.analysis.effective_rank, ke.analysis.spectrum, ke.analysis.information_abundance],
)
def test_bad_input(measure):
    x = np.ones((2, 3, 4))
    x[1, 2, 3] = np.nan
    with raises_value_error("finite", "nan", "(1, 2, 3)", "1 such"):
        measure(x)
    x[0, 1, 0] = -np.inf
    with raises_value_error("-inf", "(0, 1, 0)", "2 such"):
        measure(x)
    with raises_value_error("(..., rows, columns)", "(3,)"):
        measure(np.ones(3))
    with raises_value_error("at least one row", "(2, 0, 3)"):
        measure(np.ones((2, 0, 3)))
    with raises_value_error("real numbers", "complex128"):
        measure(np.ones((2, 2), complex))
    with raises_value_error("kind", "'nuclear'", "entropy"):
        ke.analysis.effective_rank(np.eye(2), "nuclear")
