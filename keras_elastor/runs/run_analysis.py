"""What a run asks of an analysis that looks on while it trains."""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar

import keras

from keras_elastor.datasets.rows import Data
from keras_elastor.utils.plain_values import make_dataclass

if TYPE_CHECKING:
    from keras_elastor.runs.run_callback import RunCallback

_Analysis = TypeVar("_Analysis", bound="type[RunAnalysis]")

_REGISTERED: list[type[RunAnalysis]] = []


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunAnalysis(abc.ABC):
    """What the key `analysis` of a config means: a frozen dataclass of plain values.

    Runs lie below the room of analysis and do not know it; `register_run_analysis` makes a subclass
    known to them.
    """

    @abc.abstractmethod
    def callback(self, run: RunCallback, data: Data) -> keras.callbacks.Callback:
        """A callback for `fit` that looks at the model and changes nothing of the run.

        It is asked for when the run begins or goes on, `run.step` steps from its first one.

        Args:
            run: The run's own callback, with its model and its folder.
            data: What the run trains on.
        """


def register_run_analysis(kind: _Analysis) -> _Analysis:
    """A decorator that makes a dataclass the meaning of the key `analysis` of configs."""
    _REGISTERED[:] = [kind]
    return kind


def make_run_analysis(values: Any) -> RunAnalysis:
    """Make the analysis of the plain values in a config.

    Raises:
        ValueError: If a key is unknown, or a value is of another type or out of range.
    """
    return make_dataclass(_REGISTERED[0], values, "analysis")
