"""Effective ranks while a run trains, as the key `analysis` of its config asks for."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_elastor.analysis.layer_ranks import check_arguments
from keras_elastor.analysis.rank_callback import RANKS_FILE, RankCallback
from keras_elastor.analysis.singular_values import Array
from keras_elastor.analysis.windows import iterate_windows
from keras_elastor.datasets.rows import Data
from keras_elastor.runs.run_analysis import RunAnalysis, register_run_analysis
from keras_elastor.runs.run_callback import RunCallback
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.files import write_text

# Rows that are read at a time to choose some of them.
_READ_ROWS = 8192


@register_run_analysis
@dataclasses.dataclass(frozen=True, kw_only=True)
class RankAnalysis(RunAnalysis):
    """Effective ranks while a run trains: the key `analysis` of a run's config.

    A `RankCallback` measures the same random validation rows before the first step and again and
    again. `ranks.jsonl` in the run's folder has a line for each line of `layer_ranks`, with `step`
    and `epoch`; TensorBoard has the means as `ranks/<stage>/<view>/<kind>`. The run stays as it is
    without, bit for bit; its id, too.

    Args:
        every: Training steps between two measurements. Default: None, an epoch.
        rows: Validation rows to measure, at most. Default: 2000.
        seed: Chooses the rows: those of a dataset are the same for each model and each seed of the
            training. Default: 0.
        kinds: As for `layer_ranks`. Default: `["stable", "entropy"]`.
        views: As for `layer_ranks`. Default: `["tokens", "batch"]`.
        window: As for `layer_ranks`. Default: 500.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> config = ke.runs.RunConfig.from_dict(
    ...     {
    ...         "dataset": {"name": "synthetic"},
    ...         "model": {"name": "rank_mixer"},
    ...         "analysis": {"every": 100, "kinds": ["stable"]},
    ...     }
    ... )
    >>> config.analysis.every, config.analysis.rows
    (100, 2000)
    """

    every: int | None = None
    rows: int = 2000
    seed: int = 0
    kinds: list[str] = dataclasses.field(default_factory=lambda: ["stable", "entropy"])
    views: list[str] = dataclasses.field(default_factory=lambda: ["tokens", "batch"])
    window: int = 500

    def __post_init__(self) -> None:
        check_arguments(self.kinds, self.views, self.window, self.rows)
        if self.every is not None and self.every < 1:
            raise ValueError(
                f"'analysis.every': expected None or at least 1 step. Received: {self.every}"
            )
        if self.seed < 0:
            raise ValueError(f"'analysis.seed': expected at least 0. Received: {self.seed}")

    def callback(self, run: RunCallback, data: Data) -> keras.callbacks.Callback:
        """A callback that has measured the model where the run stands."""
        probe = sample_rows(run.validation_data, data.schema, len(data.valid), self.rows, self.seed)
        ranks = _RunRanks(self, run, probe)
        ranks.set_model(run.model)
        ranks.on_train_begin()
        return ranks


class _RunRanks(RankCallback):
    """Goes on where a run goes on."""

    def __init__(self, analysis: RankAnalysis, run: RunCallback, probe: dict[str, Array]) -> None:
        super().__init__(
            probe,
            every=analysis.every or run.steps_per_epoch,
            folder=run.folder.path,
            max_rows=analysis.rows,
            kinds=analysis.kinds,
            views=analysis.views,
            window=analysis.window,
        )
        self.events = run.folder.events
        self.step, self.epoch = run.step, run.epoch
        # What was measured after the checkpoint is measured anew.
        path = run.folder.path / RANKS_FILE
        self.measurements = [line for line in read_lines(path) if line["step"] <= run.step]
        write_text(path, "".join(json.dumps(line) + "\n" for line in self.measurements))

    def measure(self) -> Any:
        """Measure now, and write events."""
        ranks = super().measure()
        names = "ranks/" + ranks.stage + "/" + ranks["view"] + "/" + ranks.kind
        self.events.write(self.step, dict(zip(names, ranks["mean"], strict=True)))
        return ranks


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of ranks; none where there is no file.

    A last line that a power cut has torn is left out.
    """
    if not path.is_file():
        return []
    *lines, last = path.read_text(encoding="utf-8").split("\n")
    del last  # Empty, or torn.
    return [json.loads(line) for line in lines]


def sample_rows(
    dataset: Any, schema: FeatureSchema, num_rows: int, size: int, seed: int
) -> dict[str, Array]:
    """Features of some rows of a dataset, chosen at random, in a random order.

    No random numbers are drawn but those of the seed.

    Args:
        dataset: Batches of all rows, always in the same order.
        schema: The features.
        num_rows: Rows of the dataset.
        size: Rows to choose; all, if there are not so many.
        seed: Decides which.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.choice(num_rows, size=min(size, num_rows), replace=False)
    in_order = np.sort(chosen)
    parts: dict[str, list[Array]] = {name: [] for name in schema.names}
    start = 0
    last = int(in_order[-1]) + 1
    for features in iterate_windows(dataset, schema, _READ_ROWS, last):
        stop = start + len(next(iter(features.values())))
        rows = in_order[(in_order >= start) & (in_order < stop)] - start
        for name, values in features.items():
            parts[name].append(values[rows])
        start = stop
    places = np.searchsorted(in_order, chosen)
    return {name: np.concatenate(values)[places] for name, values in parts.items()}
