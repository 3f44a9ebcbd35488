"""Generated rows in the raw format of each public dataset, to try the whole path offline."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.data.synthetic.draws import Draws
from keras_elastor.utils.files import atomic_file, atomic_path, make_folder
from keras_elastor.utils.optional import import_optional

Columns: TypeAlias = dict[str, Any]

_ZIPF_EXPONENT = 1.1
_KUAIVIDEO_ITEMS = 1000


def write_sample(
    name: str, folder: str | os.PathLike[str], rows: int, seed: int = 0
) -> dict[str, Path]:
    """Write generated rows in the raw format of a public dataset.

    The values are of the format and roughly of the skew of the real ones; the label depends on some
    of them, so that models have something to learn. They say nothing about results on real data.

    Args:
        name: One of `ke.datasets.list_datasets()`.
        folder: Folder to write; it is made.
        rows: Rows of the training split; the other splits have a tenth of them, at least 1.
        seed: Of the random numbers; equal arguments give equal files.

    Returns:
        The file of each split.

    Example:

    >>> import tempfile
    >>> files = ke.datasets.write_sample("avazu_x4", tempfile.mkdtemp(), rows=2)
    >>> files["train"].read_text().splitlines()[0][:24]
    'id,click,hour,C1,banner_'

    Raises:
        ValueError: If the name is unknown, or `rows` is below 1.
    """
    pl = import_optional("polars", extra="data")
    if name not in _FORMATS:
        raise ValueError(
            f"Expected the name of a dataset: {', '.join(_FORMATS)}. Received: {name!r}"
        )
    if rows < 1:
        raise ValueError(f"Expected rows >= 1. Received: rows={rows!r}")
    splits, label, make = _FORMATS[name]
    make_folder(folder)
    paths = {}
    for number, split in enumerate(splits):
        count = rows if split == "train" else max(rows // 10, 1)
        columns = make(_Values(seed, number, count))
        clicks = _clicks(columns, Draws(seed, 1 << 32, number))
        table = {
            label if column == _LABEL else column: clicks if column == _LABEL else content
            for column, content in columns.items()
        }
        path = Path(folder) / f"{split}.csv"
        with atomic_path(path) as temporary:
            pl.DataFrame(table).write_csv(temporary)
        paths[split] = path
    if name == "kuaivideo_x1":
        _write_vectors(Path(folder) / "item_visual_emb_dim64.h5", seed)
    return paths


def _write_vectors(path: Path, seed: int) -> None:
    """Vectors of all videos, those included that no row has."""
    h5py = import_optional("h5py", extra="data")
    keys = np.arange(_KUAIVIDEO_ITEMS)
    values = Draws(seed, 2 << 32, 0).uniform(len(keys) * 64).reshape(-1, 64)
    # Given a name, HDF5 ends the process where a disk is full.
    with atomic_file(path) as opened, h5py.File(opened, "w") as file:
        file["key"], file["value"] = keys, values.astype(np.float32)


class _Values:
    """Columns of one split; a column's distribution is the same in every split.

    Args:
        seed: Of the dataset.
        split: Number of the split.
        rows: Rows of the split.
    """

    def __init__(self, seed: int, split: int, rows: int) -> None:
        self._seed = seed
        self._split = split
        self._columns = 0
        self.rows = rows

    def _draws(self) -> Draws:
        self._columns += 1
        return Draws(self._seed, self._columns, self._split)

    def indices(self, size: int) -> np.ndarray:
        """Numbers below a size, by a law of Zipf."""
        weights = np.arange(1, size + 1) ** -_ZIPF_EXPONENT
        return self._draws().categories(np.cumsum(weights / weights.sum()), self.rows)

    def words(self, size: int, missing: float = 0.0) -> Any:
        """Words of 8 hexadecimal digits, some of them missing."""
        pl = import_optional("polars", extra="data")
        hashes = (self.indices(size).astype(np.uint64) + 1) * np.uint64(2654435761)
        words = np.char.mod("%08x", hashes % np.uint64(1 << 32))
        absent = self._draws().uniform(self.rows) < missing
        return pl.Series(words).set(pl.Series(absent), None)

    def counts(self, size: int, lowest: int = 0, missing: float = 0.0) -> Any:
        """Whole numbers of many magnitudes, some of them missing."""
        pl = import_optional("polars", extra="data")
        numbers = self.indices(size).astype(np.int64) ** 3 + lowest
        absent = self._draws().uniform(self.rows) < missing
        return pl.Series(numbers).set(pl.Series(absent), None)

    def histories(self, items: int, length: int) -> list[str]:
        """Lists of up to a length of items as text."""
        lengths = (self._draws().uniform(self.rows) * (length + 1)).astype(int)
        draws = self._draws()
        weights = np.arange(1, items + 1) ** -_ZIPF_EXPONENT
        values = draws.categories(np.cumsum(weights / weights.sum()), int(lengths.sum()))
        parts = np.split(values, np.cumsum(lengths)[:-1])
        return ["^".join(map(str, part.tolist())) for part in parts]


_LABEL = "/label"


def _criteo_x1(values: _Values) -> Columns:
    numbers = {f"I{i}": values.counts(10, 0) / 1000 for i in range(1, 14)}
    categories = {f"C{i}": values.indices(4 * i * i).astype(float) for i in range(1, 27)}
    return {_LABEL: None, **numbers, **categories}


def _criteo_x4(values: _Values) -> Columns:
    numbers = {f"I{i}": values.counts(20 + i, -(i % 3), missing=0.2) for i in range(1, 14)}
    categories = {
        f"C{i}": values.words(4 * i * i, missing=0.1 if i % 5 == 0 else 0.0) for i in range(1, 27)
    }
    return {_LABEL: None, **numbers, **categories}


def _avazu_x4(values: _Values) -> Columns:
    hours = values.indices(240)
    times = [f"1410{21 + hour // 24:02d}{hour % 24:02d}" for hour in hours.tolist()]
    texts = ["site_id", "site_domain", "site_category", "app_id", "app_domain", "app_category"]
    texts += ["device_id", "device_ip", "device_model"]
    codes = ("device_type", "device_conn_type", *(f"C{i}" for i in range(14, 22)))
    return {
        "id": np.arange(values.rows).astype(str),
        _LABEL: None,
        "hour": times,
        "C1": values.indices(7) + 1000,
        "banner_pos": values.indices(5),
        **{name: values.words(30 * (i + 1)) for i, name in enumerate(texts)},
        **{name: values.indices(10 * (i + 1)) for i, name in enumerate(codes)},
    }


def _kuaivideo_x1(values: _Values) -> Columns:
    return {
        "timestamp": np.arange(values.rows),
        "user_id": values.indices(200),
        "item_id": values.indices(_KUAIVIDEO_ITEMS),
        _LABEL: None,
        "is_like": values.indices(2),
        "is_follow": values.indices(2),
        "pos_items": values.histories(_KUAIVIDEO_ITEMS, 100),
        "neg_items": values.histories(_KUAIVIDEO_ITEMS, 100),
    }


def _taobaoad_x1(values: _Values) -> Columns:
    profile = ["cms_segid", "cms_group_id", "final_gender_code", "age_level", "pvalue_level"]
    profile += ["shopping_level", "occupation", "new_user_class_level"]
    advert = ("adgroup_id", "cate_id", "campaign_id", "customer", "brand")
    return {
        _LABEL: None,
        "userid": values.indices(300),
        **{name: values.indices(3 + i) for i, name in enumerate(profile)},
        **{name: values.indices(50 * (i + 1)) for i, name in enumerate(advert)},
        "price": values.counts(15, 1) / 10,
        "pid": values.words(2),
        "btag": np.ones(values.rows, int),
        "cate_his": values.histories(100, 60),
        "brand_his": values.histories(250, 60),
        "btag_his": values.histories(4, 60),
    }


def _movielens_latest(values: _Values) -> Columns:
    sizes = {"user_id": 500, "item_id": 900, "tag_id": 300}
    return {_LABEL: None, **{name: values.indices(size) for name, size in sizes.items()}}


_Make: TypeAlias = Callable[[_Values], Columns]
_THREE, _TWO = ("train", "valid", "test"), ("train", "test")
_FORMATS: Mapping[str, tuple[tuple[str, ...], str, _Make]] = {
    "criteo_x1": (_THREE, "label", _criteo_x1),
    "criteo_x4": (_THREE, "Label", _criteo_x4),
    "avazu_x4": (_THREE, "click", _avazu_x4),
    "kuaivideo_x1": (_TWO, "is_click", _kuaivideo_x1),
    "taobaoad_x1": (_TWO, "clk", _taobaoad_x1),
    "movielens_latest": (_THREE, "label", _movielens_latest),
}


def _clicks(columns: Columns, draws: Draws) -> np.ndarray:
    """Labels that depend on a few of the columns."""
    pl = import_optional("polars", extra="data")
    rows = next(len(values) for values in columns.values() if values is not None)
    logit = np.full(rows, -1.0)
    # The first ones are the numbers or contexts, which differ most between rows.
    informative = [name for name in columns if name not in (_LABEL, "id", "timestamp")][:8]
    for position, name in enumerate(informative):
        text = pl.Series(columns[name]).cast(pl.String).fill_null("")
        last = np.array([sum(value.encode()) for value in text.to_list()])
        logit += 0.6 * np.sin(last * (position + 1))
    clicks: np.ndarray = draws.uniform(rows) < 1 / (1 + np.exp(-logit))
    return clicks.astype(np.int64)
