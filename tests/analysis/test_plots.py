"""Pictures show the numbers that they were given, and write them beside."""

import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import keras_elastor as ke
from keras_elastor.analysis.shifts import shift_of
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
    # A frame that tells its model already, as those read from the picture's own CSV do.
    cross = ranks(["encoder", "cross_0"], [3.0, 2.0]).assign(model="other")
    models = {"A": MIXER, "B": ranks(MIXER.stage[:2], [2.0, 3.0]), "C": cross}
    figure = ke.analysis.plot_rank_trajectories(models, path=tmp_path / "new" / "ranks.png")
    assert isinstance(figure, Figure)
    # A notebook shows it.
    assert figure._repr_png_().startswith(b"\x89PNG")
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
    with raises_value_error("at least one stage"):
        ke.analysis.plot_spectra({})
    with raises_value_error("'encoder'", "other than zero"):
        ke.analysis.plot_spectra({"encoder": np.zeros((2, 3))})
    with raises_value_error("at least one model"):
        ke.analysis.plot_information_abundance({})


def test_time_has_a_line_for_each_stage(tmp_path):
    frame = pd.concat([MIXER.assign(step=step, epoch=1) for step in (0, 10)])
    figure = ke.analysis.plot_rank_over_time(frame, path=tmp_path / "time.svg")
    lines = {line.get_label(): line.get_xydata().tolist() for line in figure.axes[0].lines}
    assert lines == {
        "encoder": [[0, 3], [10, 3]],
        "mixing_0": [[0, 5], [10, 5]],
        "ffn_0": [[0, 4], [10, 4]],
    }
    assert pd.read_csv(tmp_path / "time.csv").step.tolist() == [0, 0, 0, 10, 10, 10]
    # The deeper the lighter, so that the order is seen without colours, too.
    brightness = [sum(line.get_color()[:3]) for line in figure.axes[0].lines]
    assert brightness == sorted(brightness)


def test_spectra_are_shares_of_the_largest_value(tmp_path):
    spectra = {
        "encoder": np.array([[4.0, 2.0, 0.0], [8.0, 2.0, 2.0], [0.0, 0.0, 0.0]]),
        "ffn_0": np.array([[2.0, 2.0]]),
    }
    figure = ke.analysis.plot_spectra(spectra, tmp_path / "spectra.png")
    written = pd.read_csv(tmp_path / "spectra.csv")
    assert written.stage.tolist() == ["encoder"] * 3 + ["ffn_0"] * 2
    assert written["index"].tolist() == [1, 2, 3, 1, 2]
    # The zero matrix has no shares.
    assert written["mean"].tolist() == pytest.approx([1, 0.375, 0.125, 1, 1])
    assert written.matrices.tolist() == [2, 2, 2, 1, 1]
    assert written.q10.tolist() == pytest.approx([1, 0.275, 0.025, 1, 1])
    (encoder, _) = figure.axes[0].lines
    assert encoder.get_ydata().tolist() == written["mean"].tolist()[:3]


def test_abundance_has_a_mark_for_each_field_and_model(tmp_path):
    tables = {
        name: pd.DataFrame(
            {"field": fields, "embedding_dim": 8, "information_abundance": abundance}
        )
        for name, fields, abundance in (
            ("A", ["user", "item"], [2.0, 3.0]),
            ("B", ["item", "f" * 99], [4.0, 5.0]),
        )
    }
    figure = ke.analysis.plot_information_abundance(tables, tmp_path / "tables.svg")
    axis = figure.axes[0]
    marks = {line.get_label(): line.get_xydata().tolist() for line in axis.lines}
    assert marks["A"] == [[2, 0], [3, 1]]
    assert marks["B"] == [[4, 1], [5, 2]]
    names = [text.get_text() for text in axis.get_yticklabels()]
    assert names[:2] == ["user", "item"]
    assert len(names[2]) < 30
    assert pd.read_csv(tmp_path / "tables.csv").model.tolist() == [*"AABB"]


def test_a_model_has_one_colour_on_all_pictures():
    names = ["none", "A"]
    one = ke.analysis.plot_rank_trajectories({"A": MIXER}, names=names)
    tables = pd.DataFrame({"field": ["user"], "embedding_dim": 8, "information_abundance": 2.0})
    other = ke.analysis.plot_information_abundance({"A": tables}, names=names)
    colors = {figure.axes[0].lines[0].get_color() for figure in (one, other)}
    assert colors == {"#D55E00"}
