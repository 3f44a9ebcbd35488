"""Effective ranks through the stages of a model."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras

from keras_elastor.analysis.distribution import Distribution
from keras_elastor.analysis.effective_rank import check_kinds, effective_ranks
from keras_elastor.analysis.singular_values import Array
from keras_elastor.analysis.windows import iterate_windows
from keras_elastor.models.ranking_model import RankingModel
from keras_elastor.utils.optional import import_optional

VIEWS = ("tokens", "batch", "token_batch")


def layer_ranks(
    model: RankingModel,
    dataset: Any,
    max_rows: int | None = 10_000,
    kinds: Sequence[str] = ("stable", "entropy"),
    views: Sequence[str] = VIEWS,
    window: int = 500,
    verbose: bool | int = False,
) -> Any:
    """Effective ranks of every stage of a model, over the rows of a dataset.

    A stage is one of `model.stage_names`, such as "encoder", "mixing_0", "ffn_0". What is one
    matrix in it depends on the view:

    | view | matrix | bound of its rank |
    |---|---|---|
    | `"tokens"` | the tokens (or fields) of one row, T x D | min(T, D) |
    | `"batch"` | the stage flattened, over a window of rows, rows x width | min(window, width) |
    | `"token_batch"` | one token over a window of rows, rows x D (RankUp's) | min(window, D) |

    A stage of one vector per row has only the view "batch". Ranks over windows grow with the
    window: compare what was measured with the same one. Memory is that of one window and 80 kB for
    each line of the frame, however many rows there are.

    Args:
        model: A model of `ke.models`, compiled or not. It stays as it is.
        dataset: A `tf.data.Dataset` or any other iterable of batches, or the arrays of all rows as
            one batch. A batch is a dict of features or a tuple that begins with one.
        max_rows: Rows to measure, from the first. Default: 10,000; None for all.
        kinds: Kinds of `effective_rank`. Default: `("stable", "entropy")`.
        views: Some of the views. Default: all.
        window: Rows of a window, and of a step. Where rows are left at the end that fill none, they
            count in the view "tokens" alone. Default: 500.
        verbose: Whether to show a progress bar. Default: False.

    Returns:
        A pandas frame with one line for each stage, kind and view, in the order of computation:
        `stage`, `kind`, `view`, then of the ranks of the matrices `mean`, `standard_error` (NaN for
        a single window), `q10`, `q50`, `q90` (quantiles, to a 20,000th of the bound), and `rows`,
        the number of rows that they were made of.

    Raises:
        ValueError: If the model has no stages, a stage holds a number that is not finite, the
            dataset has fewer than 2 rows or fills no window, or an argument has another value.
        ImportError: If pandas is not installed.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Categorical("item", 50)])
    >>> model = ke.models.RankMixer(schema, embedding_dim=8, num_blocks=1)
    >>> rng = np.random.default_rng(0)
    >>> rows = {"user": rng.integers(1, 100, 40), "item": rng.integers(1, 50, 40)}
    >>> ranks = ke.analysis.layer_ranks(model, rows, kinds=["stable"], window=20)
    >>> ranks[ranks.view == "tokens"].stage.tolist()
    ['encoder', 'tokenizer', 'mixing_0', 'ffn_0']
    """
    stages = stages_of(model)
    check_arguments(kinds, views, window, max_rows)
    windows = iterate_windows(dataset, model.schema, window, max_rows)
    num_windows = None if max_rows is None else -(-max_rows // window)
    progress = keras.utils.Progbar(num_windows, verbose=int(bool(verbose)), unit_name="window")
    return measure_stages(stages, windows, kinds, views, window, progress)


def stages_of(model: Any) -> RankingModel:
    """The model that returns the stages of a model.

    Raises:
        ValueError: If it has none.
    """
    if not isinstance(model, RankingModel) or not model.stage_names:
        raise ValueError(
            "Expected a model with named stages, as those of ke.models have. "
            f"Received: {type(model).__name__} '{getattr(model, 'name', '')}'"
        )
    return model.intermediates()


def measure_stages(
    stages: RankingModel,
    windows: Iterable[dict[str, Array]],
    kinds: Sequence[str],
    views: Sequence[str],
    window: int,
    progress: Any = None,
) -> Any:
    """The frame of `layer_ranks` for a model that returns stages and the windows of a dataset."""
    pandas = import_optional("pandas", "analysis")
    found: dict[tuple[str, str, str], Distribution] = {}
    rows = step = 0
    for step, features in enumerate(windows, start=1):
        size = len(next(iter(features.values())))
        outputs = stages.predict_on_batch(features)
        # Keras gives the outputs back in the order of the alphabet.
        for stage in stages.output:
            for view, matrices in matrices_of(outputs[stage], views, is_whole=size == window):
                try:
                    ranks = effective_ranks(matrices, tuple(kinds))
                except ValueError as error:
                    raise ValueError(
                        f"Stage '{stage}' of '{stages.name}', view '{view}', rows {rows} to "
                        f"{rows + size - 1} of the dataset: {error}"
                    ) from error
                for kind in kinds:
                    bound = min(matrices.shape[-2:])
                    key = (stage, kind, view)
                    found.setdefault(key, Distribution(bound)).add(ranks[kind])
        rows += size
        if progress is not None:
            progress.update(step)
    if progress is not None and progress.target is None:
        progress.update(step, finalize=True)
    if rows < 2 or (rows < window and set(views) != {"tokens"}):
        raise ValueError(
            f"Expected a dataset of at least 2 rows, and of at least window={window} for the views "
            f"over windows. Received: {rows} rows. Make `window` smaller, or measure "
            "views=['tokens']"
        )
    whole = rows - rows % window
    lines = [
        {**_line(found[key], *key), "rows": rows if key[2] == "tokens" else whole}
        for key in itertools.product(stages.output, kinds, VIEWS)
        if key in found
    ]
    return pandas.DataFrame(lines)


def matrices_of(values: Array, views: Sequence[str], is_whole: bool) -> Iterator[tuple[str, Array]]:
    """The matrices of each view that a stage has."""
    if "tokens" in views and values.ndim == 3:
        yield "tokens", values
    if "batch" in views and is_whole:
        yield "batch", values.reshape(1, len(values), -1)
    if "token_batch" in views and is_whole and values.ndim == 3:
        yield "token_batch", values.swapaxes(0, 1)


def _line(ranks: Distribution, stage: str, kind: str, view: str) -> dict[str, Any]:
    quantiles = {f"q{percent}": ranks.quantile(percent / 100) for percent in (10, 50, 90)}
    return {
        "stage": stage,
        "kind": kind,
        "view": view,
        "mean": ranks.mean,
        "standard_error": ranks.standard_error,
        **quantiles,
    }


def check_arguments(
    kinds: Sequence[str], views: Sequence[str], window: int, max_rows: int | None
) -> None:
    """Raise a ValueError that names the first argument of `layer_ranks` that is none."""
    for name, values in {"kinds": kinds, "views": views}.items():
        if isinstance(values, str) or not values:
            raise ValueError(f"Expected `{name}` to be a list of names. Received: {values!r}")
    check_kinds(tuple(kinds))
    for view in views:
        if view not in VIEWS:
            raise ValueError(f"Expected `views` to be some of {list(VIEWS)}. Received: {view!r}")
    numbers = {"window": window} if max_rows is None else {"window": window, "max_rows": max_rows}
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int) or number < 2:
            raise ValueError(
                f"Expected `{name}` to be an integer of at least 2. Received: {name}={number!r}"
            )
