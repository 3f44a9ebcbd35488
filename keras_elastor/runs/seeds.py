"""The random numbers of a step of a run, also when the run is resumed."""

from __future__ import annotations

import keras

from keras_elastor.utils.optional import import_optional
from keras_elastor.utils.seeds import derive_seed


def seed_step(seed: int, step: int) -> None:
    """Seed the random numbers that a training step draws outside of the model's variables.

    On PyTorch, Keras' dropout draws from PyTorch's own generators, from which the data loaders
    draw, too. On JAX and TensorFlow every generator is a variable of the model, which checkpoints
    hold.
    """
    if keras.backend.backend() == "torch":
        import_optional("torch", extra="torch").manual_seed(derive_seed(seed, "step", step))
