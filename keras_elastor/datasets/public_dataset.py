"""What one needs to know about a public dataset."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from keras_elastor.data import Recipe


@dataclasses.dataclass(frozen=True)
class PublicDataset:
    """A dataset with published results, and the rules under which they hold.

    Tables of one's own need a name, a recipe and files only.

    Args:
        name: As `ke.datasets.prepare`, `ke.datasets.load` and TensorFlow Datasets take it.
        recipe: The preprocessing of the published results.
        files: The file of each split, or its files.
        rows: The published number of rows of each split.
        md5: The published MD5 sum of the file of each split.
        description: What its rows are.
        homepage: Where a person gets the files.
        licence: The conditions of their use.
        citation: The publications.
        vectors: By table, the file of pretrained vectors, whose keys are known values: HDF5 with
            the arrays `key` (rows) and `value` (rows, width).
        archive: Address of the files in one archive, where the licence lets anyone fetch them
            without asking. Default: a person has to get them.
    """

    name: str
    recipe: Recipe
    files: Mapping[str, str | tuple[str, ...]]
    rows: Mapping[str, int] = dataclasses.field(default_factory=dict)
    md5: Mapping[str, str] = dataclasses.field(default_factory=dict)
    description: str = ""
    homepage: str = ""
    licence: str = ""
    citation: str = ""
    vectors: Mapping[str, str] = dataclasses.field(default_factory=dict)
    archive: str | None = None

    @property
    def file_names(self) -> tuple[str, ...]:
        """The names of all files."""
        groups = ((group,) if isinstance(group, str) else group for group in self.files.values())
        names = [name for group in groups for name in group]
        return tuple(dict.fromkeys([*names, *self.vectors.values()]))

    @property
    def source(self) -> str:
        """Where a person gets the files, and under which conditions."""
        if not self.homepage:
            return f"Nobody has said where the files of {self.name} come from."
        place = f"Get the files of {self.name} from {self.homepage} (licence: {self.licence})"
        return f"{place}, or unpack {self.archive} there." if self.archive else f"{place}."
