"""How many replicas take a step together."""

from __future__ import annotations

import keras


def num_replicas() -> int:
    """Replicas of TensorFlow's strategy in whose scope this runs; 1 elsewhere."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return int(tf.distribute.get_strategy().num_replicas_in_sync)
