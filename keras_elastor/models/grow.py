"""A trained model with more rows in its embedding tables."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from keras import ops

from keras_elastor.keras_compat.layer_state import inner_layers
from keras_elastor.keras_compat.optimizer_state import build_optimizer
from keras_elastor.layers import EmbeddingTable
from keras_elastor.models.ranking_model import RankingModel
from keras_elastor.schema import Categorical, FeatureSchema, Sequence
from keras_elastor.utils.saving import serialize


def grow(
    model: RankingModel, schema: FeatureSchema, out_of_vocabulary: bool = True
) -> RankingModel:
    """A copy of a trained model for a schema whose vocabularies were extended.

    Known values keep their rows, so that the new model predicts for them what the old one does. So
    do padding and, under its new id, out-of-vocabulary. Rows of new values are those of a new
    model, drawn by the table's initializer. Everything else, such as the dense layers, is equal.
    A compiled model is compiled alike; what its optimizer keeps of each weight moves with the rows,
    and begins anew for new ones.

    Args:
        model: A model of `ke.models`; it is left as it is.
        schema: The model's schema but for larger `vocabulary_size`s, as
            `ke.data.Preprocessor.extend` gives it.
        out_of_vocabulary: Whether the last id of each table stands for unknown values, as in
            `ke.data.Vocabulary`, so that its row stays the last one. False: the last id is one as
            any other, and new rows follow it. Default: True.

    Returns:
        A model of the same class.

    Example:

    >>> rows = {"item": ["a", "b"], "click": [1, 0]}
    >>> data = ke.data.from_dataframe(rows, label="click")
    >>> model = ke.models.LogisticRegression(data.schema)
    >>> tomorrow = {"item": ["c", "a"], "click": [0, 1]}
    >>> preprocessor = data.preprocessor.extend(tomorrow)
    >>> grown = ke.models.grow(model, preprocessor.schema)
    >>> grown.schema.table_sizes
    {'item': 5}
    >>> new, old = (one.predict({"item": np.array([1])}, verbose=0) for one in (grown, model))
    >>> bool((new == old).all())
    True

    Raises:
        ValueError: If the schema is no extension of the model's; the message names the feature and
            the sizes.
    """
    _check(model.schema, schema)
    grown: RankingModel = type(model).from_config(
        {**model.get_config(), "schema": serialize(schema)}
    )
    moves = _moves(model, grown, out_of_vocabulary)
    for before, after in zip(model.variables, grown.variables, strict=True):
        move = moves.get(before.path)
        after.assign(_values(before) if move is None else move.apply(before, after))
    if getattr(model, "compiled", False):
        _compile_alike(model, grown)
        if model.optimizer is not None:
            _copy_optimizer(model, grown, moves)
    return grown


@dataclasses.dataclass(frozen=True)
class _Move:
    """Where the rows of a fused table go.

    Args:
        path: Of the table's weight.
        sizes: Rows of the old table and of the new one.
        targets: The place of each old row in the new table.
    """

    path: str
    sizes: tuple[int, int]
    targets: np.ndarray

    @classmethod
    def of(cls, old: EmbeddingTable, new: EmbeddingTable, out_of_vocabulary: bool) -> _Move:
        """The move of the rows of every table in a fused one."""
        targets = []
        for table, rows in old.rows.items():
            place = new.rows[table]
            target = np.arange(rows.stop - rows.start) + place.start
            if out_of_vocabulary:
                target[-1] = place.stop - 1
            targets.append(target)
        sizes = (sum(old.table_sizes.values()), sum(new.table_sizes.values()))
        return cls(old.embeddings.path, sizes, np.concatenate(targets))

    def apply(self, old: Any, new: Any) -> np.ndarray:
        """The values of a new variable, but old rows from an old one."""
        values = _values(new)
        values[self.targets] = _values(old)
        return values


def _values(variable: Any) -> np.ndarray:
    """A copy: on JAX, the next step of one model deletes the memory that another one shares."""
    return np.array(ops.convert_to_numpy(variable.value))


def _check(old: FeatureSchema, new: FeatureSchema) -> None:
    """Raise ValueError unless a schema differs from another by larger vocabularies alone."""
    if (old.label, old.group) != (new.label, new.group):
        raise ValueError(
            f"Expected a schema with label={old.label!r} and group={old.group!r}, as the model "
            f"has. Received: label={new.label!r}, group={new.group!r}"
        )
    if old.names != new.names:
        different = sorted(set(old.names) ^ set(new.names)) or ["their order"]
        raise ValueError(
            f"Expected a schema with the features of the model: {', '.join(old.names)}. Received: "
            f"{', '.join(new.names)}. They differ in: {', '.join(different)}"
        )
    for before, after in zip(old.features, new.features, strict=True):
        if not isinstance(before, Categorical | Sequence) or not isinstance(
            after, Categorical | Sequence
        ):
            if before != after:
                raise ValueError(
                    f"Feature '{before.name}': expected {before}, as the model has it. "
                    f"Received: {after}"
                )
            continue
        if after != dataclasses.replace(before, vocabulary_size=after.vocabulary_size):
            raise ValueError(
                f"Feature '{before.name}': expected {before} but for a larger vocabulary_size. "
                f"Received: {after}"
            )
        if after.vocabulary_size < before.vocabulary_size:
            raise ValueError(
                f"Feature '{before.name}': expected a vocabulary_size of at least "
                f"{before.vocabulary_size}, as the model has. Received: vocabulary_size="
                f"{after.vocabulary_size}. A vocabulary that was counted anew gives other ids; "
                "extend the one that the model was trained with"
            )


def _moves(old: Any, new: Any, out_of_vocabulary: bool) -> dict[str, _Move]:
    """How the rows of each fused table move, by the path of its weight."""
    return {
        layer.embeddings.path: _Move.of(layer, other, out_of_vocabulary)
        for layer, other in zip(inner_layers(old), inner_layers(new), strict=True)
        if isinstance(layer, EmbeddingTable)
    }


def _compile_alike(model: Any, grown: Any) -> None:
    try:
        grown.compile_from_config(model.get_compile_config())
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{type(model).__name__} '{model.name}': expected a loss, metrics and an optimizer "
            "that can be made anew from their configs. Register one's own by "
            f"@keras.saving.register_keras_serializable(). {error}"
        ) from error


def _copy_optimizer(model: Any, grown: Any, moves: dict[str, _Move]) -> None:
    """Give an optimizer what another one keeps, whose variables are in the same order."""
    build_optimizer(model)
    build_optimizer(grown)
    weights = {_slot_name(variable, "average"): variable for variable in grown.variables}
    for before, after in zip(model.optimizer.variables, grown.optimizer.variables, strict=True):
        if before.shape == after.shape:
            after.assign(_values(before))
            continue
        # The moving average of a weight begins with the weight, not with zero.
        begin = weights.get(after.name, after)
        after.assign(_move_of(before, after, moves).apply(before, begin))


def _move_of(old: Any, new: Any, moves: dict[str, _Move]) -> _Move:
    """The move of the table that a variable of an optimizer belongs to."""
    found = [move for move in moves.values() if move.sizes == (old.shape[0], new.shape[0])]
    named = [move for move in found if old.name.startswith(move.path.replace("/", "_"))]
    # Some, such as Adafactor's, do not bear the name of their weight.
    candidates = named or found
    if any((move.targets != candidates[0].targets).any() for move in candidates):
        raise ValueError(
            f"The optimizer's variable '{old.name}' may belong to the tables "
            f"{', '.join(move.path for move in candidates)}, whose rows move differently. Compile "
            "the model with an optimizer such as Adam, or grow it uncompiled"
        )
    return candidates[0]


def _slot_name(variable: Any, slot: str) -> str:
    """How Keras' optimizers call what they keep of a weight."""
    return f"{variable.path.replace('/', '_')}_{slot}"
