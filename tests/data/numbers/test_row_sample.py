"""The sample of rows: the same whatever the parts, and a fair one."""

import numpy as np
import pyarrow as pa
import pytest

from keras_elastor.data.numbers import row_sample
from keras_elastor.data.numbers.row_sample import draw_sample, merge_samples

pytestmark = pytest.mark.backend_free


def table(numbers):
    return pa.table({"x": np.asarray(numbers, "float32"), "y": -np.asarray(numbers, "float32")})


def test_a_small_table_is_its_own_sample():
    sample = merge_samples([draw_sample(table(range(50)), ["x", "y"])])
    assert sorted(sample["x"].to_list()) == list(range(50))
    assert (sample["x"] == -sample["y"]).all()


@pytest.mark.parametrize("cuts", [[], [1], [300, 301, 999], [500]])
def test_parts_and_their_order_do_not_matter(monkeypatch, cuts):
    monkeypatch.setattr(row_sample, "SAMPLE_ROWS", 100)
    rows = table(range(1000))
    parts = [
        draw_sample(rows.slice(start, end - start), ["x"], first_row=start)
        for start, end in zip([0, *cuts], [*cuts, 1000], strict=True)
    ]
    whole = merge_samples([draw_sample(rows, ["x"])])
    assert len(whole) == 100
    assert merge_samples(parts[::-1]).equals(whole)
    nested = [merge_samples(parts[:2]), *parts[2:]]
    assert merge_samples(nested).equals(whole)


def test_rows_of_two_files_are_drawn_alike(monkeypatch):
    monkeypatch.setattr(row_sample, "SAMPLE_ROWS", 20_000)
    parts = [draw_sample(table(np.full(50_000, file)), ["x"], file) for file in (0, 1)]
    sample = merge_samples(parts)["x"].to_numpy()
    # Within four standard deviations of a fair coin.
    assert abs(sample.mean() - 0.5) < 4 * 0.5 / 20_000**0.5
    keys = merge_samples(parts)["/key"]
    assert keys.n_unique() == len(keys)


def test_the_sample_is_uniform_over_the_rows(monkeypatch):
    monkeypatch.setattr(row_sample, "SAMPLE_ROWS", 20_000)
    numbers = merge_samples([draw_sample(table(range(200_000)), ["x"])])["x"].to_numpy()
    counts = np.histogram(numbers, bins=20, range=(0, 200_000))[0]
    chi_squared = ((counts - 1000) ** 2 / 1000).sum()
    # The 99.9 % point of 19 degrees of freedom; a sample without replacement varies less.
    assert chi_squared < 43.8
