"""A column of raw rows, held as distinct values and the place of each row's value among them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.utils.optional import import_optional

Array: TypeAlias = Any
Series: TypeAlias = Any


@dataclasses.dataclass(frozen=True)
class RawColumn:
    """A raw column, as distinct values where it has these: what is done, is done once for each.

    Args:
        name: Of the column.
        array: Its values, an Arrow array without dictionary; null where a field is empty.
        codes: The place in `array` of each row's value; None where `array` is that of the rows.
    """

    name: str
    array: Array
    codes: np.ndarray | None

    @classmethod
    def of(
        cls,
        name: str,
        array: Array,
        as_codes: bool = False,
        null_values: Sequence[str] = (),
        trim: bool = False,
    ) -> RawColumn:
        """The values of an Arrow array.

        Args:
            name: Of the column.
            array: Its values.
            as_codes: Whether to hold distinct values.
            null_values: Texts that stand for a missing value, besides the empty one.
            trim: Whether blanks around text are left out.
        """
        pa = import_optional("pyarrow", extra="data")
        pc = import_optional("pyarrow.compute", extra="data")
        if pa.types.is_dictionary(array.type) and array.null_count:
            array = array.cast(array.type.value_type)
        if pa.types.is_string_view(array.type):
            array = array.cast(pa.large_string())
        array = without_views(array)
        if trim:
            array = _trimmed(array)
        if as_codes and not (pa.types.is_dictionary(array.type) or pa.types.is_nested(array.type)):
            array = array.dictionary_encode(null_encoding="encode")
        codes = None
        if pa.types.is_dictionary(array.type):
            array, codes = array.dictionary, array.indices.to_numpy()
        column = cls(name, array, codes)
        if column.is_text:
            array = pc.if_else(pc.not_equal(array, ""), array, None)
            if null_values:
                is_marker = pc.is_in(array, pa.array(null_values, array.type))
                array = pc.if_else(is_marker, None, array)
        return cls(name, array, codes)

    @property
    def is_text(self) -> bool:
        """Whether the values are strings."""
        types = import_optional("pyarrow", extra="data").types
        return bool(types.is_string(self.array.type) or types.is_large_string(self.array.type))

    @functools.cached_property
    def values(self) -> Series:
        """The values as a polars column."""
        return import_optional("polars", extra="data").from_arrow(self.array)

    def rows(self, values: np.ndarray) -> np.ndarray:
        """What belongs to each row, of what belongs to each value."""
        return values if self.codes is None else values[self.codes]

    def show(self, row: int) -> str:
        """The value of a row, for a message."""
        value = self.array[row if self.codes is None else int(self.codes[row])].as_py()
        return "an empty field" if value is None else repr(value)

    def dictionary(self, values: Series | None = None) -> Array:
        """The rows as a dictionary of their values, or of what these became."""
        pa = import_optional("pyarrow", extra="data")
        array, codes = self.array, self.codes
        if values is not None:
            distinct = values.to_arrow().dictionary_encode(null_encoding="encode")
            array, codes = distinct.dictionary, self.rows(distinct.indices.to_numpy())
        return pa.DictionaryArray.from_arrays(codes, array)


def _trimmed(array: Array) -> Array:
    """Text without blanks around it; anything else as it is."""
    pa = import_optional("pyarrow", extra="data")
    pc = import_optional("pyarrow.compute", extra="data")
    if pa.types.is_dictionary(array.type) and pa.types.is_string(array.type.value_type):
        # Two values may become one, so the dictionary is made anew.
        return _trimmed(array.cast(array.type.value_type)).dictionary_encode()
    is_text = pa.types.is_string(array.type) or pa.types.is_large_string(array.type)
    return pc.utf8_trim_whitespace(array) if is_text else array


def without_views(array: Array) -> Array:
    """A column of list views as one of lists, which polars reads; any other as it is.

    Arrow's own cast (26.0) loses elements.
    """
    pa = import_optional("pyarrow", extra="data")
    if not (pa.types.is_list_view(array.type) or pa.types.is_large_list_view(array.type)):
        return array
    pc = import_optional("pyarrow.compute", extra="data")
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy()
    ends = np.cumsum(lengths, dtype=np.int64)
    return pa.LargeListArray.from_arrays(
        pa.array(np.insert(ends, 0, 0)), array.flatten(), mask=pc.is_null(array)
    )
