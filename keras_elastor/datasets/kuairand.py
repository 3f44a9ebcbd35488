"""KuaiRand-Pure: real impressions of a short-video app, read from the official files."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from keras_elastor.data.columns.all_columns import CategoricalColumn, SequenceColumn
from keras_elastor.data.preprocessor import Preprocessor
from keras_elastor.data.recipe import Recipe
from keras_elastor.data.split import Split
from keras_elastor.data.vocabularies.vocabulary import Vocabulary
from keras_elastor.datasets.csv_columns import (
    parse_integers,
    read_csv_columns,
    require,
    without_lines,
)
from keras_elastor.datasets.missing_files import find_folder
from keras_elastor.datasets.public_dataset import PublicDataset
from keras_elastor.schema import FeatureSchema
from keras_elastor.utils.optional import import_optional

DataFrame: TypeAlias = Any

LOG_FILE = "log_standard_4_22_to_5_08_pure.csv"
EARLIER_LOG_FILE = "log_standard_4_08_to_4_21_pure.csv"
USER_FILE = "user_features_pure.csv"
VIDEO_FILE = "video_features_basic_pure.csv"
HISTORY_FILE = "user_history_before_20220425.parquet"

_LABEL = "is_click"
TASKS = ("is_click", "long_view", "is_like")
# What the user did with the impression: known only after it, hence never an input.
OUTCOME_COLUMNS = (
    "is_like",
    "is_follow",
    "is_comment",
    "is_forward",
    "is_hate",
    "long_view",
    "play_time_ms",
    "profile_stay_time",
    "comment_stay_time",
    "is_profile_enter",
)
_LOG_COLUMNS = (
    *("user_id", "video_id", "date", "hourmin", "time_ms", "duration_ms", "is_rand", "tab"),
    *(_LABEL, *OUTCOME_COLUMNS),
)
_HISTORY_COLUMNS = ("user_id", "video_id", "date", "time_ms")
# The exact counts (follow_user_num, register_days, ...) are left to their ranges.
_USER_COLUMNS = (
    *("user_active_degree", "is_lowactive_period", "is_live_streamer", "is_video_author"),
    *("follow_user_num_range", "fans_user_num_range", "friend_user_num_range"),
    *("register_days_range", *(f"onehot_feat{i}" for i in range(18))),
)
# The video's duration comes with the impression.
_VIDEO_COLUMNS = (
    *("author_id", "video_type", "upload_dt", "upload_type", "visible_status"),
    *("music_id", "music_type", "tag"),
)

_FIRST_DAY, _LAST_DAY = 20220408, 20220508
_TRAIN_DAY, _VALID_DAY, _TEST_DAY = 20220425, 20220503, 20220505

# One value in all training rows of the official files.
_CONSTANT_COLUMNS = ("is_lowactive_period", "visible_status")
_INTEGERS = ("user_id", "video_id", "tab", "hour", "duration_bucket")

_logger = logging.getLogger(__name__)


def kuairand_pure_recipe() -> Recipe:
    """The features of the official files, as columns of one table.

    `kuairand_pure` makes the table of several files, and the vocabularies by a rule of its own: of
    the videos in histories, those of each user count once.

    Example:

    >>> from keras_elastor.datasets.kuairand import kuairand_pure_recipe
    >>> len(kuairand_pure_recipe().columns)
    38
    """
    texts = [name for name in (*_USER_COLUMNS, *_VIDEO_COLUMNS) if name not in _CONSTANT_COLUMNS]
    return _make_recipe((*_INTEGERS, *texts), history_length=50)


def _make_recipe(
    categoricals: Iterable[str], history_length: int, labels: tuple[str, ...] = (_LABEL,)
) -> Recipe:
    return Recipe(
        (
            *(
                CategoricalColumn(name, dtype="integer" if name in _INTEGERS else "string")
                for name in categoricals
            ),
            SequenceColumn("watch_history", history_length, dtype="integer", table="video_id"),
        ),
        label=labels if len(labels) > 1 else labels[0],
        group="user_id",
    )


KUAIRAND_PURE = PublicDataset(
    name="kuairand_pure",
    recipe=kuairand_pure_recipe(),
    files=dict.fromkeys(("train", "valid", "test"), LOG_FILE),
    rows={"train": 131_474, "valid": 35_807},
    description="Impressions of short videos from a recommender, split by date (April, May 2022).",
    homepage="https://kuairand.com",
    licence="CC BY-SA 4.0",
    citation=(
        "Gao et al., KuaiRand: An Unbiased Sequential Recommendation Dataset with Randomly Exposed "
        "Videos, CIKM 2022"
    ),
    archive="https://zenodo.org/records/10439422/files/KuaiRand-Pure.tar.gz",
)


@dataclasses.dataclass(frozen=True, eq=False)
class KuaiRand:
    """Encoded impressions of KuaiRand.

    Args:
        preprocessor: What encodes rows of the table that is made of the files; the labels are
            those asked for, the group is the user.
        train: Impressions of 2022-04-25 to 2022-05-02, if no other days were asked for.
        valid: Impressions of 2022-05-03 and 2022-05-04.
        test: Impressions of the later days, without rows if the log has none.
    """

    preprocessor: Preprocessor
    train: Split
    valid: Split
    test: Split

    @property
    def schema(self) -> FeatureSchema:
        """The features, for models."""
        return self.preprocessor.schema

    @property
    def vocabularies(self) -> dict[str, Vocabulary]:
        """For each embedding table of the schema the vocabulary of its ids."""
        return self.preprocessor.vocabularies


def kuairand_pure(
    data_dir: str | os.PathLike[str],
    history_length: int = 50,
    min_count: int = 1,
    valid_from: int = _VALID_DAY,
    test_from: int = _TEST_DAY,
    labels: Iterable[str] = (_LABEL,),
) -> KuaiRand:
    """Read KuaiRand-Pure for the prediction of `is_click` or of several feedbacks.

    Impressions of the app Kuaishou, from its standard recommendation (not the randomly exposed
    videos): 27,285 users, 7,583 videos. `is_click` says whether the user opened the video, or, in
    the feed that plays by itself, watched for more than 7 s (or to the end). Further labels are
    `long_view`, whether the user watched for long, and `is_like`.

    Rows are split by date, if `valid_from` and `test_from` are left out:

    | split | days | rows in the official log | without duplicates |
    |---|---|---|---|
    | history only | 2022-04-08 to 2022-04-24 | 1,208,280 | |
    | train | 2022-04-25 to 2022-05-02 | 135,128 | 131,474 |
    | valid | 2022-05-03 to 2022-05-04 | 36,543 | 35,807 |
    | test | 2022-05-05 to 2022-05-08 | 56,658 | |

    Dropped are rows that equal an earlier row in every official column, and nothing else.

    Features, all `Categorical` but the last one:

    - `user_id`, `video_id`, `tab` (the place in the app), `hour` (of `hourmin`);
    - `duration_bucket`: number of binary digits of `duration_ms`, so k for
      2^(k-1) <= duration < 2^k ms, and 0 for an unknown duration;
    - of the user: activity degree, whether a streamer or an author, ranges of follows, fans,
      friends and days since registration, 18 encrypted features;
    - of the video: author, type, upload date and type, visibility, music and its type, tag (a list
      of tags is one value);
    - `watch_history`: the videos of the user's last impressions before 2022-04-25, oldest first,
      clicked or not. It shares the table of `video_id`. The same for every row of a user.

    Columns of users and videos with one value in all training rows are left out; the official
    files give 37 categorical features. Every other column of the log is an outcome of the
    impression, or a time which no later row shares, and never an input. Columns that are not
    official are ignored. A user or video that its file lacks has its features out-of-vocabulary;
    a warning is logged.

    Args:
        data_dir: Folder of the unpacked archive: the one that holds the files, or one above it
            (`data/` or `KuaiRand-Pure/data/` inside it). If `user_history_before_20220425.parquet`
            lies beside the files, with columns `user_id` and `watch_seq` (at most 50 videos), the
            history is read from it and the earlier log is not needed.
        history_length: Positions of `watch_history`.
        min_count: Values that occur less often in the training rows are out-of-vocabulary.
        valid_from: First day of the validation rows, in the form of the log. Default: 20220503.
        test_from: First day of the test rows. Default: 20220505.
        labels: Tasks of the model, some of `is_click`, `long_view` and `is_like`. Default:
            ("is_click",).

    Returns:
        Preprocessor and splits. Vocabularies are built from training rows only; that of the
        videos goes on with those in the histories of the users in the training rows. Every split
        carries the user as a dense int32 number in `user_id_group`, for gAUC.

    Raises:
        DatasetNotFoundError: If a file is missing; the message says which, where it was looked for
            and where to get it.
        ValueError: If a file lacks a column, holds a value that is none of the format, or holds a
            user or video twice; the message names the file and, for a value, line and column. If
            the days are out of order, or a label is none of the three.
        ImportError: If polars is not installed.

    References:
        Gao et al., "KuaiRand: An Unbiased Sequential Recommendation Dataset with Randomly Exposed
        Videos", CIKM 2022. https://kuairand.com, licence CC BY-SA 4.0.
    """
    _check_days(valid_from, test_from)
    labels = _checked_labels(labels)
    folder = _find(Path(data_dir))
    log = _read_log(folder / LOG_FILE, labels)
    histories = _read_histories(folder, log, history_length)
    rows = _join_features(_impressions(log, labels), folder)
    train = rows.filter(rows["date"] < valid_from)
    if train.is_empty():
        raise ValueError(
            f"{folder / LOG_FILE}: expected rows with a date from {_TRAIN_DAY} on and before "
            f"{valid_from}, to train on. Received: none"
        )
    valid = rows.filter(rows["date"].is_between(valid_from, test_from, closed="left"))
    test = rows.filter(rows["date"] >= test_from)
    vocabularies = _build_vocabularies(train, histories, min_count)
    preprocessor = Preprocessor(_make_recipe(vocabularies, history_length, labels), vocabularies)
    train, valid, test = (
        _encode(part.join(histories, on="user_id", how="left", maintain_order="left"), preprocessor)
        for part in (train, valid, test)
    )
    return KuaiRand(preprocessor, train, valid, test)


def _check_days(valid_from: int, test_from: int) -> None:
    if not _TRAIN_DAY < valid_from <= test_from:
        raise ValueError(
            f"kuairand_pure: expected days {_TRAIN_DAY} < valid_from <= test_from. Received: "
            f"valid_from={valid_from!r}, test_from={test_from!r}"
        )


def _checked_labels(labels: Iterable[str]) -> tuple[str, ...]:
    chosen = (labels,) if isinstance(labels, str) else tuple(labels)
    if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(TASKS):
        raise ValueError(
            f"kuairand_pure: expected `labels` to be some of {', '.join(TASKS)}, each once. "
            f"Received: labels={chosen!r}"
        )
    return chosen


def _find(data_dir: Path) -> Path:
    folders = [data_dir, data_dir / "data", data_dir / "KuaiRand-Pure" / "data"]
    folders = [folder for folder in folders if (folder / LOG_FILE).is_file()] or folders
    has_histories = (folders[0] / HISTORY_FILE).is_file()
    history = HISTORY_FILE if has_histories else EARLIER_LOG_FILE
    return find_folder(folders, (LOG_FILE, history, USER_FILE, VIDEO_FILE), KUAIRAND_PURE.source)


def _read_log(path: Path, labels: tuple[str, ...]) -> DataFrame:
    """All rows of the log, checked, integers as integers and outcomes as text."""
    pl = import_optional("polars", extra="data")
    log = read_csv_columns(path, _LOG_COLUMNS)
    log = parse_integers(log, path, "user_id", "video_id", "date", "hourmin", "time_ms", *labels)
    log = parse_integers(log, path, "duration_ms", "tab", empty=True)
    minutes, duration = pl.col("hourmin"), pl.col("duration_ms")
    for label in labels:
        require(log, path, label, pl.col(label).is_in([0, 1]), "0 or 1")
    is_time = minutes.is_between(0, 2359) & (minutes % 100 < 60)
    require(log, path, "hourmin", is_time, "a time from 0 to 2359 as hours and minutes")
    require(log, path, "duration_ms", duration.fill_null(0) >= 0, "milliseconds of at least 0")
    _require_days(log, path)
    return without_lines(log)


def _require_days(log: DataFrame, path: Path) -> None:
    pl = import_optional("polars", extra="data")
    is_day = pl.col("date").is_between(_FIRST_DAY, _LAST_DAY)
    require(log, path, "date", is_day, f"a day from {_FIRST_DAY} to {_LAST_DAY}")


def _impressions(log: DataFrame, labels: tuple[str, ...]) -> DataFrame:
    """The rows to learn and predict: features of the context, the day and the labels."""
    pl = import_optional("polars", extra="data")
    return (
        # Rows before the first training day happened when the history did.
        log.filter(pl.col("date") >= _TRAIN_DAY)
        .unique(maintain_order=True)
        .select(
            *("user_id", "video_id", "date", "tab", *labels),
            hour=pl.col("hourmin") // 100,
            duration_bucket=64 - pl.col("duration_ms").bitwise_leading_zeros().cast(pl.Int64),
            user_id_group=pl.col("user_id").rank("dense").cast(pl.Int32) - 1,
        )
    )


def _join_features(rows: DataFrame, folder: Path) -> DataFrame:
    for file, key, columns in (
        (USER_FILE, "user_id", _USER_COLUMNS),
        (VIDEO_FILE, "video_id", _VIDEO_COLUMNS),
    ):
        path = folder / file
        table = parse_integers(read_csv_columns(path, (key, *columns)), path, key)
        require(table, path, key, table[key].is_first_distinct(), f"every {key} once")
        unknown = rows.join(table, on=key, how="anti")
        if len(unknown):
            _logger.warning(
                "%s lacks %d values of %s, in %d impressions; their features are out-of-vocabulary",
                path,
                unknown[key].n_unique(),
                key,
                len(unknown),
            )
        rows = rows.join(without_lines(table), on=key, how="left", maintain_order="left")
    return rows


def _read_histories(folder: Path, log: DataFrame, history_length: int) -> DataFrame:
    """For each user the videos of the last impressions before the first training day."""
    pl = import_optional("polars", extra="data")
    path = folder / HISTORY_FILE
    if path.is_file():
        return _read_history_file(path, history_length)
    path = folder / EARLIER_LOG_FILE
    earlier = parse_integers(read_csv_columns(path, _HISTORY_COLUMNS), path, *_HISTORY_COLUMNS)
    _require_days(earlier, path)
    return (
        pl.concat([without_lines(earlier), log.select(_HISTORY_COLUMNS)])
        .filter(pl.col("date") < _TRAIN_DAY)
        .sort("time_ms", maintain_order=True)
        .group_by("user_id", maintain_order=True)
        .agg(watch_history=pl.col("video_id").tail(history_length))
    )


def _read_history_file(path: Path, history_length: int) -> DataFrame:
    pl = import_optional("polars", extra="data")
    try:
        histories = pl.read_parquet(path).select(
            pl.col("user_id").cast(pl.Int64),
            watch_history=pl.col("watch_seq").cast(pl.List(pl.Int64)).list.tail(history_length),
        )
    except pl.exceptions.PolarsError as error:
        raise ValueError(
            f"{path}: expected a parquet file with the columns user_id (integers) and watch_seq "
            f"(lists of integers). {error}"
        ) from error
    twice = histories.filter(pl.col("user_id").is_duplicated())
    if len(twice):
        raise ValueError(
            f"{path}: expected every user_id once. Received twice or more: {twice['user_id'][0]}"
        )
    return histories


def _build_vocabularies(
    train: DataFrame, histories: DataFrame, min_count: int
) -> dict[str, Vocabulary]:
    varying = [name for name in (*_USER_COLUMNS, *_VIDEO_COLUMNS) if train[name].n_unique() > 1]
    vocabularies = {
        name: Vocabulary.build(train[name], min_count=min_count) for name in (*_INTEGERS, *varying)
    }
    histories_in_train = histories.join(train, on="user_id", how="semi")
    vocabularies["video_id"] = Vocabulary.build(
        train["video_id"], histories_in_train["watch_history"], min_count=min_count
    )
    return vocabularies


def _encode(rows: DataFrame, preprocessor: Preprocessor) -> Split:
    # Users are numbered over all splits.
    group = {"user_id_group": rows["user_id_group"].to_numpy()}
    labels = rows.select(preprocessor.schema.labels).to_numpy().astype(np.float32)
    labels = labels[:, 0] if labels.shape[1] == 1 else labels
    return Split(preprocessor.features(rows), labels, group=group)
