"""What a run needs to know about the training of a model, and the names of such protocols."""

from __future__ import annotations

import abc
import dataclasses
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import keras

from keras_elastor.training.evaluation_callback import EvaluationCallback
from keras_elastor.training.plateau import Plateau
from keras_elastor.training.redraw_embeddings import RedrawEmbeddings
from keras_elastor.utils.plain_values import make_dataclass, suggest

_Protocol = TypeVar("_Protocol", bound="type[Protocol]")

_PROTOCOLS: dict[str, type[Protocol]] = {}
# What a config without a name means: configs had none when there was one protocol.
_DEFAULT = "fuxictr"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Protocol(abc.ABC):
    """How a model is trained: what `keras_elastor.runs.run` asks of a protocol.

    At every evaluation the monitored value is

        sum over metrics of monitor[metric] * metric

    of the exact validation metrics. Without a gain of `min_delta` over the best so far, the
    learning rate is multiplied by `learning_rate_factor`; `patience` such evaluations in a row end
    the training. The best weights are restored in the end.

    A protocol of one's own is a frozen dataclass with a `compile`. Its fields are plain values
    (numbers, texts, None, lists, dicts), as a run keeps them in its config; `register_protocol`
    gives it a name there.

    Args:
        monitor: Weight of each metric of `keras_elastor.evaluate`, such as
            `{"auc": 1, "logloss": -1}`. Default: `{"auc": 1}`.
        evaluate_every: Training steps between two evaluations. Default: None, every epoch.
        patience: Evaluations without gain in a row that end the training. Default: 2.
        min_delta: Smallest gain. Default: 1e-6.
        learning_rate_factor: See above; 1 leaves the learning rate alone. Default: 0.1.
        min_learning_rate: The learning rate is never lowered below it. Default: 1e-6.
        redraw_embeddings: Whether all embedding tables are drawn anew before every epoch but the
            first, see `RedrawEmbeddings`. Default: False.

    Example:

    >>> @ke.training.register_protocol("momentum")
    ... @dataclasses.dataclass(frozen=True)
    ... class Momentum(ke.training.Protocol):
    ...     learning_rate: float = 0.1
    ...
    ...     def compile(self, model, **arguments):
    ...         optimizer = keras.optimizers.SGD(self.learning_rate, momentum=0.9)
    ...         loss = keras.losses.BinaryCrossentropy(from_logits=True)
    ...         model.compile(optimizer, loss, **arguments)
    >>> values = {"name": "momentum", "learning_rate": 0.2, "patience": 3}
    >>> config = ke.runs.RunConfig.from_dict(
    ...     {"dataset": {"name": "synthetic"}, "model": {"name": "dnn"}, "protocol": values}
    ... )
    >>> config.protocol.learning_rate, config.protocol.patience
    (0.2, 3)

    Raises:
        ValueError: If an argument is out of range.
    """

    monitor: Mapping[str, float] = dataclasses.field(default_factory=lambda: {"auc": 1.0})
    evaluate_every: int | None = None
    patience: int = 2
    min_delta: float = 1e-6
    learning_rate_factor: float = 0.1
    min_learning_rate: float = 1e-6
    redraw_embeddings: bool = False

    def __post_init__(self) -> None:
        every, factor = self.evaluate_every, self.learning_rate_factor
        self.check("monitor", bool(self.monitor), 'a dict such as {"auc": 1}')
        self.check("evaluate_every", every is None or every >= 1, "None or at least 1")
        self.check("patience", self.patience >= 1, "at least 1")
        self.check("min_delta", self.min_delta >= 0, "at least 0")
        self.check("learning_rate_factor", 0 < factor <= 1, "above 0, at most 1")
        self.check("min_learning_rate", self.min_learning_rate >= 0, "at least 0")

    def check(self, name: str, is_right: bool, expected: str) -> None:
        """Raise a ValueError about an argument unless it is right."""
        if not is_right:
            raise ValueError(
                f"{type(self).__name__}: expected `{name}` to be {expected}. "
                f"Received: {name}={getattr(self, name)!r}"
            )

    @abc.abstractmethod
    def compile(self, model: keras.Model, **arguments: Any) -> None:
        """Compile a model with a new optimizer and the loss.

        Args:
            model: A model of logits.
            arguments: Further arguments of `model.compile`, such as `metrics`.
        """

    @property
    def model_arguments(self) -> dict[str, Any]:
        """Arguments that a run gives to the model, over those of its config. Default: none."""
        return {}

    def callback(
        self, validation_data: Any, batch_size: int = 4096, seed: int = 0
    ) -> EvaluationCallback:
        """A new callback for `model.fit` that evaluates, lowers the learning rate and stops.

        Where the protocol draws tables anew, it does that, too. A run takes `monitor`, `every`,
        `plateau` and `redraw` of it; it keeps weights in its own way.

        Args:
            validation_data: What `keras_elastor.evaluate` takes as dataset.
            batch_size: Rows per step where it is a tuple of arrays. Default: 4096.
            seed: What tables are drawn from. Default: 0.
        """
        plateau = Plateau(
            self.patience, self.min_delta, self.learning_rate_factor, self.min_learning_rate
        )
        return EvaluationCallback(
            validation_data,
            self.monitor,
            self.evaluate_every,
            plateau,
            batch_size,
            RedrawEmbeddings(seed) if self.redraw_embeddings else None,
        )

    def get_config(self) -> dict[str, Any]:
        """The name and the arguments as plain values.

        Raises:
            ValueError: If the protocol has no name.
        """
        for name, kind in _PROTOCOLS.items():
            if kind is type(self):
                values = dataclasses.asdict(self)
                # What runs were called before there was this option, they are called still.
                if not self.redraw_embeddings:
                    del values["redraw_embeddings"]
                return {"name": name, **values}
        raise ValueError(
            f"Expected a protocol with a name, to keep it in a config. Received: "
            f'{type(self).__name__}. Decorate it by @ke.training.register_protocol("name")'
        )


