"""Metrics as TensorBoard events, where TensorFlow and TensorBoard are installed."""

from __future__ import annotations

from typing import Any

import keras

from keras_elastor.utils.tensorflow import import_tensorflow


def tensorboard_callback(run: Any) -> keras.callbacks.Callback | None:
    """A callback that writes every evaluation of a `RunCallback` as events, or None."""
    try:
        tf = import_tensorflow()
        tf.summary.scalar  # noqa: B018 - TensorFlow without TensorBoard has none.
    except (ImportError, AttributeError):
        return None
    writer = tf.summary.create_file_writer(str(run.folder.path / "tensorboard"))
    return _EventWriter(tf, writer, run)


class _EventWriter(keras.callbacks.Callback):
    def __init__(self, tf: Any, writer: Any, run: Any) -> None:
        super().__init__()
        self._tf = tf
        self._writer = writer
        self._run = run
        self._written = len(run.evaluations)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        for evaluation in self._run.evaluations[self._written :]:
            with self._writer.as_default(step=evaluation["step"]):
                for name, value in evaluation.items():
                    if name not in ("step", "epoch", "gain"):
                        self._tf.summary.scalar(name, value)
            self._writer.flush()
        self._written = len(self._run.evaluations)
