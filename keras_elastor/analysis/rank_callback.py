"""Effective ranks while a model trains."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from keras_elastor.analysis.layer_ranks import check_arguments, measure_stages, stages_of
from keras_elastor.analysis.windows import iterate_windows
from keras_elastor.utils.files import disk_errors, make_folder
from keras_elastor.utils.optional import import_optional

RANKS_FILE = "ranks.jsonl"


class RankCallback(keras.callbacks.Callback):
    """Measures the stages of a model on the same rows again and again while it trains.

    The first time is before the first step. Neither weights nor random numbers nor any metric of
    the training change by it, not in a single bit.

    Args:
        probe: What `layer_ranks` takes as dataset. Its first rows are read once and kept.
        every: Training steps between two measurements. Default: None, once at the end of each
            epoch.
        folder: A folder in which every measurement is added to `ranks.jsonl`, one line for each
            line of `layer_ranks`, NaN as null. Default: None, nothing is written.
        max_rows: Rows to measure. Default: 2000.
        kinds: As for `layer_ranks`. Default: `("stable", "entropy")`.
        views: As for `layer_ranks`. Default: `("tokens", "batch")`.
        window: As for `layer_ranks`. Default: 500.

    Attributes:
        measurements: One dict for each stage, kind, view and time: `step` and `epoch` (steps done,
            epochs begun), then the columns of `layer_ranks`.

    Raises:
        ValueError: As `layer_ranks`; what concerns model and rows, before the first step.
        ImportError: If pandas is not installed.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Categorical("item", 50)])
    >>> model = ke.models.RankMixer(schema, embedding_dim=8, num_blocks=1)
    >>> model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    >>> rng = np.random.default_rng(0)
    >>> rows = {"user": rng.integers(1, 100, 64), "item": rng.integers(1, 50, 64)}
    >>> ranks = ke.analysis.RankCallback(rows, kinds=["stable"], views=["tokens"], window=64)
    >>> history = model.fit(rows, rng.integers(0, 2, 64), epochs=2, callbacks=[ranks], verbose=0)
    >>> ranks.frame().groupby("stage", sort=False).step.agg(list)["mixing_0"]
    [0, 2, 4]
    """

    def __init__(
        self,
        probe: Any,
        every: int | None = None,
        folder: str | os.PathLike[str] | None = None,
        max_rows: int = 2000,
        kinds: Sequence[str] = ("stable", "entropy"),
        views: Sequence[str] = ("tokens", "batch"),
        window: int = 500,
    ) -> None:
        super().__init__()
        check_arguments(kinds, views, window, max_rows)
        if every is not None and (isinstance(every, bool) or every < 1):
            raise ValueError(
                "Expected `every` to be None or a number of steps of at least 1. "
                f"Received: every={every!r}"
            )
        self.probe = probe
        self.every = every
        self.folder = None if folder is None else Path(folder)
        self.max_rows = max_rows
        self.kinds = kinds
        self.views = views
        self.window = window
        self.step = 0
        self.epoch = 0
        self.measurements: list[dict[str, Any]] = []
        self._stages: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Read the rows and measure before the first step."""
        if self._stages is None:
            self._stages = stages_of(self.model)
            rows = iterate_windows(self.probe, self.model.schema, self.window, self.max_rows)
            self._windows = list(rows)
            is_missing = all(line["step"] != self.step for line in self.measurements)
            if is_missing and (self.step == 0 or self._is_due()):
                self.measure()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note the number of the epoch."""
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count the step; measure where it is due."""
        self.step += 1
        if self._is_due():
            self.measure()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measure, unless steps decide."""
        if self.every is None:
            self.measure()

    def _is_due(self) -> bool:
        return self.every is not None and self.step % self.every == 0

    def measure(self) -> Any:
        """Measure now.

        Returns:
            The frame of `layer_ranks`.
        """
        # On JAX the weights live outside of the model while it trains.
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        ranks = measure_stages(self._stages, self._windows, self.kinds, self.views, self.window)
        when = {"step": self.step, "epoch": self.epoch}
        lines = [{**when, **line} for line in ranks.to_dict("records")]
        self.measurements += lines
        if self.folder is not None:
            make_folder(self.folder)
            path = self.folder / RANKS_FILE
            with disk_errors(path), path.open("a", encoding="utf-8") as file:
                file.writelines(_json_line(line) for line in lines)
        return ranks

    def frame(self) -> Any:
        """All measurements as one pandas frame."""
        return import_optional("pandas", "analysis").DataFrame(self.measurements)


def _json_line(line: dict[str, Any]) -> str:
    """The standard error of a single window is NaN, which JSON does not know."""
    known = {name: None if value != value else value for name, value in line.items()}
    return json.dumps(known, allow_nan=False) + "\n"
