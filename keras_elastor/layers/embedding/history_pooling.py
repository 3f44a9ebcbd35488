"""From the rows of a history to one vector: what all such layers share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras

from keras_elastor.schema import Categorical, FeatureSchema, Sequence
from keras_elastor.utils.plain_values import suggest
from keras_elastor.utils.types import Shape


class HistoryPooling(keras.layers.Layer):
    """Base of the layers that make one vector of a history's rows.

    A subclass implements `call` on a list `[rows, mask]`, or, where `uses_target` is true,
    `[rows, mask, target]`:

    - `rows`: embeddings of the history, `(batch, length, dim)`;
    - `mask`: 1 where there is an item, 0 at padding, `(batch, length)`;
    - `target`: embedding of the candidate, the first `Categorical` feature that reads the history's
      table, `(batch, dim)`.

    Output shape: `(batch, dim)`; zero for an empty history.
    """

    uses_target = False

    def build(self, input_shape: list[Shape]) -> None:
        """Nothing to make."""
        self.built = True

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """Shape of one row per history."""
        batch, _, dim = input_shape[0]
        return (batch, dim)


def pooling_of(history: str, poolings: Any) -> Any:
    """The layer that pools a history, where the argument `history_pooling` gives it one."""
    return poolings.get(history) if isinstance(poolings, Mapping) else poolings


def candidate_tables(schema: FeatureSchema) -> set[str]:
    """The tables of which a `Categorical` feature, the candidate of a history, reads a row."""
    return {feature.table_name for feature in schema.features if isinstance(feature, Categorical)}


def check_poolings(
    owner: str,
    poolings: Any,
    schema: FeatureSchema | None,
    joint_histories: Iterable[tuple[str, ...]] = (),
) -> None:
    """Raise ValueError unless histories can be pooled so.

    Args:
        owner: Name of the layer that pools, for messages.
        poolings: Its argument `history_pooling`.
        schema: Its schema; without one only the kind of the layers is looked at.
        joint_histories: Its argument of that name.
    """
    for pooling in poolings.values() if isinstance(poolings, Mapping) else (poolings,):
        if not isinstance(pooling, HistoryPooling | None):
            raise ValueError(
                f"{owner}: expected `history_pooling` to be None, a layer such as "
                "ke.layers.MeanPooling() or ke.layers.TargetAttention(), or a dict of such by "
                f"history. Received: {pooling!r} (of type {type(pooling).__name__})"
            )
    if schema is None:
        return
    histories = {f.name: f for f in schema.features if isinstance(f, Sequence)}
    followers = {name: group[0] for group in joint_histories for name in group[1:]}
    for name in poolings if isinstance(poolings, Mapping) else ():
        if name in followers:
            raise ValueError(
                f"{owner}: expected `history_pooling` to name the first of joint histories, "
                f"'{followers[name]}'. Received: '{name}', which is pooled with it"
            )
        if name not in histories:
            raise ValueError(
                f"{owner}: expected `history_pooling` to name Sequence features of the schema. "
                f"Received: '{name}'. {suggest(name, histories)}"
            )
    for history in histories.values():
        pooling = pooling_of(followers.get(history.name, history.name), poolings)
        if pooling is None or not pooling.uses_target:
            continue
        if history.table_name not in candidate_tables(schema):
            raise ValueError(
                f"Sequence feature '{history.name}': {type(pooling).__name__} compares it "
                "with the candidate, so expected a Categorical feature that reads the same "
                f"table, '{history.table_name}'. Received: no such feature. Pool it in another "
                f"way: history_pooling={{'{history.name}': ke.layers.MeanPooling()}}"
            )
