"""The theorems of RankElastor's paper, held against its layers: where they hold, and where not."""

import numpy as np
import pytest

import keras_elastor as ke
from tests.backends import call

TOKENS, DIM = 8, 16


def share_weights(layer):
    """Give every token the weights of the first one: one network for all rows."""
    layer.set_weights([np.repeat(w[:1], len(w), axis=0) for w in layer.get_weights()])


def numerical_rank(x, tolerance=1e-5):
    values = ke.analysis.spectrum(x)
    return int((values > tolerance * values[0]).sum())


def mix(x):
    return call(ke.layers.TokenMixing(), x.astype("float32")).astype(float)


def tokens_orthogonal_to_their_mixing(rng, spread):
    """Matrices X of growing rank with <X, mix(X)> = 0.

    Mixing is its own inverse: a part that it keeps and one that it negates, of the same size.
    """
    left, right = np.linalg.qr(rng.normal(size=(TOKENS, TOKENS)))[0], rng.normal(size=(TOKENS, DIM))
    x = (left * spread ** np.arange(TOKENS)) @ right
    x = x.astype("float32").astype(float)
    kept, negated = (x + mix(x[None])[0]) / 2, (x - mix(x[None])[0]) / 2
    return kept / np.linalg.norm(kept) + negated / np.linalg.norm(negated)


@pytest.mark.parametrize("spread", [0.01, 0.3, 0.6, 1.0])
def test_theorem_2_1_bounds_what_mixing_does(spread):
    rng = np.random.default_rng(0)
    x = np.stack([tokens_orthogonal_to_their_mixing(rng, spread) for _ in range(50)])
    mixed = mix(x)
    inner = np.einsum("btd,btd->b", x, mixed)
    assert np.abs(inner).max() < 1e-5
    k, m, both = (ke.analysis.effective_rank(values) for values in (x, mixed, x + mixed))
    assert (both >= 2 * k * m / (np.sqrt(k) + np.sqrt(m)) ** 2 * (1 - 1e-5)).all()
    assert (both <= 2 * (k + m)).all()


def test_theorem_2_1_needs_its_condition():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, TOKENS, DIM)).astype("float32").astype(float)
    negated = x - mix(x)
    # What mixing negates is gone after the residual, whatever its rank was.
    assert ke.analysis.effective_rank(negated)[0] > 1.5
    assert np.abs(negated + mix(negated)).max() < 1e-5


@pytest.mark.parametrize("one_sign", [True, False])
@pytest.mark.parametrize("hidden_units", [[32], [32, 16, 8]])
def test_theorem_2_2_rank_one_stays_below_three(hidden_units, one_sign):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(TOKENS, 1))
    x = ((np.abs(rows) if one_sign else rows) @ rng.normal(size=(1, DIM))).astype("float32")
    network = ke.layers.PerTokenFFN(hidden_units, activation="relu", use_bias=False)
    network.build((None, TOKENS, DIM))
    share_weights(network)
    assert numerical_rank(call(network, x[None])[0]) == (1 if one_sign else 2)


def test_theorem_2_2_is_about_one_homogeneous_network_for_all_rows():
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(TOKENS, 1)) @ rng.normal(size=(1, DIM))).astype("float32")
    network = ke.layers.PerTokenFFN([32], activation="relu", use_bias=False)
    network.build((None, TOKENS, DIM))
    # Weights of their own for every token, as the models have, reach every rank.
    assert numerical_rank(call(network, x[None])[0]) == TOKENS
    gelu = ke.layers.PerTokenFFN([32], activation="gelu", use_bias=False)
    gelu.build((None, TOKENS, DIM))
    share_weights(gelu)
    assert numerical_rank(call(gelu, x[None])[0]) > 2


@pytest.mark.parametrize(("rank", "lifted"), [(1, 1), (2, 3), (3, 6), (4, 10), (5, 12)])
def test_theorem_3_2_the_gated_unit_lifts_the_rank(rank, lifted):
    tokens, dim = 24, 12
    rng = np.random.default_rng(rank)
    x = rng.normal(size=(tokens, rank)) @ rng.normal(size=(rank, dim))
    unit = ke.layers.PerTokenGLU(
        gate_skip=False, learned_residual=False, use_bias=False, expansion=3.0
    )
    unit.build((None, tokens, dim))
    share_weights(unit)
    assert numerical_rank(x) == rank
    assert numerical_rank(call(unit, x[None].astype("float32"))[0]) >= min(dim, lifted)
    # A product of linear maps lifts it to that bound and no further.
    linear = ke.layers.PerTokenGLU(
        activation="linear", gate_skip=False, learned_residual=False, use_bias=False, expansion=3.0
    )
    linear.build((None, tokens, dim))
    share_weights(linear)
    outputs = call(linear, x[None].astype("float32"))[0]
    assert numerical_rank(outputs, 1e-6) == min(dim, lifted)


class TestBlocksOfFullMixing:
    """Theorem 3.1: a block size above 1 cannot express what 1 does."""

    size = TOKENS * 4

    def operator(self, mixing):
        """The matrix that a layer applies to the flat vector of tokens."""
        basis = np.eye(self.size, dtype="float32").reshape(self.size, TOKENS, 4)
        return call(mixing, basis).reshape(self.size, self.size).T

    @pytest.mark.parametrize("block_size", [2, 4, 8])
    def test_no_weight_reaches_a_general_operator(self, block_size):
        mixing = ke.layers.FullMixing(block_size, use_bias=False)
        operator = self.operator(mixing)
        kernel = np.asarray(mixing.get_weights()[0]).T
        np.testing.assert_allclose(operator, np.kron(kernel, np.eye(block_size)), atol=1e-6)
        # The nearest one to any operator is the mean over the offsets inside a block.
        target = np.random.default_rng(0).normal(size=(self.size, self.size))
        blocks = self.size // block_size
        cut = target.reshape(blocks, block_size, blocks, block_size)
        nearest = np.kron(np.einsum("iaja->ij", cut) / block_size, np.eye(block_size))
        missed = target - nearest
        # No change of the weights goes in the direction of what is missing.
        left = missed.reshape(cut.shape)
        np.testing.assert_allclose(np.einsum("iaja->ij", left), 0, atol=1e-12)
        assert np.linalg.norm(missed) > 0.8 * np.linalg.norm(target)
        mixing.set_weights([np.einsum("iaja->ji", cut) / block_size])
        np.testing.assert_allclose(self.operator(mixing), nearest, atol=1e-5)

    def test_one_reaches_every_operator(self):
        target = np.random.default_rng(0).normal(size=(self.size, self.size))
        mixing = ke.layers.FullMixing(use_bias=False)
        mixing.build((None, TOKENS, 4))
        mixing.set_weights([target.T])
        np.testing.assert_allclose(self.operator(mixing), target, atol=1e-5)


def test_a_zero_matrix_has_no_rank_of_any_kind():
    zero = np.zeros((2, TOKENS, DIM))
    for kind in ("stable", "participation", "entropy"):
        assert ke.analysis.effective_rank(mix(zero), kind).tolist() == [0, 0]
