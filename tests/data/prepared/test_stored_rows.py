import numpy as np
import polars as pl
import pytest

from keras_elastor.data.prepared.stored_rows import Place, load_place, load_rows, save_rows
from keras_elastor.data.reading.typed_rows import type_rows
from tests.data.raw_files import RECIPE, make_rows

pytestmark = pytest.mark.backend_free

PLACE = Place(source=1, end=2**40, next_row=7, progress=9, rejected=2)


@pytest.mark.parametrize(
    "rows",
    [make_rows(50), make_rows(50).with_columns(item=pl.lit("")), make_rows(50)[:0]],
    ids=["rows", "no items", "no rows"],
)
def test_rows_come_back_with_their_place(tmp_path, rows):
    saved, _, bad = type_rows(rows.to_arrow(), RECIPE, {})
    assert not bad
    save_rows(tmp_path / "train-00000.rows", saved, PLACE)
    assert [path.name for path in tmp_path.iterdir()] == ["train-00000.rows"]
    loaded, place = load_rows(tmp_path / "train-00000.rows")
    assert place == load_place(tmp_path / "train-00000.rows") == PLACE
    assert loaded.features.to_pydict() == saved.features.to_pydict()
    for name in ("labels", "group", "weight"):
        left, right = getattr(loaded, name), getattr(saved, name)
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)
