"""The one description of a search, and the trials that follow from it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_elastor.datasets.rows import identity
from keras_elastor.runs.config import RunConfig
from keras_elastor.runs.config_files import read_file
from keras_elastor.runs.errors import RunError
from keras_elastor.schema import FeatureSchema
from keras_elastor.tuning.default_spaces import default_space
from keras_elastor.tuning.proposals import (
    METHODS,
    Values,
    bayesian_values,
    grid_values,
    random_values,
)
from keras_elastor.tuning.space import Space, plain_space, read_space
from keras_elastor.tuning.trial import check_points, check_space
from keras_elastor.utils.files import hash_text, write_text
from keras_elastor.utils.plain_values import suggest


@dataclasses.dataclass(frozen=True)
class Search:
    """What to try, how often and where to keep it.

    Args:
        run: What all trials have in common: dataset, model, protocol, batch size, epochs.
        space: What to choose from, by name: arguments of the model, fields of the protocol,
            `batch_size`, `epochs`, and `tokens`, pairs of number and width. For each a list of
            alternatives, one value, or a range `{"min": ..., "max": ..., "step": ...}`, with
            `"sampling": "log"` where factors matter. Default: None, the model's
            `ke.tuning.default_space`.
        points: The trials themselves instead of a space: the values of each; `model` may be among
            them. Default: None.
        method: "random", "grid", or "bayesian", KerasTuner's. Default: "random".
        trials: Number of trials, at most. Default: 20.
        seeds: Every trial is executed with each of these; its score is the mean. Default: (0,).
        seed: Of the proposals. Default: 0.
        workers: Processes at once. Default: 1. With 0 all is done in this process, for executions
            that take less than the start of a process does.
        devices: For each worker a value of CUDA_VISIBLE_DEVICES. Default: none.
        minutes: The search stops after so long, and the same call goes on. Default: None.
        with_test: Whether trials are measured on the test rows, too. These never choose. Default:
            no, so that the rows stay unseen.
        modules: Modules that every worker imports, of models and protocols of one's own.
        name: Of the folder of the search. Default: None, model, dataset and a hash of all that
            matters, so that a changed space is another search.
        folder: Holds the folders of searches. Default: "searches".

    Example:

    >>> run = ke.runs.RunConfig.from_dict(
    ...     {"dataset": {"name": "synthetic"}, "model": {"name": "dnn"}, "epochs": 1}
    ... )
    >>> space = {"hidden_units": [[4], [8, 8]], "learning_rate": [1e-3, 1e-2]}
    >>> search = ke.tuning.Search(run, space, method="grid", seeds=[0, 1], name="first")
    >>> str(search.path)
    'searches/first'

    `ke.tuning.search(search)` does it, `ke.tuning.plan(search)` tells what it would do.

    Raises:
        ValueError: If a value is out of range.
    """

    run: RunConfig
    space: Mapping[str, Any] | None = None
    points: Sequence[Mapping[str, Any]] | None = None
    method: str = "random"
    trials: int = 20
    seeds: Sequence[int] = (0,)
    seed: int = 0
    workers: int = 1
    devices: Sequence[str] = ()
    minutes: float | None = None
    with_test: bool = False
    modules: Sequence[str] = ()
    name: str | None = None
    folder: str = "searches"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(
                f"Unknown method {self.method!r}. {suggest(str(self.method), METHODS)}"
            )
        for name, is_right, expected in (
            ("trials", self.trials >= 1, "at least 1"),
            ("workers", self.workers >= 0, "at least 0"),
            ("devices", self.workers > 0 or not self.devices, "none without workers"),
            ("minutes", self.minutes is None or self.minutes > 0, "None or above 0"),
            ("seeds", 0 < len(self.seeds) == len(set(self.seeds)), "seeds that differ"),
            ("points", self.points is None or len(self.points) > 0, "None or at least one"),
        ):
            if not is_right:
                raise ValueError(
                    f"'{name}': expected {expected}. Received: {getattr(self, name)!r}"
                )
        if self.space is not None and self.points is not None:
            raise ValueError("Expected either a space or points. Received: both")

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides which trials there are and what they give."""
        run = self.run.to_dict()
        # Where things are kept; and the seed of a run is that of its execution.
        for name in ("name", "folder", "checkpoint_steps", "checkpoint_minutes", "seed"):
            del run[name]
        dataset = self.run.dataset
        run["dataset"]["arguments"] = identity(dataset.name, dataset.arguments)
        values: dict[str, Any] = {
            "run": run,
            "space": self.space if self.space is None else plain_space(read_space(self.space)),
            "points": None if self.points is None else [dict(point) for point in self.points],
            "method": self.method if self.points is None else "points",
            "seeds": list(self.seeds),
            "seed": self.seed,
            "with_test": self.with_test,
            "backend": keras.backend.backend(),
        }
        if self.method == "bayesian":
            # A proposal sees what has ended `workers` trials before.
            values["workers"] = max(1, self.workers)
        plain: dict[str, Any] = json.loads(json.dumps(values))
        return plain

    @property
    def path(self) -> Path:
        """The folder of the search."""
        digest = hash_text(json.dumps(self.identity, sort_keys=True))[:10]
        default = f"{self.run.model.name}_{self.run.dataset.name}-{digest}"
        return Path(self.folder) / (self.name or default)

    def write_identity(self) -> None:
        """Write down what the search is.

        Raises:
            RunError: If the folder holds another search.
        """
        path = self.path / "search.json"
        if path.exists():
            before = read_file(path)
            for key, value in self.identity.items():
                if before.get(key) != value:
                    raise RunError(
                        f"{self.path} holds another search: its '{key}' is "
                        f"{json.dumps(before.get(key))}. Expected {json.dumps(value)}. Give "
                        "another name, or none, so that each search has a folder of its own"
                    )
        write_text(path, json.dumps(self.identity, indent=2) + "\n")


