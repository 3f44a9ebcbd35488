"""What the arguments `encoder` and `embedding_dim` of every model mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from keras_elastor.layers import FeatureEncoder
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.saving import serialize

EncoderLike: TypeAlias = FeatureEncoder | Mapping[str, Any] | None
"""A `FeatureEncoder` without schema, or a dict of its arguments; None for its defaults."""


def encoder_template(
    encoder: EncoderLike, embedding_dim: int | None = None, **decided: Any
) -> FeatureEncoder:
    """Make one template of the arguments of a model.

    Args:
        encoder: A `FeatureEncoder` without schema, or a dict of its arguments. Default: None, its
            defaults.
        embedding_dim: Width of each field's embedding, where `encoder` does not say it.
        decided: Arguments of the encoder that the model decides itself.

    Returns:
        A `FeatureEncoder` without schema.

    Example:

    >>> from keras_elastor.models.encoder_template import encoder_template
    >>> encoder_template({"embeddings_regularizer": "l2"}, embedding_dim=16).embedding_dim
    16

    Raises:
        ValueError: If `encoder` is something else, has a schema, or contradicts another argument.
    """
    kind, settings = _settings(encoder)
    if embedding_dim is not None:
        decided["embedding_dim"] = embedding_dim
    for name, value in decided.items():
        given = settings.get(name)
        if given is not None and serialize(given) != serialize(value):
            raise ValueError(
                f"Expected `encoder` to leave out `{name}`, which another argument of the model "
                f"decides. Received: {name}={given!r} in `encoder`, beside {value!r}"
            )
    made: FeatureEncoder = kind.from_config({**settings, **decided})
    return made


def with_schema(
    template: FeatureEncoder, schema: FeatureSchema, dtype: Any = None, name: str = "encoder"
) -> FeatureEncoder:
    """A new encoder of a schema, like the template.

    Args:
        template: A `FeatureEncoder` without schema.
        schema: A `FeatureSchema`.
        dtype: Dtype policy of the encoder. Default: None, the template's.
        name: Name of the encoder. Default: "encoder".
    """
    config = {**template.get_config(), "schema": schema, "name": name}
    if dtype is not None:
        config["dtype"] = dtype
    made: FeatureEncoder = type(template).from_config(config)
    return made


def merge_arguments(arguments: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a model, replaced by others; settings of its `encoder` one by one.

    Args:
        arguments: Constructor arguments of a model.
        overrides: Those that replace them.

    Example:

    >>> from keras_elastor.models.encoder_template import merge_arguments
    >>> merge_arguments({"encoder": {"embedding_dim": 8}}, {"encoder": {"embeddings_regularizer": "l2"}})
    {'encoder': {'embedding_dim': 8, 'embeddings_regularizer': 'l2'}}
    """  # noqa: E501 - an example is one line
    merged = {**arguments, **overrides}
    usual, given = arguments.get("encoder"), overrides.get("encoder")
    if isinstance(given, Mapping):
        if isinstance(usual, FeatureEncoder):
            merged["encoder"] = type(usual).from_config({**usual.get_config(), **given})
        else:
            merged["encoder"] = {**(usual or {}), **given}
    return merged


def _settings(encoder: EncoderLike) -> tuple[type[FeatureEncoder], dict[str, Any]]:
    """The class of an encoder and its arguments but the schema."""
    if isinstance(encoder, FeatureEncoder):
        if encoder.schema is not None:
            raise ValueError(
                "Expected `encoder` to be a FeatureEncoder without schema, as the model has one. "
                f"Received: one with the schema of {', '.join(encoder.schema.names)}"
            )
        settings = encoder.get_config()
        del settings["schema"]
        return type(encoder), settings
    if encoder is not None and not isinstance(encoder, Mapping):
        raise ValueError(
            "Expected `encoder` to be settings such as {'embedding_dim': 16}, or a FeatureEncoder "
            f"without schema. Received: encoder={encoder!r} (of type {type(encoder).__name__})"
        )
    settings = dict(encoder or {})
    known = FeatureEncoder().get_config().keys() - {"schema"}
    for name in settings:
        if name not in known:
            raise ValueError(
                "Expected `encoder` to hold arguments of FeatureEncoder but the schema: "
                f"{', '.join(sorted(known))}. Received: {name!r}"
            )
    return FeatureEncoder, settings
