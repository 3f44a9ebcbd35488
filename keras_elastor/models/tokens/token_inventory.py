"""Which features make which tokens of RankUp, from which embedding tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from keras import ops

from keras_elastor.layers import FeatureEncoder
from keras_elastor.layers.embedding.history_pooling import check_poolings
from keras_elastor.models.encoder_template import with_schema
from keras_elastor.models.ranking_model import select_features
from keras_elastor.schema import Categorical, Embedding, FeatureSchema, Numeric
from keras_elastor.schema import Sequence as History
from keras_elastor.utils.saving import deserialize
from keras_elastor.utils.types import Tensor

FAMILIES = ("sparse", "global", "dense", "sequence")
EmbeddingSets: TypeAlias = Mapping[str, int | Sequence[int]]


class TokenInventory:
    """The features of each family of tokens, and the sets of tables that each family reads.

    Args:
        schema: The schema of the model.
        crosses: Pairs of names of pretrained vectors; they are no dense features.
        embedding_sets: For each family that reads other tables than those of set 0: the number of
            its set, or several.

    Raises:
        ValueError: If a pair is not of two vectors of one width, a family or a set is unknown, or
            there is no categorical feature.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        crosses: Sequence[Sequence[str]],
        embedding_sets: EmbeddingSets,
    ) -> None:
        self.schema = schema
        for pair in crosses:
            _check_cross(schema, pair)
        crossed = {name for pair in crosses for name in pair}
        sparse = self._names(Categorical)
        if not sparse:
            raise ValueError(
                "RankUp: expected a schema with Categorical features, which its tokens are made "
                f"of. Received: features {', '.join(schema.names)}"
            )
        self.features = {
            "sparse": sparse,
            "global": sparse,
            "dense": [n for n in self._names(Numeric, Embedding) if n not in crossed],
            "sequence": self._names(History),
        }
        self.sets = _checked_sets(embedding_sets)

    def _names(self, *kinds: type) -> list[str]:
        return [feature.name for feature in self.schema.features if isinstance(feature, kinds)]

    def without(self, family: str) -> None:
        """Leave out a family."""
        self.features[family] = []

    def embed(
        self, template: FeatureEncoder, inputs: Mapping[str, Tensor], dtype: Any
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The embeddings of each set, by the name of its encoder, and those of each family.

        Returns:
            Two dicts of `(batch, fields, width)`; a family without features is left out.
        """
        pooling = deserialize(template.history_pooling)
        check_poolings("RankUp", pooling, self.schema, template.joint_histories)
        encoded: dict[str, Tensor] = {}
        names: dict[int, tuple[str, ...]] = {}
        for index in sorted({one for sets in self.sets.values() for one in sets}):
            readers = [family for family in FAMILIES if index in self.sets[family]]
            read = {name for family in readers for name in self.features[family]}
            if read:
                part = select_features(self.schema, read)
                encoder = _make_encoder(template, part, dtype, index)
                names[index] = part.names
                encoded[encoder.name] = encoder({name: inputs[name] for name in part.names})
        by_index = dict(zip(names, encoded.values(), strict=True))
        families = {}
        for family, members in self.features.items():
            if members:
                parts = [
                    ops.take(by_index[index], [names[index].index(m) for m in members], axis=1)
                    for index in self.sets[family]
                ]
                families[family] = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)
        return encoded, families


def _make_encoder(
    template: FeatureEncoder, part: FeatureSchema, dtype: Any, index: int
) -> FeatureEncoder:
    """The encoder of one set of tables; of histories that it does not see nothing is said."""
    joint = [group for group in template.joint_histories if set(group) <= set(part.names)]
    pooling = deserialize(template.history_pooling)
    if isinstance(pooling, Mapping):
        pooling = {name: layer for name, layer in pooling.items() if name in part.names}
    settings = {
        **template.get_config(),
        "joint_histories": joint,
        "history_pooling": pooling,
    }
    name = "encoder" if index == 0 else f"encoder_{index}"
    return with_schema(type(template).from_config(settings), part, dtype, name)


def _check_cross(schema: FeatureSchema, pair: Sequence[str]) -> None:
    vectors = {f.name: f.dim for f in schema.features if isinstance(f, Embedding)}
    known = not isinstance(pair, str) and len(pair) == 2 and all(name in vectors for name in pair)
    if not known or vectors[pair[0]] != vectors[pair[1]]:
        listed = ", ".join(f"{name} (dim {dim})" for name, dim in vectors.items()) or "none"
        raise ValueError(
            "RankUp: expected `crosses` to be pairs of names of Embedding features of one dim. The "
            f"schema has: {listed}. Received: {pair!r}"
        )


def _checked_sets(embedding_sets: EmbeddingSets) -> dict[str, tuple[int, ...]]:
    sets: dict[str, tuple[int, ...]] = dict.fromkeys(FAMILIES, (0,))
    for family, given in embedding_sets.items():
        chosen = (given,) if isinstance(given, int) else tuple(given)
        right = chosen and all(type(one) is int and one >= 0 for one in chosen)
        if family not in FAMILIES or not right or len(set(chosen)) < len(chosen):
            raise ValueError(
                f"RankUp: expected `embedding_sets` to give for some of {', '.join(FAMILIES)} the "
                "number of a set of tables, from 0 on, or several different ones. Received: "
                f"{family!r}: {given!r}"
            )
        sets[family] = chosen
    return sets
