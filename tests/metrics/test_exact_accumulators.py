"""The streams behind `ke.evaluate` against the metrics of whole arrays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import keras_elastor as ke
from keras_elastor.metrics import exact_accumulators
from keras_elastor.metrics.exact_accumulators import BlockSum, GroupCodes, GrowingArray, PairStream
from tests.assertions import raises_value_error
from tests.metrics.test_exact import impressions

pytestmark = pytest.mark.backend_free


def fill(pairs, labels, scores, weights=None, groups=None, batch_size=777):
    codes = GroupCodes()
    for start in range(0, len(labels), batch_size):
        rows = slice(start, start + batch_size)
        pairs.add(
            labels[rows] == 1,
            scores[rows],
            None if weights is None else weights[rows],
            None if groups is None else codes.encode(groups[rows]),
        )
    return pairs


@pytest.mark.parametrize("weighted", [False, True])
def test_auc_equals_that_of_the_whole(weighted):
    labels, logits = impressions(20_000, 0.1)
    logits = np.round(logits, 2)
    weights = np.random.default_rng(1).gamma(1.0, size=20_000).astype("float32")
    weights = weights if weighted else None
    expected = ke.metrics.exact_auc(labels, logits, weights)
    auc = fill(PairStream(), labels, logits, weights).auc()
    assert auc == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("chunk", [1 << 20, 100])
def test_group_auc_equals_that_of_the_whole(weighted, chunk, monkeypatch):
    monkeypatch.setattr(exact_accumulators, "_CHUNK_ROWS", chunk)
    labels, logits = impressions(20_000, 0.1)
    logits = np.round(logits, 1)
    rng = np.random.default_rng(1)
    # One group larger than a chunk, many small ones.
    groups = np.where(rng.random(20_000) < 0.2, 7, rng.integers(-2000, 2000, 20_000))
    weights = rng.gamma(1.0, size=20_000).astype("float32") if weighted else None
    expected = ke.metrics.group_auc(labels, logits, groups, weights)
    stream = fill(PairStream(grouped=True), labels, logits, weights, groups)
    assert stream.group_auc() == pytest.approx(expected, abs=1e-12)
    assert stream.num_groups() == len(np.unique(groups))


def test_weights_may_begin_in_a_later_batch():
    labels, logits = impressions(2000, 0.3)
    weights = np.ones(2000, "float32")
    weights[1000:] = 3
    stream = fill(PairStream(), labels[:1000], logits[:1000])
    fill(stream, labels[1000:], logits[1000:], weights[1000:])
    expected = ke.metrics.exact_auc(labels, logits, weights)
    assert stream.auc() == pytest.approx(expected, abs=1e-12)


def test_goes_on_after_a_result():
    labels, logits = impressions(2000, 0.3)
    stream = fill(PairStream(), labels[:900], logits[:900])
    stream.auc()
    fill(stream, labels[900:], logits[900:])
    assert stream.auc() == pytest.approx(ke.metrics.exact_auc(labels, logits), abs=1e-12)


@given(hnp.arrays(np.float32, 20, elements=st.floats(width=32, allow_nan=False)))
@settings(deadline=None)
def test_keys_sort_as_scores_do(scores):
    keys = exact_accumulators._sortable(scores)
    np.testing.assert_array_equal(keys[:, None] < keys, scores[:, None] < scores)
    np.testing.assert_array_equal(keys[:, None] == keys, scores[:, None] == scores)


def test_both_zeros_tie():
    assert len(set(exact_accumulators._sortable(np.array([0.0, -0.0], "float32")).tolist())) == 1


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint32", "int64", "uint64", "float64", "U3"])
def test_groups_of_every_dtype_keep_apart(dtype):
    groups = np.array([5, 1, 5, 100, 1, 7]).astype(dtype)
    codes = GroupCodes()
    numbers = np.concatenate([codes.encode(groups[:4]), codes.encode(groups[4:])])
    assert numbers.dtype == np.uint64
    assert numbers.max() < 2**32
    np.testing.assert_array_equal(numbers[:, None] == numbers, groups[:, None] == groups)


def test_large_and_negative_groups():
    groups = np.array([-1, 2**31 - 1, -(2**31)], "int32")
    assert len(set(GroupCodes().encode(groups).tolist())) == 3
    groups = np.array([2**32, 0, 2**33], "int64")
    assert len(set(GroupCodes().encode(groups).tolist())) == 3


STORED = {
    "int8": lambda groups: groups.astype("int8"),
    "uint8": lambda groups: groups.astype("uint8"),
    "int16": lambda groups: groups.astype("int16"),
    "int32": lambda groups: groups.astype("int32"),
    "uint32": lambda groups: groups.astype("uint32"),
    "uint64": lambda groups: groups.astype("uint64"),
    "float32": lambda groups: groups.astype("float32"),
    "object": lambda groups: groups.astype(object),
    "list": lambda groups: groups.tolist(),
}


@pytest.mark.parametrize("stored", STORED)
def test_a_group_is_one_whatever_its_batch_stores_it_as(stored):
    labels, logits = impressions(4000, 0.3)
    groups = np.random.default_rng(2).integers(0, 100, 4000)
    expected = ke.metrics.group_auc(labels, logits, groups)
    metric = ke.metrics.GroupAUC()
    for number, start in enumerate(range(0, 4000, 500)):
        rows = slice(start, start + 500)
        kept = STORED[stored](groups[rows]) if number % 2 else groups[rows]
        metric.update_state(labels[rows], logits[rows], kept)
    assert metric.result() == pytest.approx(expected, abs=1e-12)


def test_groups_of_two_widths_do_not_meet_by_chance():
    codes = GroupCodes()
    signed = codes.encode(np.array([-1], "int32"))
    unsigned = codes.encode(np.array([2**32 - 1], "uint32"))
    assert signed != unsigned


def test_groups_as_text_and_as_bytes_are_one():
    codes = GroupCodes()
    batches = [np.array(["é", "b"]), np.array(["b", "é"], object), np.array(["é".encode(), b"b"])]
    assert [codes.encode(batch).tolist() for batch in batches[1:]] == [
        codes.encode(batches[0]).tolist()[::-1],
        codes.encode(batches[0]).tolist(),
    ]


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([2.0**53, 1], ["below 2^53", "in row 0"]),
        ([1.0, float("nan")], ["finite numbers", "nan in row 1"]),
        (np.array([1, None], object), ["None", "NoneType", "row 1"]),
        (np.array(["a", 1], object), ["1 (of type int)", "row 1"]),
        (np.array(["2026-01-01", "NaT"], "datetime64[D]"), ["date", "row 1"]),
    ],
)
def test_groups_of_another_kind_are_named(groups, words):
    labels, scores = [0, 1][: len(groups)], [0.1, 0.2][: len(groups)]
    with raises_value_error("`groups`", *words):
        ke.metrics.group_auc(labels, scores, groups)
    with raises_value_error("`groups`", *words):
        ke.metrics.GroupAUC().update_state(labels, scores, groups)


def test_groups_as_numbers_and_as_text_do_not_mix():
    codes = GroupCodes()
    codes.encode(np.array([1, 2]))
    with raises_value_error("text in all", "'1'", "after 1"):
        codes.encode(np.array(["1"]))


def test_nothing_to_compare():
    assert PairStream().auc() is None
    assert PairStream(grouped=True).group_auc() is None
    _, logits = impressions(10, 0.5)
    assert fill(PairStream(), np.ones(10), logits).auc() is None


@given(st.lists(st.integers(0, 40_000), max_size=8))
@settings(deadline=None, max_examples=20)
def test_block_sums_do_not_depend_on_the_batches(sizes):
    terms = np.random.default_rng(0).normal(size=sum(sizes))
    whole, parts = BlockSum(), BlockSum()
    whole.add(terms)
    for part in np.split(terms, np.cumsum(sizes)[:-1]) if sizes else []:
        parts.add(part)
    assert parts.value == whole.value
    assert whole.value == pytest.approx(terms.sum(), abs=1e-9)


def test_growing_array():
    array, expected = GrowingArray(np.float32), []
    for size in (0, 3, 2000, 1, 5000):
        array.append(np.full(size, size))
        expected += [size] * size
    np.testing.assert_array_equal(array.values, expected)
    assert len(array) == len(expected)
