"""Trainings with any optimizer and loss of Keras, named by plain values."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import keras

from keras_elastor import optimizers
from keras_elastor.optimizers.split import check_optimizer, follows_schedule
from keras_elastor.training.protocol import Protocol, register_protocol
from keras_elastor.utils.plain_values import check_arguments, suggest


@register_protocol("keras")
@dataclasses.dataclass(frozen=True)
class KerasProtocol(Protocol):
    """Training with an optimizer and a loss of Keras.

    The learning rate is a number or follows a schedule. Without gain of the monitored value it
    stays as it is, unless `learning_rate_factor` is given, which a schedule does not allow. Names
    are those of the Keras classes, also in snake case; arguments beside the name are those of the
    class. What is registered by `keras.saving.register_keras_serializable` is known, too, as
    "package>name".

    Args:
        optimizer: Name, or name and arguments, such as
            `{"name": "adamw", "learning_rate": 1e-3}`; a `learning_rate` that is a schedule is
            named in the same way, and so are `tables` and `dense` of "split", which is
            `ke.optimizers.Split`. Default: "adam".
        loss: Name, or name and arguments. Models give logits, so that a loss that can take them
            does. None is the loss of the model's labels, by their kinds. Default:
            "binary_crossentropy".
        learning_rate_factor: What the learning rate is multiplied by at an evaluation without
            gain. Default: 1.
        arguments: The others of `Protocol`: `monitor`, `evaluate_every`, `patience`, `min_delta`,
            `min_learning_rate` and `redraw_embeddings`. Regularizers are arguments of the model.

    Example:

    >>> schedule = {"name": "cosine_decay", "initial_learning_rate": 0.01, "decay_steps": 100}
    >>> protocol = ke.training.KerasProtocol({"name": "adamw", "learning_rate": schedule})
    >>> schema = ke.FeatureSchema([ke.Categorical("item", 20), ke.Numeric("price")])
    >>> model = ke.models.DNN(schema, hidden_units=[8])
    >>> protocol.compile(model)
    >>> type(model.optimizer).__name__, model.loss.name
    ('AdamW', 'binary_crossentropy')
    >>> features = {"item": np.arange(20), "price": np.linspace(-1, 1, 20)}
    >>> rows = (features, np.arange(20) % 2)
    >>> history = model.fit(*rows, epochs=2, callbacks=[protocol.callback(rows)], verbose=0)

    Raises:
        ValueError: If a name or an argument is unknown, or an argument is out of range.
    """

    optimizer: str | Mapping[str, Any] = "adam"
    loss: str | Mapping[str, Any] | None = "binary_crossentropy"
    learning_rate_factor: float = dataclasses.field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.make_loss()
        optimizer = self.make_optimizer()
        check_optimizer(optimizer)
        self.check(
            "learning_rate_factor",
            not follows_schedule(optimizer) or self.learning_rate_factor == 1,
            "1, as the learning rate follows a schedule",
        )

    def make_optimizer(self) -> keras.optimizers.Optimizer:
        """A new optimizer."""
        return _make_optimizer(self.optimizer, "optimizer")

    def make_loss(self) -> keras.losses.Loss | None:
        """The loss, on logits where it can take them; None for that of the labels' kinds."""
        if self.loss is None:
            return None
        values = _with_name(self.loss, "loss")
        kind = _find(keras.losses.Loss, [keras.losses], values["name"], "loss")
        if "from_logits" in inspect.signature(kind).parameters:
            given = values.setdefault("from_logits", True)
            self.check("loss", given is True, "with from_logits=true, as models give logits")
        made: keras.losses.Loss = _make(keras.losses.Loss, [keras.losses], values, "loss")
        return made

    def compile(self, model: keras.Model, **arguments: Any) -> None:
        """Compile a model with the optimizer and the loss.

        Args:
            model: A model of logits.
            arguments: Further arguments of `model.compile`, such as `metrics`.
        """
        loss = self.make_loss()
        if loss is not None:
            arguments["loss"] = loss
        model.compile(optimizer=self.make_optimizer(), **arguments)


def _make_optimizer(value: str | Mapping[str, Any], where: str) -> keras.optimizers.Optimizer:
    values = _with_name(value, where)
    rate = values.get("learning_rate")
    if isinstance(rate, Mapping):
        base = keras.optimizers.schedules.LearningRateSchedule
        schedules = [keras.optimizers.schedules]
        values["learning_rate"] = _make(base, schedules, rate, f"{where}.learning_rate")
    # The parts of `ke.optimizers.Split`.
    for part in ("tables", "dense"):
        if isinstance(values.get(part), str | Mapping):
            values[part] = _make_optimizer(values[part], f"{where}.{part}")
    modules = [keras.optimizers, optimizers]
    made: keras.optimizers.Optimizer = _make(keras.optimizers.Optimizer, modules, values, where)
    return made


def _with_name(value: str | Mapping[str, Any], where: str) -> dict[str, Any]:
    values = {"name": value} if isinstance(value, str) else dict(value)
    if not isinstance(values.get("name"), str):
        raise ValueError(
            f"'protocol.{where}': expected a name, or a name and arguments, such as "
            f"{{'name': 'adam'}}. Received: {value!r}"
        )
    return values


def _find(base: type, modules: list[ModuleType], name: str, where: str) -> Any:
    """The class of this name, in Keras' spelling or in snake case."""
    found = {
        name: kind
        for module in modules
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, base) and kind is not base
    }
    by_key = {_key(name): kind for name, kind in found.items()}
    kind = by_key.get(_key(name)) or keras.saving.get_registered_object(name)
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise ValueError(f"Unknown 'protocol.{where}' {name!r}. {suggest(name, found)}")
    return kind


def _key(name: str) -> str:
    return name.replace("_", "").lower()


def _make(base: type, modules: list[ModuleType], value: Any, where: str) -> Any:
    arguments = _with_name(value, where)
    name = arguments.pop("name")
    kind = _find(base, modules, name, where)
    check_arguments(_constructors(kind), arguments, f"protocol.{where}")
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"'protocol.{where}' of {name}: {error}") from error


def _constructors(kind: type) -> list[Any]:
    """The constructors that take the arguments of a class: its own and those it hands on to."""
    found: list[Any] = []
    for one in kind.__mro__:
        constructor = vars(one).get("__init__")
        if constructor is not None:
            found.append(constructor)
            parameters = inspect.signature(constructor).parameters.values()
            if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters):
                break
    return found
