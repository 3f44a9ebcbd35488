"""Impressions without end whose click probabilities are known."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from keras_elastor.data.split import Dataset, Split
from keras_elastor.data.synthetic.bayes import BayesOptimum, bayes_optimum
from keras_elastor.data.synthetic.draws import Draws, Floats
from keras_elastor.data.synthetic.planted_logit import PlantedLogit
from keras_elastor.schema import Categorical, Feature, FeatureSchema, Numeric, Sequence
from keras_elastor.utils.tensorflow import import_tensorflow
from keras_elastor.validation.validation import validate

Features: TypeAlias = dict[str, npt.NDArray[Any]]
Labels: TypeAlias = npt.NDArray[np.float32]

_SPLITS = ("train", "valid", "test")
# Every use of random numbers has a stream of its own; the splits follow these two.
_TABLES, _PILOT, _FIRST_SPLIT = range(3)
_BLOCK_ROWS = 8192
_PILOT_BLOCKS = 8


def synthetic(
    num_categorical: int = 8,
    vocabulary_size: int = 1000,
    num_numeric: int = 4,
    history_length: int = 0,
    click_rate: float = 0.2,
    zipf_exponent: float = 1.1,
    logit_stddev: float = 1.3,
    order_shares: tuple[float, float, float] = (0.4, 0.4, 0.2),
    seed: int = 0,
) -> SyntheticImpressions:
    """An endless, seeded source of impressions with planted interactions of order 1, 2 and 3.

    The fields f = 1..F, which are the categorical ones and then the numeric ones, are independent.
    The ids of a categorical field are 1..vocabulary_size - 2 by falling frequency, with

        P(id = k) proportional to k^(-zipf_exponent)

    Numbers are standard normal, but the last numeric field is exp(z) of a standard normal z. A
    history has a length that is uniform on 0..history_length, and its items are drawn like those
    of the field 'item', whose table it shares.

    Each value x of a field has a hidden vector h_f(x) of width 2: a row of a table, of mean 0 and
    variance 1 over the ids, or x (or z) times a fixed vector. The logit is

        logit = b + w_1 sum_f 1'h_f + w_2 (sum_f 1'(h_f * h_(f+1)) + 1'(h_history * h_item))
                  + w_3 sum_f 1'(h_f * h_(f+1) * h_(f+2))
        label ~ Bernoulli(sigmoid(logit))

    where * is elementwise and h_history is the mean of the history's hidden vectors, scaled to
    variance 1. As fields are independent and of mean 0, the three orders are uncorrelated and no
    model of a lower order explains a part of a higher one. The weights w give each order its share
    of the logit's variance, b the click rate, both on 65,536 rows of their own.

    Every row is a pure function of the arguments, the split and the row's number: equal on every
    machine (up to the last bit of exp, log and cos), whatever the batch size.

    Args:
        num_categorical: Number of categorical fields, at least 3: 'user', 'item', 'category_3', ...
        vocabulary_size: Embedding rows of each categorical field, at least 4.
        num_numeric: Number of numeric fields: 'number_1', ...
        history_length: Positions of the field 'history'; 0 for none.
        click_rate: Mean click probability, between 0 and 1.
        zipf_exponent: Skew of the ids, above 0.
        logit_stddev: Standard deviation of the logit. The default gives a Bayes-optimal AUC of
            about 0.80 at the default click rate.
        order_shares: Shares of the logit's variance of order 1, 2 and 3, which sum to 1.
        seed: From 0 to 2^64 - 1.

    Example:

    >>> source = ke.data.synthetic(num_categorical=3, num_numeric=1, vocabulary_size=50)
    >>> source.schema.names
    ('user', 'item', 'category_3', 'number_1')
    >>> features, label = source.arrays(10_000)
    >>> bool(abs(label.mean() - 0.2) < 0.02)
    True
    >>> features, label = next(source.batches(batch_size=256, split="valid"))
    >>> features["item"].shape, label.shape
    ((256,), (256,))

    Raises:
        ValueError: If an argument is out of range. The message names it.
    """
    _check_integers(
        num_categorical=(num_categorical, 3),
        vocabulary_size=(vocabulary_size, 4),
        num_numeric=(num_numeric, 0),
        history_length=(history_length, 0),
        seed=(seed, 0),
    )
    if seed >= 2**64:
        raise ValueError(f"Expected `seed` to be below 2^64. Received: seed={seed!r}")
    for name, value, low, high in (
        ("click_rate", click_rate, 0.0, 1.0),
        ("logit_stddev", logit_stddev, 0.0, math.inf),
        ("zipf_exponent", zipf_exponent, 0.0, math.inf),
    ):
        if not low < value < high:
            raise ValueError(
                f"Expected `{name}` between {low} and {high}. Received: {name}={value!r}"
            )
    if len(order_shares) != 3 or min(order_shares) < 0 or abs(sum(order_shares) - 1.0) > 1e-6:
        raise ValueError(
            "Expected `order_shares` to be three numbers of at least 0 that sum to 1. "
            f"Received: order_shares={order_shares!r}"
        )
    names = ["user", "item", *(f"category_{i}" for i in range(3, num_categorical + 1))]
    features: list[Feature] = [Categorical(name, vocabulary_size) for name in names]
    features += [Numeric(f"number_{i}") for i in range(1, num_numeric + 1)]
    if history_length:
        features.append(Sequence("history", vocabulary_size, history_length, table="item"))
    schema = FeatureSchema(tuple(features), label="click", group="user")
    stddevs = logit_stddev * np.sqrt(order_shares)
    return SyntheticImpressions(schema, zipf_exponent, stddevs, click_rate, seed)


class SyntheticImpressions:
    """Rows and their click probabilities; made by `synthetic`.

    The splits "train", "valid" and "test" are endless and share no row.

    Args:
        schema: The features, the label and the group.
        zipf_exponent: Skew of the ids.
        stddevs: Standard deviations of the logit's parts of order 1, 2 and 3.
        click_rate: Mean click probability.
        seed: From 0 to 2^64 - 1.
    """

    def __init__(
        self,
        schema: FeatureSchema,
        zipf_exponent: float,
        stddevs: Floats,
        click_rate: float,
        seed: int,
    ) -> None:
        self.schema = schema
        self._seed = seed
        frequencies = {
            feature.name: _zipf(feature.vocabulary_size, zipf_exponent)
            for feature in schema.features
            if isinstance(feature, Categorical)
        }
        self._cumulative = {name: np.cumsum(values) for name, values in frequencies.items()}
        numbers = [feature.name for feature in schema.features if isinstance(feature, Numeric)]
        self._log_normal = tuple(numbers[-1:])
        draws = Draws(seed, _TABLES)
        self._logit = PlantedLogit(schema, draws, frequencies, self._log_normal)
        pilot = [self._draw_features(Draws(seed, _PILOT, i)) for i in range(_PILOT_BLOCKS)]
        pilot_rows = {name: np.concatenate([p[name] for p in pilot]) for name in schema.names}
        self._logit.calibrate(pilot_rows, stddevs, click_rate)
        # Batches that end inside a block need it twice.
        self._block = functools.lru_cache(maxsize=2)(self._draw_block)

    def arrays(self, num_rows: int, split: str = "train") -> tuple[Features, Labels]:
        """The first rows of a split.

        Args:
            num_rows: Number of rows, at least 1.
            split: "train", "valid" or "test".

        Returns:
            `(features, label)`: a dict of one array per feature, and `(num_rows,)` float32.
        """
        _check_integers(num_rows=(num_rows, 1))
        return self._rows(_split_index(split), 0, num_rows)

    def batches(self, batch_size: int, split: str = "train") -> Iterator[tuple[Features, Labels]]:
        """Batches without end, from the first row of a split on.

        Args:
            batch_size: Rows per batch, at least 1.
            split: "train", "valid" or "test".

        Returns:
            An iterator of `(features, label)`.
        """
        _check_integers(batch_size=(batch_size, 1))
        index = _split_index(split)
        return (
            self._rows(index, start, start + batch_size) for start in itertools.count(0, batch_size)
        )

    def dataset(
        self, batch_size: int, num_rows: int | None = None, split: str = "train"
    ) -> Dataset:
        """The rows of a split, in order, as a `tf.data.Dataset` of `(features, label)`.

        Args:
            batch_size: Rows per batch, at least 1.
            num_rows: Number of rows, which are then drawn at once and kept in memory, so that
                every pass gives the same rows; the last batch may be smaller. Default: endless.
            split: "train", "valid" or "test".

        Returns:
            The dataset; its cardinality is known, infinite without `num_rows`.

        Raises:
            ImportError: TensorFlow is not installed.
        """
        if num_rows is not None:
            return Split(*self.arrays(num_rows, split)).dataset(batch_size)
        tf = import_tensorflow()
        batches = functools.partial(self.batches, batch_size, split)
        signature = tf.nest.map_structure(
            lambda array: tf.TensorSpec((batch_size, *array.shape[1:]), array.dtype),
            next(batches()),
        )
        dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
        endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
        return dataset.apply(endless).prefetch(tf.data.AUTOTUNE)

    def probability(self, features: Mapping[str, Any]) -> Floats:
        """The click probability from which the label of each row is drawn.

        Args:
            features: A dict of one array per feature, as batches carry it.

        Returns:
            `(rows,)` float64.

        Raises:
            ValueError: If the features do not fit the schema.
        """
        validate(features, self.schema)
        return self._logit.probability({name: np.asarray(v) for name, v in features.items()})

    def bayes(self, num_rows: int = 500_000, split: str = "test") -> BayesOptimum:
        """The best AUC and logloss that a model can reach, see `bayes_optimum`.

        Args:
            num_rows: Rows over which it is measured, at least 2. The default leaves standard errors
                of 0.00025 of the AUC and of the logloss.
            split: "train", "valid" or "test".
        """
        return bayes_optimum(self.probability(self.arrays(num_rows, split)[0]))

    def _rows(self, split: int, start: int, stop: int) -> tuple[Features, Labels]:
        pieces = []
        for block in range(start // _BLOCK_ROWS, -(-stop // _BLOCK_ROWS)):
            first = block * _BLOCK_ROWS
            rows = slice(max(start - first, 0), stop - first)
            features, label = self._block(split, block)
            pieces.append(({name: values[rows] for name, values in features.items()}, label[rows]))
        # Concatenating copies, so that nobody writes into the block that is kept.
        features = {
            name: np.concatenate([piece[name] for piece, _ in pieces]) for name in self.schema.names
        }
        return features, np.concatenate([label for _, label in pieces])

    def _draw_block(self, split: int, block: int) -> tuple[Features, Labels]:
        draws = Draws(self._seed, _FIRST_SPLIT + split, block)
        features = self._draw_features(draws)
        label = draws.uniform(_BLOCK_ROWS) < self._logit.probability(features)
        return features, label.astype(np.float32)

    def _draw_features(self, draws: Draws) -> Features:
        """One block of rows."""
        features: Features = {}
        for feature in self.schema.features:
            name = feature.name
            if isinstance(feature, Categorical):
                features[name] = draws.categories(self._cumulative[name], _BLOCK_ROWS)
            elif isinstance(feature, Sequence):
                items = self._cumulative[feature.table_name]
                ids = draws.categories(items, _BLOCK_ROWS, feature.max_length)
                length = draws.uniform(_BLOCK_ROWS, 1) * (feature.max_length + 1)
                features[name] = ids * (np.arange(1, feature.max_length + 1) <= length)
            else:
                numbers = draws.normal(_BLOCK_ROWS)
                numbers = np.exp(numbers) if name in self._log_normal else numbers
                features[name] = numbers.astype(np.float32)
        return features


def _zipf(vocabulary_size: int, exponent: float) -> Floats:
    """Probability of each id; 0 for padding and out-of-vocabulary."""
    frequencies = np.zeros(vocabulary_size)
    frequencies[1:-1] = np.arange(1, vocabulary_size - 1, dtype=np.float64) ** -exponent
    return np.asarray(frequencies / frequencies.sum())


def _split_index(split: str) -> int:
    if split not in _SPLITS:
        raise ValueError(f"Expected `split` to be one of {_SPLITS}. Received: split={split!r}")
    return _SPLITS.index(split)


def _check_integers(**arguments: tuple[Any, int]) -> None:
    for name, (value, minimum) in arguments.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise ValueError(
                f"Expected `{name}` to be an integer of at least {minimum}. "
                f"Received: {name}={value!r}"
            )
