"""Values that training files wrote otherwise than as their canonical text, such as "101.0"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.data.vocabularies.vocabulary import Vocabulary
from keras_elastor.utils.optional import import_optional

Series: TypeAlias = Any


class Respelled:
    """Finds the ids of values in a vocabulary of text by what the text tells of.

    Args:
        vocabulary: Of a column that was text. Where several of its texts tell of one value, the
            first stands for it.
        tell: Gives the canonical texts of what texts tell of, and marks of those that tell of
            nothing, as `text_as_kind` does.

    Example:

    >>> import functools
    >>> import polars as pl
    >>> from keras_elastor.data.reading.text_as_kind import text_as_kind
    >>> from keras_elastor.data.vocabularies.respelled import Respelled
    >>> as_numbers = functools.partial(text_as_kind, kind="numbers")
    >>> found = Respelled(ke.data.Vocabulary(("101.0", "7")), as_numbers)
    >>> found.encode(pl.Series(["7", "101", "8"])).tolist()
    [2, 1, 3]
    """

    def __init__(
        self, vocabulary: Vocabulary, tell: Callable[[Series], tuple[Series, Series]]
    ) -> None:
        pl = import_optional("polars", extra="data")
        told, bad = tell(pl.Series(vocabulary.values, dtype=pl.String))
        kept = ~bad & told.is_not_null() & told.is_first_distinct()
        self._told = Vocabulary(tuple(told.filter(kept).to_list()))
        places = np.flatnonzero(kept.to_numpy()) + 1
        self._ids = np.concatenate([[0], places, [vocabulary.out_of_vocabulary]]).astype(np.int32)

    def knows(self, texts: Series) -> np.ndarray:
        """Whether a text of the vocabulary tells of each value, `(rows,)` bool."""
        known: np.ndarray = self._told.encode(texts) < self._told.out_of_vocabulary
        return known

    def encode(self, texts: Series) -> np.ndarray:
        """The ids of canonical texts, `(rows,)` int32."""
        ids: np.ndarray = self._ids[self._told.encode(texts)]
        return ids
