"""Pictures show the numbers that they were given, and write them beside."""

import math

import pandas as pd
import pytest
from matplotlib.figure import Figure

import keras_elastor as ke
from keras_elastor.analysis.plots import shift_of
from tests.assertions import raises_value_error


def ranks(stages, means, view="tokens"):
    lines = [
        (stage, "stable", view, mean, 0.1, mean - 1, mean, mean + 1, 100)
        for stage, mean in zip(stages, means, strict=True)
    ]
    columns = "stage kind view mean standard_error q10 q50 q90 rows"
    return pd.DataFrame(lines, columns=columns.split())


MIXER = ranks(["encoder", "mixing_0", "ffn_0"], [3.0, 5.0, 4.0])


def test_trajectories_show_every_model_and_write_their_numbers(tmp_path):
    cross = ranks(["encoder", "cross_0"], [3.0, 2.0])
    models = {"A": MIXER, "B": ranks(MIXER.stage[:2], [2.0, 3.0]), "C": cross}
    figure = ke.analysis.plot_rank_trajectories(models, path=tmp_path / "new" / "ranks.png")
    assert isinstance(figure, Figure)
    first, second = figure.axes
    shown = {
        container.get_label(): container.lines[0].get_ydata().tolist()
        for axis in (first, second)
        for container in axis.containers
    }
    assert shown == {"A": [3, 5, 4], "B": [2, 3], "C": [3, 2]}
    labels = [[text.get_text() for text in axis.get_xticklabels()] for axis in figure.axes]
    assert labels == [["encoder", "mixing_0", "ffn_0"], ["encoder", "cross_0"]]
    colors = {container.lines[0].get_color() for container in first.containers}
    assert len(colors) == 2
    for suffix in ("svg", "png"):
        assert (tmp_path / "new" / f"ranks.{suffix}").stat().st_size > 1000
    written = pd.read_csv(tmp_path / "new" / "ranks.csv")
    assert written.model.tolist() == [*"AAABBCC"]
    assert written["mean"].tolist() == [3, 5, 4, 2, 3, 3, 2]


def test_shift_points_where_the_numbers_go(tmp_path):
    figure = ke.analysis.plot_rank_shift(MIXER, path=tmp_path / "shift.svg")
    arrows = [(text.xyann, text.xy) for text in figure.axes[0].texts]
    assert arrows == [((0, 3), (1, 5)), ((1, 5), (2, 4))]
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend[:3] == ["expands (1)", "contracts (1)", "inside the error (0)"]
    assert pd.read_csv(tmp_path / "shift.csv")["mean"].tolist() == [3, 5, 4]


@pytest.mark.parametrize(
    ("mean", "error", "expected"),
    [
        (3.3, 0.1, "expands"),
        (2.7, 0.1, "contracts"),
        (3.25, 0.1, "inside the error"),
        (9, math.nan, "inside the error"),
        (3, 0, "inside the error"),
    ],
)
def test_a_change_counts_beyond_two_standard_errors(mean, error, expected):
    before = {"mean": 3, "standard_error": 0.1}
    assert shift_of(before, {"mean": mean, "standard_error": error}) == expected


def test_bad_input():
    with raises_value_error("at least one model"):
        ke.analysis.plot_rank_trajectories({})
    with raises_value_error("'A'", "'entropy'", "('stable', 'tokens')"):
        ke.analysis.plot_rank_trajectories({"A": MIXER}, kind="entropy")
    with raises_value_error("'batch'", "('stable', 'tokens')"):
        ke.analysis.plot_rank_shift(MIXER, view="batch")
