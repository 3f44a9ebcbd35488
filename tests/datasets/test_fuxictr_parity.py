"""Ids and numbers are those of FuxiCTR.

tests/golden/fuxictr_columns.json holds, for the generated files of each dataset, the SHA-256 of
every column as FuxiCTR 2.3.1 (with polars 1.31, pandas 2.3) encodes it: int32 ids and float32
numbers, in the order of the rows. The processors of the datasets, written for an older polars, were
called through `map_elements`.
"""

import hashlib  # noqa: TID251
import json
import pathlib

import numpy as np
import pytest

import keras_elastor as ke
from tests.data.raw_files import read

pytestmark = pytest.mark.backend_free

GOLDEN = json.loads(
    (pathlib.Path(__file__).parents[1] / "golden" / "fuxictr_columns.json").read_text()
)
ROWS = {
    **dict.fromkeys(("criteo_x1", "criteo_x4", "avazu_x4"), 20_000),
    **dict.fromkeys(("kuaivideo_x1", "taobaoad_x1", "movielens_latest"), 2_000),
}


@pytest.mark.parametrize("name", ROWS)
def test_every_id_and_number_is_that_of_fuxictr(name, tmp_path):
    files = ke.datasets.write_sample(name, tmp_path, ROWS[name])
    # Without KuaiVideo's pretrained vectors, which were not there.
    recipe = ke.datasets.get(name).recipe
    manifest = ke.data.prepare(files, recipe, tmp_path / "out", progress=False)
    golden = GOLDEN[name]
    for column, size in golden["vocabulary_sizes"].items():
        assert manifest.schema[column].vocabulary_size == size, column
    for split in manifest.splits:
        features, *_ = read(ke.data.load(tmp_path / "out", split, 5000))
        assert set(golden[split]) <= set(features)
        for column, expected in golden[split].items():
            data = np.ascontiguousarray(features[column]).tobytes()
            assert hashlib.sha256(data).hexdigest() == expected, (split, column)
