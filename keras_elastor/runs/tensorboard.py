"""Numbers as TensorBoard events, where TensorFlow and TensorBoard are installed."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_elastor.utils.tensorflow import import_tensorflow


class Events:
    """The TensorBoard events of a run.

    Args:
        folder: Where they are written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write named numbers of a training step; nothing where TensorBoard is not installed."""
        if self._writer is None:
            return
        tf = import_tensorflow()
        with self._writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self._writer.flush()

    @functools.cached_property
    def _writer(self) -> Any:
        try:
            summary = import_tensorflow().summary
            summary.scalar  # noqa: B018 - TensorFlow without TensorBoard has none.
        except (ImportError, AttributeError):
            return None
        return summary.create_file_writer(str(self.folder))
