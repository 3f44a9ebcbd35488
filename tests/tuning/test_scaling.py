"""Scaling curves: tables, fits and pictures of what a grid gave."""

import pytest

import keras_elastor as ke
from keras_elastor.tuning.result import SearchResult, make_trial
from keras_elastor.tuning.scaling import (
    describe_fits,
    plot_scaling,
    scaling_fits,
    scaling_frame,
    scaling_table,
    write_scaling,
)

pandas = pytest.importorskip("pandas")
pytestmark = pytest.mark.backend_free


def make_result(tmp_path, aucs):
    """A grid of widths of two models; the second has no effect."""
    run = ke.runs.RunConfig.from_dict({"dataset": {"name": "synthetic"}, "model": {"name": "dnn"}})
    trials = []
    for model in ("rank_elastor", "dnn"):
        for step, auc in enumerate(aucs):
            values = {"model": model, "width": 10 * 2**step}
            executions = [
                ke.tuning.Execution(
                    *(len(trials), seed, values, "finished"),
                    metrics={
                        "valid": {
                            "auc": (auc if model == "rank_elastor" else 0.7) + 0.0001 * noise,
                            "logloss": 0.5 + 0.001 * noise,
                        }
                    },
                    dense=1000 * 4**step,
                    flops=2000 * 4**step,
                )
                for seed, noise in enumerate((-1, 1) if step % 2 else (1, -1))
            ]
            trials.append(make_trial(len(trials), values, executions, run, 2))
    failed = ke.tuning.Execution(len(trials), 0, {"model": "dnn"}, "failed", error="no")
    trials.append(make_trial(len(trials), {"model": "dnn"}, [failed], run, 2))
    return SearchResult(tmp_path, run, trials, is_finished=True)


AUCS = [0.70, 0.71, 0.717, 0.722, 0.7255]


def test_the_table_has_mean_and_deviation_of_the_seeds(tmp_path):
    frame = scaling_frame(make_result(tmp_path, AUCS), "width")
    assert len(frame) == 20
    assert set(frame.model) == {"RankElastor", "DNN"}
    table = scaling_table(frame)
    assert list(table.model) == ["DNN"] * 5 + ["RankElastor"] * 5
    line = table[(table.model == "RankElastor") & (table.dense == 4000)].iloc[0]
    assert (line["values"], line.seeds, line.flops) == ("width=20", 2, 8000)
    assert line.auc_mean == pytest.approx(0.71)
    assert line.auc_std == pytest.approx(0.0001 * 2**0.5)


def test_a_law_is_told_where_there_is_one_and_only_there(tmp_path):
    fits = scaling_fits(scaling_frame(make_result(tmp_path, AUCS), "width"))
    elastor, _, dnn, dnn_logloss = fits.itertuples()
    assert (elastor.model, elastor.loss, elastor.problem) == ("RankElastor", "1 - AUC", "")
    assert elastor.change == pytest.approx(AUCS[0] - AUCS[-1], abs=1e-3)
    assert elastor.exponent_low < elastor.exponent < elastor.exponent_high
    assert "holds 0" in dnn.problem
    assert "holds 0" in dnn_logloss.problem
    sentences = describe_fits(fits)
    assert sentences[0].startswith("width, RankElastor, 1 - AUC: ")
    assert f"N^-{elastor.exponent:.4f}" in sentences[0]
    assert sentences[2].startswith("width, DNN, 1 - AUC: no law is drawn: ")


def test_the_picture_draws_the_law_of_one_model_alone(tmp_path):
    pytest.importorskip("matplotlib")
    frame = scaling_frame(make_result(tmp_path, AUCS), "width")
    figure = plot_scaling(frame)
    auc, logloss = figure.axes
    assert (auc.get_xscale(), auc.get_title()) == ("log", "width: AUC")
    # Marks of two models, and the line of one.
    assert len(auc.containers) == 2
    lines = [line for line in auc.lines if len(line.get_xdata()) == 100]
    assert len(lines) == 1
    assert len(logloss.collections) == 2  # Bars of the deviations; no shade.
    heights = lines[0].get_ydata()
    assert heights[0] == pytest.approx(AUCS[0], abs=2e-3)
    assert heights[-1] == pytest.approx(AUCS[-1], abs=2e-3)
    with pytest.raises(ValueError, match="at least one finished execution"):
        plot_scaling(frame[:0])


def test_everything_is_written(tmp_path):
    pytest.importorskip("matplotlib")
    frame = scaling_frame(make_result(tmp_path, AUCS), "width")
    assert len(write_scaling(frame, tmp_path)) == 4
    again = pandas.read_csv(tmp_path / "scaling_executions.csv")
    assert list(again.columns) == list(frame.columns)
    assert len(pandas.read_csv(tmp_path / "scaling_fits.csv")) == 4
    assert (tmp_path / "scaling.svg").stat().st_size > 1000
