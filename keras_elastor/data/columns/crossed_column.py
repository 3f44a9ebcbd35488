"""A feature made of several columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from keras_elastor.data.columns.checks import OneTable, check_vocabulary, is_text, require


@dataclasses.dataclass(frozen=True)
class CrossedColumn(OneTable):
    r"""Several columns that become one `ke.Categorical` feature: a value per combination.

    The combination is a text: the texts of the values (one per value, however it is stored), joined
    by "|"; a "|" or a backslash within a value has a backslash before it, so that two combinations
    never have one text. Where one of the columns is missing, the combination is.

    Args:
        columns: Columns of the file, at least two.
        name: Name of the feature. Default: the columns joined by "_x_".
        min_count: As for `CategoricalColumn`, of the combination.
        fill: A text that takes the place of an empty field of any of the columns. Default: None, a
            combination with an empty field is missing.
        hash_buckets: As for `CategoricalColumn`.
        table: As for `CategoricalColumn`.
        dtypes: What the file holds in each of the columns: "string" or "integer" (also written as
            12.0). Default: (), "string" for all.

    Example:

    >>> column = ke.data.CrossedColumn(["gender", "occupation"])
    >>> column.name
    'gender_x_occupation'
    >>> rows = {"gender": ["f", "m", "f"], "occupation": [3, 3, None], "click": [1, 0, 0]}
    >>> data = ke.data.from_dataframe(rows, recipe=ke.data.Recipe([column], label="click"))
    >>> data.preprocessor.vocabularies["gender_x_occupation"].values
    ('f|3', 'm|3')
    >>> data.train.features["gender_x_occupation"].tolist()
    [1, 2, 3]

    Raises:
        ValueError: If there are fewer than two columns, or an argument is of another kind.
    """

    columns: tuple[str, ...]
    name: str = ""
    min_count: int = 1
    fill: str | None = None
    hash_buckets: int | None = None
    table: str | None = None
    dtypes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        is_list = isinstance(self.columns, Sequence) and not isinstance(self.columns, str)
        names = tuple(self.columns) if is_list else ()
        is_right = len(names) >= 2 and all(map(is_text, names)) and len(set(names)) == len(names)
        require(is_right, self.name, "columns", self.columns, "two or more names of columns")
        object.__setattr__(self, "columns", names)
        if self.name == "":
            object.__setattr__(self, "name", "_x_".join(names))
        check_vocabulary(self)
        dtypes = tuple(self.dtypes) or ("string",) * len(names)
        is_right = len(dtypes) == len(names) and set(dtypes) <= {"string", "integer"}
        require(is_right, self.name, "dtypes", self.dtypes, '"string" or "integer" per column')
        object.__setattr__(self, "dtypes", dtypes)
        require(
            self.fill is None or is_text(self.fill), self.name, "fill", self.fill, "None or a text"
        )
