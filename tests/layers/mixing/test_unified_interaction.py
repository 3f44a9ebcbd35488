"""TokenFormer's block by hand, against a float64 twin with explicit masks, and its properties."""

import numpy as np
import pytest

import keras_elastor as ke
from keras_elastor.keras_compat.matmul_flops import matmul_flops
from keras_elastor.layers.mixing.rotary import rotate
from tests.assertions import raises_value_error
from tests.backends import call, compute_gradients, numpy
from tests.checks import random_inputs

pytestmark = pytest.mark.usefixtures("drawn_by_numpy")


def randomized(block, dim):
    block.build([(None, 4, dim), (None, 4)])
    rng = np.random.default_rng(3)
    for weight in block.trainable_weights:
        weight.assign(rng.normal(0.2, 0.5, weight.shape))
    return block


def test_by_hand():
    block = ke.layers.UnifiedInteraction(1, rotary=False, gate_input="raw")
    block.build([(None, 2, 2), (None, 2)])
    for name in ("query", "key", "value", "output_map"):
        getattr(block, name).kernel.assign(np.eye(2))
    for part in (block.network_output.kernel, block.attention_norm.gamma):
        part.assign(np.zeros(part.shape))
    # Without the norm, whose scale of sqrt(1/2) undoes it for unit vectors.
    block.attention_norm.gamma.assign(np.full(2, 0.5**0.5))
    stream = np.array([[[1.0, 0.0], [0.0, 1.0]]], "float32")
    expected = [[[1.5, 0.0], [0.165119, 1.334881]]]  # half of [1, 0] and of [.330238, .669762]
    outputs = call(block, [stream, np.array([[0, 0]], "int32")])
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


def test_rotary_by_hand():
    turned = numpy(rotate(np.array([[[[1.0, 0.0]]]], "float32"), np.array([[1]]), 10_000.0))
    np.testing.assert_allclose(turned[0, 0, 0], [0.540302, 0.841471], atol=1e-6)
    pair = random_inputs((1, 1, 6), batch=2)

    def product(first, second):
        one, other = (
            numpy(rotate(pair[[index]], np.array([[place]]), 100.0))
            for index, place in enumerate((first, second))
        )
        return (one * other).sum()

    np.testing.assert_allclose(product(3, 5), product(10, 12), rtol=1e-4)
    assert abs(product(3, 5) - product(3, 6)) > 1e-3


def visible(positions, window):
    """Which key each query of a row sees, one by one."""
    length = len(positions)
    mask = np.zeros((length, length), bool)
    for i in range(length):
        for j in range(i + 1):
            inside = window is None or i - j < window
            mask[i, j] = inside and positions[i] >= 0 and positions[j] >= 0
        mask[i, i] = True
    return mask


def test_masks_by_hand():
    """Two fields, a separator, three events, a separator, one candidate; counted from 1."""
    full = visible(range(8), None)
    assert (full == np.tril(np.ones((8, 8), bool))).all()
    behind = visible(range(5), 3)  # without fields and their separator, 4 to 8
    seen = [[4 + j for j in np.flatnonzero(row)] for row in behind]
    assert seen == [[4], [4, 5], [4, 5, 6], [5, 6, 7], [6, 7, 8]]


