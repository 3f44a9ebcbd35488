"""Models and presets by name: two dicts and the functions that read them."""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from keras_elastor.models.encoder_template import merge_arguments
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.saving import register


@dataclasses.dataclass(frozen=True)
class Preset:
    """A published experiment.

    Args:
        model: The model class.
        arguments: Makes the constructor arguments but the schema.
        reference: Where the experiment was published.
        batch_size: Its batch size; None where it is not published.
        published: Its published scores on the test set, such as "auc" and "logloss".
    """

    model: Any
    arguments: Callable[[], dict[str, Any]]
    reference: str
    batch_size: int | None = None
    published: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def make(self, schema: FeatureSchema, **overrides: Any) -> Any:
        """The model of the experiment.

        Args:
            schema: A `FeatureSchema`.
            overrides: Constructor arguments that replace the preset's. Settings of the `encoder`
                replace one by one, so that the others stay.
        """
        return self.model(schema, **merge_arguments(self.arguments(), overrides))


_MODELS: dict[str, Any] = {}
_PRESETS: dict[str, Preset] = {}


def register_model(name: str) -> Callable[[Any], Any]:
    """Class decorator: the model can be made by this name, saved, loaded and listed.

    See `docs/adding_a_model.md`. A name that another class has is taken over with a warning.

    Args:
        name: The model's name in snake case, such as `"dcn_v2"`, which also begins the names of
            its presets.
    """

    def decorate(model: Any) -> Any:
        _warn_if_taken("model", name, _MODELS)
        _MODELS[name] = model
        model.presets = {}
        return register(model)

    return decorate


def register_preset(
    name: str,
    model: Any,
    arguments: Callable[[], dict[str, Any]],
    reference: str,
    batch_size: int | None = None,
    published: Mapping[str, float] | None = None,
) -> None:
    """Make a preset known under its name, which is then in `model.presets`, too.

    The arguments are those of `Preset`. A name that another preset has is taken over with a
    warning.
    """
    _warn_if_taken("preset", name, _PRESETS)
    _PRESETS[name] = Preset(model, arguments, reference, batch_size, published or {})
    model.presets[name] = _PRESETS[name]


def _warn_if_taken(kind: str, name: str, names: Iterable[str]) -> None:
    if name in names:
        warnings.warn(
            f"There is a {kind} named '{name}' already; from now on the name means the new one. "
            "Choose another name to keep both",
            stacklevel=3,
        )


def list_models(pattern: str = "*") -> list[str]:
    """Names of the models that match a pattern, any case.

    Args:
        pattern: Shell pattern of the names. Default: "*", all.

    Returns:
        The sorted names that `create` takes and that the names of presets begin with.

    Example:

    >>> ke.models.list_models("rank*")
    ['rank_elastor', 'rank_mixer', 'rank_up']
    """
    return _matching(_MODELS, pattern)


def list_presets(pattern: str = "*") -> list[str]:
    """Names of the presets that match a pattern, any case.

    Args:
        pattern: Shell pattern of the names. Default: "*", all.

    Example:

    >>> ke.models.list_presets("dcn_v2_criteo*")
    ['dcn_v2_criteo_x1', 'dcn_v2_criteo_x4']
    """
    return _matching(_PRESETS, pattern)


def create(name: str, schema: FeatureSchema, **overrides: Any) -> Any:
    """A model by its name or by the name of a preset.

    Args:
        name: One of `list_models()` or `list_presets()`. Case and underscores do not matter, so
            that names of classes, such as `"DCNv2"`, are accepted, too.
        schema: A `FeatureSchema`.
        overrides: Constructor arguments; they replace those of a preset, settings of the `encoder`
            one by one.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Categorical("item", 50)])
    >>> type(ke.models.create("dcn_v2", schema)).__name__
    'DCNv2'

    Raises:
        ValueError: If there is neither; the message names the nearest ones.
    """
    found = find_model(name)
    if found is not None:
        return found.make(schema, **overrides)
    nearest = difflib.get_close_matches(str(name).lower(), [*_MODELS, *_PRESETS], n=3, cutoff=0.0)
    raise ValueError(
        f"Expected the name of a model or a preset, such as {', '.join(nearest)}; "
        "ke.models.list_models() and ke.models.list_presets() list all. "
        f"Received: {name!r}"
    )


def find_model(name: str) -> Preset | None:
    """What `create` makes of a name: a preset, or a model class as a preset without arguments."""
    key = _plain(name)
    for model_name, model in _MODELS.items():
        if _plain(model_name) == key:
            return Preset(model, dict, reference="")
    for preset_name, preset in _PRESETS.items():
        if _plain(preset_name) == key:
            return preset
    return None


def _plain(name: str) -> str:
    return str(name).replace("_", "").lower()


def get_preset(name: str) -> Preset:
    """The preset of that name.

    Example:

    >>> ke.models.get_preset("dcn_v2_criteo_x1").published
    {'auc': 0.814195, 'logloss': 0.437788}

    Raises:
        ValueError: If there is none; the message names the nearest ones.
    """
    if name not in _PRESETS:
        nearest = difflib.get_close_matches(str(name).lower(), _PRESETS, n=3, cutoff=0.0)
        raise ValueError(
            f"Expected the name of a preset, such as {', '.join(nearest)}; "
            f"ke.models.list_presets() lists all. Received: {name!r}"
        )
    return _PRESETS[name]


def _matching(names: Iterable[str], pattern: str) -> list[str]:
    return sorted(name for name in names if fnmatch.fnmatch(name.lower(), pattern.lower()))
