"""What one needs to know about a public dataset."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from keras_elastor.data import Recipe


@dataclasses.dataclass(frozen=True)
class PublicDataset:
    """A dataset with published results, and the rules under which they hold.

    Args:
        name: as `ke.datasets.prepare` takes it.
        recipe: the preprocessing of the published results.
        files: the file of each split.
        rows: the rows of each split.
        md5: the MD5 sum of each file; none where none is published.
        source: where a person gets the files, and under which conditions.
        citation: the publications.
    """

    name: str
    recipe: Recipe
    files: Mapping[str, str]
    rows: Mapping[str, int]
    md5: Mapping[str, str]
    source: str
    citation: str
