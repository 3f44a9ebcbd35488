"""Seeds that follow from that of a run and a place in it, also when the run is resumed."""

from __future__ import annotations

import keras

from keras_elastor.utils.files import hash_text
from keras_elastor.utils.optional import import_optional


def derive_seed(seed: int, purpose: str, number: int) -> int:
    """A seed below 2^31 for one use of random numbers.

    Args:
        seed: Of the run.
        purpose: What they are for, such as "epoch".
        number: Which one.
    """
    return int(hash_text(f"{seed}/{purpose}/{number}")[:8], 16) >> 1


def seed_step(seed: int, step: int) -> None:
    """Seed the random numbers that a training step draws outside of the model's variables.

    On PyTorch, Keras' dropout draws from PyTorch's own generators, from which the data loaders
    draw, too. On JAX and TensorFlow every generator is a variable of the model, which checkpoints
    hold.
    """
    if keras.backend.backend() == "torch":
        import_optional("torch", extra="torch").manual_seed(derive_seed(seed, "step", step))