class Proposals:
    """The trials of a search, one after the other.

    Args:
        search: The search.
        schema: Schema of its dataset.

    Raises:
        ValueError: If the space has a name that the model lacks, or a value that it cannot take.
    """

    def __init__(self, search: Search, schema: FeatureSchema) -> None:
        self._search = search
        self._fixed: list[Values] | None = None
        self._space: Space = {}
        if search.points is not None:
            self._fixed = [dict(point) for point in search.points]
            check_points(self._fixed, search.run, schema)
        else:
            given = search.space
            space = default_space(search.run.model.name, schema) if given is None else given
            self._space = read_space(space)
            check_space(self._space, search.run, schema)
            if search.method == "grid":
                self._fixed = grid_values(self._space)[: search.trials]
        self.trials: list[Values] = []
        self.is_exhausted = False

    @property
    def expected(self) -> int:
        """Number of trials that there will be, as far as is known."""
        if self.is_exhausted:
            return len(self.trials)
        return self._search.trials if self._fixed is None else len(self._fixed)

    def propose(self, scores: Mapping[int, float | None]) -> bool:
        """Add the next trial to `trials`.

        Args:
            scores: Of each trial that has ended, by number; None where it failed.

        Returns:
            Whether there is a new one; not so if all are there, or one must end before.
        """
        number = len(self.trials)
        if number >= self.expected:
            return False
        values: Values | None
        if self._fixed is not None:
            values = self._fixed[number]
        elif self._search.method == "random":
            values = random_values(self._space, self._search.seed, self.trials)
        else:
            # What is seen follows from the number alone, however long each trial takes.
            seen = range(number - max(1, self._search.workers) + 1)
            if not all(trial in scores for trial in seen):
                return False
            known = [
                (self.trials[trial], score)
                for trial in seen
                if (score := scores[trial]) is not None
            ]
            values = bayesian_values(self._space, self._search.seed, self.trials, known)
        if values is None:
            self.is_exhausted = True
            return False
        self.trials.append(values)
        return True
