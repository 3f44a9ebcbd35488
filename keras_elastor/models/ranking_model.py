"""What all models share: named inputs from a schema, logits out, named stages between."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import keras

from keras_elastor.keras_compat.layer_state import (
    get_layer_state,
    get_settings,
    global_policy,
    plain_policy,
    set_layer_state,
)
from keras_elastor.layers import FeatureEncoder
from keras_elastor.models.encoder_template import EncoderLike, encoder_template, with_schema
from keras_elastor.models.objective import LogitModel
from keras_elastor.models.registry import Preset, get_preset
from keras_elastor.schema import Embedding, FeatureSchema, Numeric, Sequence
from keras_elastor.utils.plain_values import suggest
from keras_elastor.utils.saving import (
    deserialize,
    exported_names,
    layer_name,
    serialize_arguments,
)
from keras_elastor.utils.types import Config, Tensor
from keras_elastor.validation.rules import check_names, feature_rule


def make_inputs(schema: FeatureSchema) -> dict[str, Any]:
    """One named symbolic input per feature of the schema.

    A tensor has its feature's name, its layer one that no other layer of a model has: a feature may
    be called "encoder" or "x/y".

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Numeric("price")])
    >>> {name: tensor.dtype for name, tensor in ke.models.make_inputs(schema).items()}
    {'user': 'int32', 'price': 'float32'}
    """
    inputs = {}
    for feature in schema.features:
        shape: tuple[int, ...] = ()
        if isinstance(feature, Sequence):
            shape = (feature.max_length,)
        elif isinstance(feature, Embedding):
            shape = (feature.dim,)
        dtype = "float32" if isinstance(feature, Numeric | Embedding) else "int32"
        layer = keras.layers.InputLayer(
            shape, dtype=dtype, name=f"{layer_name(feature.name)}_input"
        )
        inputs[feature.name] = layer.output
        inputs[feature.name].name = feature.name
    return inputs


def select_features(schema: FeatureSchema, names: Iterable[str]) -> FeatureSchema:
    """The schema with these features only, in its own order."""
    chosen = set(names)
    features = tuple(feature for feature in schema.features if feature.name in chosen)
    return dataclasses.replace(schema, features=features)


def encode(
    schema: FeatureSchema,
    encoder: EncoderLike = None,
    dtype: Any = None,
    embedding_dim: int | None = None,
) -> tuple[dict[str, Any], Tensor]:
    """The inputs of a schema and their embeddings, `(batch, fields, embedding_dim)`.

    Args:
        schema: A `FeatureSchema`.
        encoder: A `FeatureEncoder` without schema, or a dict of its arguments; its name in the
            model is "encoder". Default: None, its defaults.
        dtype: Dtype policy of the encoder. Default: None, the global one.
        embedding_dim: Width of each field's embedding, where `encoder` does not say it.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Numeric("price")])
    >>> inputs, embeddings = ke.models.encode(schema, {"embedding_dim": 8})
    >>> embeddings.shape
    (None, 2, 8)
    """
    inputs = make_inputs(schema)
    template = encoder_template(encoder, embedding_dim)
    return inputs, with_schema(template, schema, dtype)(inputs)


class RankingModel(LogitModel):
    """Base of the functional models: a `keras.Model` that knows its schema and its stages.

    Its input is a dict with one tensor per feature of the schema. The tensor of the schema's group
    (`FeatureSchema.group_column`) may travel in the same dict and is dropped; any other difference
    is an error that names the feature. Its output are logits of shape `(batch, tasks)`, float32.

    A subclass builds its graph in its constructor and hands it to this one. What its constructor
    is called with is kept, so that `get_config` and `from_config` need not be written.

    Args:
        schema: The schema of the inputs.
        inputs: The symbolic inputs, as `make_inputs` gives them.
        outputs: The symbolic logits.
        stages: The named intermediate tensors, in the order of computation.
        kwargs: `name` and `trainable`.
    """

    presets: ClassVar[dict[str, Preset]] = {}
    """The presets of a registered model, by name."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Keep the arguments, whichever class of the family is made."""
        model: Self = super().__new__(cls, *args, **kwargs)
        # Before Keras has set up a model, it takes no attribute.
        object.__setattr__(model, "_called_with", (args, kwargs))
        return model

    def __init__(
        self,
        schema: FeatureSchema,
        inputs: Mapping[str, Any],
        outputs: Tensor,
        stages: Mapping[str, Tensor],
        **kwargs: Any,
    ) -> None:
        # Keras takes any other argument, a misspelt one, too, without a word.
        for argument in kwargs.keys() - {"name", "trainable"}:
            known = [*inspect.signature(type(self).__init__).parameters, "name", "trainable"]
            raise TypeError(
                f"{type(self).__name__}: unknown argument '{argument}'. "
                f"{suggest(argument, set(known) - {'self', 'kwargs'})}"
            )
        super().__init__(inputs=dict(inputs), outputs=outputs, **kwargs)
        self.schema = schema
        self._stages = dict(stages)
        self._config = self._arguments()
        self._global_policy = plain_policy(keras.config.dtype_policy())
        self._settings = get_settings(self)
        # Numbers and ids reach the encoder as they are, whatever the compute dtype.
        self.autocast = False

    def _arguments(self) -> Config | None:
        """The constructor's arguments as plain values; None for a view on another model."""
        args, kwargs = self._called_with
        del self._called_with
        if type(self) is RankingModel:
            return None
        bound = inspect.signature(type(self).__init__).bind(self, *args, **kwargs)
        bound.apply_defaults()
        given = {**bound.arguments, **bound.arguments.get("kwargs", {})}
        others = ("self", "kwargs", "name", "trainable")
        return serialize_arguments({key: given[key] for key in given if key not in others})

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Tensor:
        """Logits of a batch."""
        return super().__call__(self._select(inputs), *args, **kwargs)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Tensor:
        """Logits of a batch; Keras' training on JAX comes here without `__call__`."""
        return super().call(self._select(inputs), training=training, mask=mask)

    def _select(self, inputs: Any) -> Any:
        """The features among the inputs, without the group."""
        if not isinstance(inputs, Mapping):
            raise ValueError(
                f"{type(self).__name__} '{self.name}': expected a dict with one tensor per feature "
                f"({', '.join(self.schema.names)}). Received: {type(inputs).__name__}"
            )
        check_names(inputs, self.schema)
        # With replicas, Keras builds its metrics from the mean of their batches: ids become floats.
        strategy = getattr(self, "distribute_strategy", None)
        if strategy is None or strategy.num_replicas_in_sync == 1:
            for feature in self.schema.features:
                dtype = getattr(inputs[feature.name], "dtype", None)
                if dtype is not None:
                    feature_rule(feature).check_dtype(dtype)
        return {name: inputs[name] for name in self.schema.names}

    @property
    def stage_names(self) -> list[str]:
        """Names of the intermediate tensors, in the order of computation."""
        return list(self._stages)

    def intermediates(self, names: Iterable[str] | None = None) -> RankingModel:
        """A model over the same inputs and weights that returns intermediate tensors.

        Args:
            names: Some of `stage_names`. Default: all.

        Returns:
            A model whose output is a dict from name to tensor, in the order of `names`.

        Raises:
            ValueError: If a name is no stage of this model.
        """
        names = self.stage_names if names is None else list(names)
        unknown = [name for name in names if name not in self._stages]
        if unknown or not names:
            raise ValueError(
                f"{type(self).__name__} '{self.name}': expected some of the stages "
                f"{', '.join(self.stage_names)}. Received: {names}"
            )
        stages = {name: self._stages[name] for name in names}
        return RankingModel(
            self.schema, self.input, stages, self._stages, name=f"{self.name}_intermediates"
        )

    def export(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """`keras.Model.export`, for features of any name.

        Exported formats take letters, digits and underscores only. Any other sign of a name becomes
        its number in Unicode: the input of the feature "x/y" is called "x_2f_y".
        """
        names = exported_names(self.schema.names)
        if list(names) == list(names.values()):
            super().export(filepath, *args, **kwargs)
            return
        inputs = {
            names[name]: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=names[name])
            for name, tensor in self.input.items()
        }
        outputs = self({name: inputs[names[name]] for name in names})
        keras.Model(inputs, outputs, name=self.name).export(filepath, *args, **kwargs)

    def count_dense_params(self) -> int:
        """Number of weights outside of the feature encoders: what scales with the model alone."""
        return int(self.count_params()) - self.count_embedding_params()

    def count_embedding_params(self) -> int:
        """Number of weights of the feature encoders: what scales with the vocabularies."""
        encoders = [layer for layer in self.layers if isinstance(layer, FeatureEncoder)]
        return sum(int(encoder.count_params()) for encoder in encoders)

    def get_config(self) -> Config:
        """Constructor arguments, and what has been set on the model and its layers since."""
        if self._config is None:
            raise NotImplementedError(
                f"'{self.name}' is a view on the tensors of another model: save that one and call "
                "its `intermediates` again after loading it"
            )
        return {
            **self._config,
            "name": self.name,
            "trainable": self.trainable,
            "global_policy": self._global_policy,
            "layer_state": get_layer_state(self, self._settings),
        }

    @classmethod
    def from_preset(cls, name: str, schema: FeatureSchema, **overrides: Any) -> Self:
        """The model of a published experiment.

        Args:
            name: One of `ke.models.list_presets()` for this class.
            schema: A `FeatureSchema`.
            overrides: Constructor arguments that replace the preset's; settings of the `encoder`
                one by one.

        Raises:
            ValueError: If there is no preset of that name, or it belongs to another class.
        """
        preset = get_preset(name)
        if not issubclass(preset.model, cls):
            raise ValueError(
                f"Preset '{name}' is a {preset.model.__name__}: call "
                f"ke.models.{preset.model.__name__}.from_preset('{name}', schema=schema)"
            )
        model: Self = preset.make(schema, **overrides)
        return model

    @classmethod
    def from_config(cls, config: Config, custom_objects: Any = None) -> Self:
        """Make the model from what `get_config` gives, or from its constructor arguments alone."""
        config = dict(config)
        state = config.pop("layer_state", None)
        with keras.saving.custom_object_scope(custom_objects or {}):
            with global_policy(config.pop("global_policy", None)):
                model = cls(**{key: deserialize(value) for key, value in config.items()})
            if state is not None:
                set_layer_state(model, state)
        return model
