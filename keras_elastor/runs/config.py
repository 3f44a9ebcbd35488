"""The one description of a training run."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Mapping
from typing import Any, Self

import keras

from keras_elastor.datasets.rows import identity
from keras_elastor.runs.config_files import read_file
from keras_elastor.runs.run_analysis import RunAnalysis, make_run_analysis
from keras_elastor.training.fuxictr_protocol import FuxiCTRProtocol
from keras_elastor.training.protocol import Protocol, make_protocol
from keras_elastor.utils.files import hash_text
from keras_elastor.utils.plain_values import make_dataclass

CONFIG_VERSION = 1
# How a run is kept and looked at does not change what it computes.
_DOES_NOT_MATTER = ("name", "folder", "checkpoint_steps", "checkpoint_minutes", "analysis")


@dataclasses.dataclass(frozen=True)
class Named:
    """A dataset or a model.

    Args:
        name: Of a dataset: one of `keras-elastor list datasets`; of a model: a
            class of `keras_elastor.models`, such as "RankElastor" or "rank_elastor", or a preset.
        arguments: Arguments of that function, class or preset.
    """

    name: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Everything that decides a training run, and where it is kept.

    Args:
        dataset: What to train on.
        model: What to train.
        protocol: How to train. Default: `FuxiCTRProtocol()`.
        batch_size: Rows per step. Default: 4096.
        epochs: Passes over the training rows, at most. Default: 100.
        seed: Of the weights, the order of the rows and dropout. Default: 0.
        name: Begins the name of the run's folder. Default: model and dataset.
        folder: Holds the folders of runs. Default: "runs".
        checkpoint_minutes: Minutes between two checkpoints. Default: 10.
        checkpoint_steps: Steps between two checkpoints, if fewer. Default: None.
        analysis: What looks at the model while it trains, see `ke.analysis.RankAnalysis`. It
            changes nothing of the run. Default: None, nothing.

    Example:

    >>> config = ke.runs.RunConfig.from_dict(
    ...     {"dataset": {"name": "synthetic"}, "model": {"name": "dnn"}, "seed": 7}
    ... )
    >>> config.batch_size
    4096
    >>> ke.runs.RunConfig.from_dict({**config.to_dict(), "batchsize": 64})
    Traceback (most recent call last):
        ...
    ValueError: Unknown key 'batchsize'. Did you mean 'batch_size'?

    Raises:
        ValueError: If a value is out of range.
    """

    dataset: Named
    model: Named
    protocol: Protocol = dataclasses.field(default_factory=FuxiCTRProtocol)
    batch_size: int = 4096
    epochs: int = 100
    seed: int = 0
    name: str | None = None
    folder: str = "runs"
    checkpoint_minutes: float = 10.0
    checkpoint_steps: int | None = None
    analysis: RunAnalysis | None = None

    def __post_init__(self) -> None:
        for name, is_right, expected in (
            ("batch_size", self.batch_size >= 1, "at least 1"),
            ("epochs", self.epochs >= 1, "at least 1"),
            ("seed", 0 <= self.seed < 2**32, "from 0 to 2^32 - 1"),
            ("checkpoint_minutes", self.checkpoint_minutes > 0, "above 0"),
            (
                "checkpoint_steps",
                self.checkpoint_steps is None or self.checkpoint_steps >= 1,
                "None or at least 1",
            ),
            ("name", re.fullmatch(r"[\w.-]*", self.name or ""), "letters, digits, '_', '-', '.'"),
        ):
            if not is_right:
                raise ValueError(
                    f"'{name}': expected {expected}. Received: {getattr(self, name)!r}"
                )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make a config of plain values, as `to_dict` gives them; keys may be left out.

        Raises:
            ValueError: If a key is unknown or missing, a value is of another type or out of range,
                or the values are those of another version of the format.
        """
        try:
            plain: dict[str, Any] = json.loads(json.dumps(dict(values)))
        except TypeError as error:
            raise ValueError(
                f"Expected arguments of plain values (numbers, texts, lists, dicts): {error}"
            ) from error
        version = plain.pop("version", CONFIG_VERSION)
        if version != CONFIG_VERSION:
            raise ValueError(
                f"This config is of {_age(version)} version, {version!r}; expected "
                f"{CONFIG_VERSION}. Take the keras-elastor that wrote it (see versions.json beside "
                "it), or write it anew"
            )
        if "protocol" in plain:
            plain["protocol"] = make_protocol(plain["protocol"])
        if plain.get("analysis") is not None:
            plain["analysis"] = make_run_analysis(plain["analysis"])
        return make_dataclass(cls, plain)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Read a config from a YAML or, where the name ends in .json, a JSON file.

        Raises:
            ValueError: As for `from_dict`, or the file is neither.
        """
        values = read_file(path)
        try:
            return cls.from_dict(values)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def with_data_dir(self, data_dir: str) -> Self:
        """The same run on a dataset whose files lie elsewhere."""
        arguments = {**self.dataset.arguments, "data_dir": data_dir}
        dataset = dataclasses.replace(self.dataset, arguments=arguments)
        return dataclasses.replace(self, dataset=dataset)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with the version of the format."""
        values = {**dataclasses.asdict(self), "protocol": self.protocol.get_config()}
        return {"version": CONFIG_VERSION, **values}

    @property
    def run_id(self) -> str:
        """Name and hash of everything that matters: two runs of one id give the same metrics.

        The backend matters; where data and runs are kept does not.

        Raises:
            FileNotFoundError: If the dataset is a prepared folder that is not there.
        """
        values = {k: v for k, v in self.to_dict().items() if k not in _DOES_NOT_MATTER}
        arguments = identity(self.dataset.name, self.dataset.arguments)
        values["dataset"] = {"name": self.dataset.name, "arguments": arguments}
        values["backend"] = keras.backend.backend()
        text = json.dumps(values, sort_keys=True)
        digest = hash_text(text)[:10]
        return f"{self.name or f'{self.model.name}_{self.dataset.name}'}-{digest}"


def _age(version: Any) -> str:
    if not isinstance(version, int):
        return "another"
    return "an older" if version < CONFIG_VERSION else "a newer"
