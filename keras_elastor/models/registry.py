"""Models and presets by name: two dicts and the functions that read them."""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
from collections.abc import Callable, Iterable
from typing import Any

from keras_elastor.saving import register


@dataclasses.dataclass(frozen=True)
class Preset:
    """A published experiment.

    Args:
        model: the model class.
        arguments: makes the constructor arguments but the schema.
        reference: where the experiment was published.
    """

    model: Any
    arguments: Callable[[], dict[str, Any]]
    reference: str


_MODELS: dict[str, Any] = {}
_PRESETS: dict[str, Preset] = {}


def register_model(model: Any) -> Any:
    """Class decorator: the model can be saved, loaded and listed."""
    _MODELS[model.__name__] = model
    return register(model)


def register_preset(
    name: str, model: Any, arguments: Callable[[], dict[str, Any]], reference: str
) -> None:
    """Make a preset known under its name."""
    _PRESETS[name] = Preset(model, arguments, reference)


def list_models(pattern: str = "*") -> list[str]:
    """Names of the model classes that match a pattern such as `"*Mixer*"`, any case."""
    return _matching(_MODELS, pattern)


def list_presets(pattern: str = "*") -> list[str]:
    """Names of the presets that match a pattern such as `"*criteo*"`, any case."""
    return _matching(_PRESETS, pattern)


def get_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        ValueError: there is none; the message names the nearest ones.
    """
    if name not in _PRESETS:
        nearest = difflib.get_close_matches(str(name), _PRESETS, n=3, cutoff=0.0)
        raise ValueError(
            f"Expected the name of a preset, such as {', '.join(nearest)}; "
            f"ke.models.list_presets() lists all. Received: {name!r}"
        )
    return _PRESETS[name]


def _matching(names: Iterable[str], pattern: str) -> list[str]:
    return sorted(name for name in names if fnmatch.fnmatch(name.lower(), pattern.lower()))
