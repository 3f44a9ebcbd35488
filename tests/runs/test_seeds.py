import keras
import numpy as np

from keras_elastor.runs.seeds import seed_step
from keras_elastor.utils.seeds import derive_seed


def test_derived_seeds_differ_by_every_part():
    seeds = {
        derive_seed(seed, purpose, number)
        for seed in range(3)
        for purpose in ("epoch", "step")
        for number in range(100)
    }
    assert len(seeds) == 600
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert derive_seed(0, "step", 0) == derive_seed(0, "step", 0)


def test_a_step_draws_the_same_whatever_was_drawn_before():
    def draw(step, before):
        dropout = keras.layers.Dropout(0.5)
        dropout.seed_generator.state.assign([1, 0])
        for _ in range(before):
            keras.random.normal((3,))
        seed_step(7, step)
        return keras.ops.convert_to_numpy(dropout(np.ones((1, 64), "float32"), training=True))

    np.testing.assert_array_equal(draw(3, before=0), draw(3, before=2))
    if keras.backend.backend() == "torch":
        assert (draw(3, before=0) != draw(4, before=0)).any()
