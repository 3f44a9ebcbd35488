"""A feature encoder that keeps the events of histories apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_elastor.keras_compat.row_places import take_of_each_row
from keras_elastor.layers.embedding.feature_encoder import FeatureEncoder, side_by_side
from keras_elastor.schema import Sequence as History
from keras_elastor.utils.types import Config, Shape, Tensor


class EventEncoder(FeatureEncoder):
    """A `FeatureEncoder` that pools no history of `event_histories`.

    Those histories tell of the same events, one column each: event i has the i-th id of each. All
    tables are those of one `FeatureEncoder`.

    Args:
        event_histories: Names of the histories that are kept as events.
        kwargs: Arguments of `FeatureEncoder`, the schema among them.

    Returns of a call:
        A list of three tensors: embeddings of all other features, `(batch, fields, embedding_dim)`;
        events, the last ones that are there at the end, `(batch, max_length, histories *
        embedding_dim)`; and 1 where there is an event, 0 at padding, `(batch, max_length)`, int32.

    Raises:
        ValueError: If there is no history, a name is no `Sequence`, or lengths differ.
    """

    def __init__(self, event_histories: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.event_histories = tuple(event_histories)
        known = {history.name: history for history in self._features(History)}
        lengths = {n: known[n].max_length for n in self.event_histories if n in known}
        if not lengths or len(lengths) < len(self.event_histories):
            raise ValueError(
                "Expected the events of a model to be Sequence features of its schema, which are: "
                f"{', '.join(known) or 'none'}. Received: {list(self.event_histories)}"
            )
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise ValueError(
                "Expected the histories of one kind of events to have one max_length. Received: "
                f"{listed}. Name those that belong together; the others are pooled"
            )

    def _history_groups(self) -> list[list[Any]]:
        events = set(self.event_histories)
        groups = super()._history_groups()
        return [group for group in groups if not events & {history.name for history in group}]

    @property
    def _fields(self) -> tuple[Any, ...]:
        return tuple(f for f in self.schema.features if f.name not in self.event_histories)

    @property
    def field_names(self) -> list[str]:
        """Names of the features that are fields, in order."""
        return [feature.name for feature in self._fields]

    def call(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        """Embed the fields and the events."""
        rows, histories = self._look_up(inputs)
        fields = self._embed_fields(inputs, rows, histories)
        present = ops.cast(ops.not_equal(inputs[self.event_histories[0]], 0), "int32")
        events = side_by_side([histories[name] for name in self.event_histories])
        # Padding first, wherever it stood: distances between events are those between positions.
        # By `top_k`, as ONNX has no sort; no two keys are equal.
        length = present.shape[1]
        keys, order = ops.top_k(-present * length - ops.arange(length, dtype="int32"), length)
        events = take_of_each_row(events, order)
        present = ops.cast(keys <= -length, "int32")
        return [fields, ops.cast(events, self.compute_dtype), present]

    def compute_output_spec(self, inputs: dict[str, Tensor]) -> list[Any]:
        """Shapes and dtypes of the three outputs."""
        shapes = {name: tensor.shape for name, tensor in inputs.items()}
        dtypes = (self.compute_dtype, self.compute_dtype, "int32")
        outputs = zip(self.compute_output_shape(shapes), dtypes, strict=True)
        return [keras.KerasTensor(shape, dtype=dtype) for shape, dtype in outputs]

    def compute_output_shape(self, input_shape: dict[str, Shape]) -> Any:
        """Shapes of the three outputs."""
        fields = super().compute_output_shape(input_shape)
        length = self.schema[self.event_histories[0]].max_length
        width = len(self.event_histories) * self.embedding_dim
        return [fields, (fields[0], length, width), (fields[0], length)]

    def get_config(self) -> Config:
        """Constructor arguments."""
        return {**super().get_config(), "event_histories": self.event_histories}