def register_protocol(name: str) -> Callable[[_Protocol], _Protocol]:
    """A decorator that gives a protocol a name for configs and the command line.

    It comes before `@dataclasses.dataclass(frozen=True)`. A second class of the same name replaces
    the first, with a warning.

    Args:
        name: The name, such as "fuxictr".

    Example: see `Protocol`.

    Raises:
        TypeError: If what is decorated is no dataclass that subclasses `Protocol`.
    """

    def register(kind: _Protocol) -> _Protocol:
        # A subclass inherits the fields, but is a dataclass of its own only where it says so.
        if not issubclass(kind, Protocol) or "__dataclass_fields__" not in vars(kind):
            raise TypeError(
                "Expected a subclass of ke.training.Protocol, decorated by "
                f"@dataclasses.dataclass(frozen=True). Received: {kind!r}"
            )
        if name in _PROTOCOLS:
            warnings.warn(f"Protocol '{name}' is replaced by {kind!r}", stacklevel=2)
        _PROTOCOLS[name] = kind
        return kind

    return register


def list_protocols() -> list[str]:
    """The names of all protocols.

    Example:

    >>> {"fuxictr", "keras"} <= set(ke.training.list_protocols())
    True
    """
    return sorted(_PROTOCOLS)


def make_protocol(values: Any) -> Protocol:
    """Make a protocol of the plain values in a config.

    Args:
        values: What `get_config` gives; keys may be left out. Without a name it is FuxiCTR's.

    Raises:
        ValueError: If the name or a key is unknown, or a value is of another type or out of range.
    """
    if not isinstance(values, Mapping):
        raise ValueError(
            f"'protocol': expected keys and values. Received: {type(values).__name__} {values!r}"
        )
    arguments = dict(values)
    name = arguments.pop("name", _DEFAULT)
    if name not in _PROTOCOLS:
        raise ValueError(f"Unknown protocol {name!r}. {suggest(str(name), list_protocols())}")
    return make_dataclass(_PROTOCOLS[name], arguments, "protocol")