def twin(block, stream, positions, window):
    def rms(layer, x):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * numpy(layer.gamma)

    def silu(x):
        return x / (1 + np.exp(-x))

    outputs = []
    for x, place in zip(stream.astype("float64"), positions, strict=True):
        normed = rms(block.attention_norm, x)
        q, k, v = (normed @ numpy(getattr(block, n).kernel) for n in ("query", "key", "value"))
        width = x.shape[-1] // block.num_heads
        speeds = 10_000.0 ** (-np.arange(width // 2) / (width // 2))
        turns = np.exp(1j * place[:, None] * speeds)
        heads = []
        for head in range(block.num_heads):
            part = slice(head * width, (head + 1) * width)
            # A pair of features as a complex number is turned by a product.
            one, other = (
                (z[:, part][:, : width // 2] + 1j * z[:, part][:, width // 2 :]) * turns
                for z in (q, k)
            )
            scores = (one @ other.conj().T).real / np.sqrt(width)
            scores = np.where(visible(place, window), scores, -np.inf)
            weights = np.exp(scores - scores.max(1, keepdims=True))
            heads.append(weights / weights.sum(1, keepdims=True) @ v[:, part])
        attended = np.concatenate(heads, 1) @ numpy(block.output_map.kernel)
        gate = x if block.gate_input == "raw" else normed
        gate = 1 / (1 + np.exp(-(gate @ numpy(block.gate.kernel) + numpy(block.gate.bias))))
        y = x + gate * attended
        normed = rms(block.network_norm, y)
        hidden = silu(normed @ numpy(block.network_gate.kernel))
        hidden = hidden * (normed @ numpy(block.network_value.kernel))
        y = y + hidden @ numpy(block.network_output.kernel)
        outputs.append(y * (place >= 0)[:, None])
    return np.stack(outputs)


@pytest.mark.parametrize("window", [None, 1, 3, 4, 7, 50])
@pytest.mark.parametrize("gate_input", ["raw", "normed"])
def test_twin_in_float64(window, gate_input):
    if gate_input == "normed" and window != 3:
        return
    stream = random_inputs((7, 8))
    positions = np.array([[0, 0, -1, -1, 1, 2, 3], range(7), [-1] * 6 + [4]], "int32")
    block = ke.layers.UnifiedInteraction(2, window, 2.0, gate_input)
    randomized(block, 8)
    outputs = call(block, [stream, positions])
    expected = twin(block, stream, positions, window)
    np.testing.assert_allclose(outputs, expected, rtol=1e-3, atol=1e-4)


def test_only_differences_of_positions_count():
    stream, positions = random_inputs((5, 8)), np.tile(np.arange(5, dtype="int32"), (3, 1))
    block = randomized(ke.layers.UnifiedInteraction(2), 8)
    shifted = call(block, [stream, positions + 9])
    np.testing.assert_allclose(shifted, call(block, [stream, positions]), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("window", [None, 2])
def test_later_tokens_and_padding_are_not_seen(window):
    stream = random_inputs((6, 8), batch=1)
    positions = np.array([[0, -1, 1, 2, 3, 4]], "int32")
    block = randomized(ke.layers.UnifiedInteraction(2, window), 8)
    before = call(block, [stream, positions])
    changed = stream.copy()
    changed[:, 4] += 1
    after = call(block, [changed, positions])
    np.testing.assert_array_equal(after[:, :4], before[:, :4])
    assert (after[:, 4:] != before[:, 4:]).any(-1).all()
    changed = stream.copy()
    changed[:, 1] += 1
    np.testing.assert_array_equal(call(block, [changed, positions]), before)
    assert not before[:, 1].any()


def test_a_stream_of_padding_is_zero_and_has_finite_gradients():
    stream, positions = random_inputs((3, 4)), np.full((3, 3), -1, "int32")
    block = randomized(ke.layers.UnifiedInteraction(2, 2), 4)
    assert not call(block, [stream, positions]).any()
    _, gradients = compute_gradients(block, [stream, positions])
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_parameters_are_those_of_the_formula():
    block = randomized(ke.layers.UnifiedInteraction(2, expansion=3), 8)
    assert block.count_params() == 4 * 64 + (64 + 8) + 3 * 3 * 64 + 2 * 8


def test_what_does_not_fit_is_named():
    with raises_value_error("num_heads=3", "even parts", "width 8"):
        ke.layers.UnifiedInteraction(3).build([(None, 4, 8), (None, 4)])
    with raises_value_error("num_heads=4", "even parts", "width 4"):
        ke.layers.UnifiedInteraction(4).build([(None, 4, 4), (None, 4)])
    ke.layers.UnifiedInteraction(4, rotary=False).build([(None, 4, 4), (None, 4)])
    with raises_value_error("window", "0"):
        ke.layers.UnifiedInteraction(2, window=0)
    with raises_value_error("gate_input", "'both'"):
        ke.layers.UnifiedInteraction(2, gate_input="both")


@pytest.mark.parametrize(("window", "factor"), [(8, 4), (None, 16)])
def test_a_window_costs_what_it_sees_not_what_the_stream_holds(window, factor):
    """Four times the stream: four times the scores, or their square."""

    def scores(length):
        block = ke.layers.UnifiedInteraction(num_heads=1, window=window)
        positions = np.arange(1, length + 1, dtype="int32")[None]

        def rows(count):
            stream = np.ones((count, length, 4), "float32")
            return {"stream": stream, "at": np.repeat(positions, count, axis=0)}

        block([rows(1)["stream"], rows(1)["at"]])
        run = lambda arrays: block([arrays["stream"], arrays["at"]])  # noqa: E731
        total = matmul_flops(run, rows(2)) / 2
        # Five maps of the stream and the three of the network, of width 16.
        return total - 2 * length * (5 * 4 * 4 + 3 * 4 * 16)

    assert scores(32) == 2 * 2 * 32 * 4 * (32 if window is None else 2 * window)
    assert scores(128) == factor * scores(32)
