"""Embedding tables that begin every epoch anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from keras_elastor.keras_compat.layer_state import inner_layers
from keras_elastor.keras_compat.optimizer_state import reset_slots
from keras_elastor.keras_compat.sparse_rows import assign_all_rows
from keras_elastor.layers import EmbeddingTable
from keras_elastor.utils.seeds import derive_seed


class RedrawEmbeddings(keras.callbacks.Callback):
    """Draws all embedding tables anew before every epoch but the first.

        before epoch k > 0:   E <- initializer(seed, k),   slots of E <- those of a new optimizer,
                              all other weights and their slots stay

    A model that memorizes its rows by their embeddings overfits as soon as it sees them twice. With
    new tables the dense part is trained over several epochs, each time on other embeddings of the
    same values, and the tables over one.

    Tables are those of `FeatureEncoder` and `LinearTerm`, shared ones and those of histories
    included. The vectors of numeric features and the maps of `Embedding` features belong to the
    dense part. Tables that are frozen (`trainable=False`) are left alone; those whose rows were
    trained elsewhere must be named in `keep`, as nothing else tells them from others.

    What is drawn follows from the seed and the number of the epoch alone, so that a training that
    goes on at an epoch, by `fit(..., initial_epoch=3)`, draws the same. An initializer that has no
    argument `seed` draws what it draws.

    Args:
        seed: What the tables are drawn from. Default: 0.
        keep: Names of tables, keys of `FeatureSchema.table_sizes`, whose rows stay. Default: ().

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("item", 20)])
    >>> model = ke.models.DNN(schema, hidden_units=[4])
    >>> model.compile()
    >>> rows = {"item": np.arange(20)}
    >>> history = model.fit(
    ...     rows, np.arange(20) % 2, epochs=3, callbacks=[ke.training.RedrawEmbeddings()], verbose=0
    ... )

    Raises:
        ValueError: When the training begins, if the model has no table to draw or none of a name
            in `keep`; when a table is drawn, if the optimizer's slots do not bear the names of
            their weights.

    Reference: Multi-Epoch Learning for Deep Click-Through Rate Prediction Models (arXiv
    2305.19531), whose embeddings are initialized anew at each epoch.
    """

    def __init__(self, seed: int = 0, keep: Iterable[str] = ()) -> None:
        super().__init__()
        self.seed = seed
        self.keep = frozenset([keep] if isinstance(keep, str) else keep)

    def on_train_begin(self, logs: Any = None) -> None:
        """Check that there is something to draw."""
        tables = [layer for layer in inner_layers(self.model) if isinstance(layer, EmbeddingTable)]
        names = {name for table in tables for name in table.table_sizes}
        unknown = sorted(self.keep - names)
        if unknown:
            raise ValueError(
                f"RedrawEmbeddings: expected `keep` to name tables of the model: "
                f"{', '.join(sorted(names)) or 'it has none'}. Received: {', '.join(unknown)}"
            )
        if not any(_is_drawn(table) and table.table_sizes.keys() - self.keep for table in tables):
            raise ValueError(
                "RedrawEmbeddings: expected a model with embedding tables that are trained. "
                f"Received: {type(self.model).__name__} '{self.model.name}' without one"
            )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Draw the tables, unless it is the first epoch."""
        if epoch > 0:
            self.redraw(epoch)

    def redraw(self, epoch: int) -> None:
        """Draw the tables for an epoch.

        Args:
            epoch: Number of the epoch.
        """
        for layer in inner_layers(self.model):
            if isinstance(layer, EmbeddingTable) and _is_drawn(layer):
                weight = layer.embeddings
                seed = derive_seed(self.seed, f"redraw/{weight.path}", epoch)
                kept = self._kept_rows(layer)
                assign_all_rows(weight, layer.draw(seed), kept)
                reset_slots(self.model.optimizer, weight, kept)

    def _kept_rows(self, table: EmbeddingTable) -> np.ndarray:
        is_kept = np.zeros(table.embeddings.shape[0], bool)
        for name, rows in table.rows.items():
            is_kept[rows] = name in self.keep
        return np.flatnonzero(is_kept)


def _is_drawn(table: EmbeddingTable) -> bool:
    return bool(table.trainable and table.embeddings.trainable)
