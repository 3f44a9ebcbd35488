"""Pictures of runs, of comparisons and of what features are worth show the numbers beside them."""

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

import keras_elastor as ke
from keras_elastor.analysis.intervals import student_interval, student_quantile
from keras_elastor.analysis.plots.runs import plot_run
from keras_elastor.analysis.predictions import Predictions, ranking_curve
from tests.assertions import raises_value_error

pytestmark = pytest.mark.backend_free


def area_under(heights, places):
    heights, places = np.asarray(heights), np.asarray(places)
    return float(np.sum(np.diff(places) * (heights[1:] + heights[:-1]) / 2))


def test_students_interval_is_that_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    for freedom in (1, 2, 3, 4, 9, 30, 1000):
        assert student_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=0.004)
    values = [0.71, 0.72, 0.70, 0.73]
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert student_interval(values) == pytest.approx((0.715, low, high), abs=5e-5)
    mean, *ends = student_interval([0.7])
    assert mean == 0.7
    assert np.isnan(ends).all()


def test_ranking_curve_by_hand_and_its_area():
    labels, logits = np.array([[1], [0], [1], [0]]), np.array([[3.0], [2.0], [1.0], [1.0]])
    curve = ranking_curve(Predictions(["click"], labels, logits, None))
    assert curve.share_of_rows.tolist() == [0, 0.25, 0.5, 1]
    assert curve.true_positive_rate.tolist() == [0, 0.5, 0.5, 1]
    assert curve.false_positive_rate.tolist() == [0, 0, 0.5, 1]
    rng = np.random.default_rng(0)
    labels, logits = rng.integers(0, 2, (150, 1)), rng.integers(0, 40, (150, 1)) / 4
    curve = ranking_curve(Predictions(["click"], labels, logits, None))
    area = area_under(curve.true_positive_rate, curve.false_positive_rate)
    assert area == pytest.approx(ke.metrics.exact_auc(labels[:, 0], logits[:, 0]), abs=1e-12)


def make_run(folder, labels=("click",)):
    """A finished run as a folder tells of it, and its rows, without a training."""
    rng = np.random.default_rng(0)
    config = ke.runs.RunConfig.from_dict(
        {
            "dataset": {"name": "own_rows", "arguments": {"sha256": "0"}},
            "model": {"name": "dnn"},
            "folder": str(folder),
        }
    )
    run = folder / config.run_id
    run.mkdir(parents=True)
    clicks = rng.integers(0, 2, (60, len(labels))).astype("float32")
    logits = (rng.normal(size=clicks.shape) + clicks).astype("float32")
    suffixes = [""] if len(labels) == 1 else [f"_{label}" for label in labels]
    lines = [
        {"step": step, "gain": step < 3}
        | {f"{name}{suffix}": step / 10 for name in ("auc", "logloss") for suffix in suffixes}
        for step in (1, 2, 3)
    ]
    (run / "config.json").write_text(json.dumps(config.to_dict()))
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (run / "result.json").write_text("{}")
    np.save(run / "logits.npy", logits)
    schema = ke.FeatureSchema(
        [ke.Categorical("item", 9)], labels[0] if len(labels) == 1 else labels, group="user"
    )
    split = ke.data.Split(
        {"item": np.ones(60, "int32")},
        clicks[:, 0] if len(labels) == 1 else clicks,
        group={"user": np.arange(60) // 10},
    )
    data = ke.runs.Data(schema, split, split, split)
    return ke.runs.RunResult(run, 3, 2, {}, {}, data), clicks, logits


def test_a_run_is_drawn_with_its_numbers(tmp_path):
    result, clicks, logits = make_run(tmp_path)
    figure = result.plot(tmp_path / "pictures" / "run.png")
    titles = [axis.get_title().split(" (")[0] for axis in figure.axes]
    assert titles == [
        *("Learning curve", "Learning curve", "Calibration", "ROC", "Gain"),
        "gAUC by the size of the group",
    ]
    line, best = figure.axes[0].lines
    assert line.get_ydata().tolist() == [0.1, 0.2, 0.3]
    assert best.get_xdata().tolist() == [2]
    roc = figure.axes[3].lines[0]
    area = area_under(roc.get_ydata(), roc.get_xdata())
    assert area == pytest.approx(ke.metrics.exact_auc(clicks[:, 0], logits[:, 0]), abs=1e-6)
    for suffix in ("svg", "png"):
        assert (tmp_path / "pictures" / f"run.{suffix}").stat().st_size > 10_000
    numbers = pd.read_csv(tmp_path / "pictures" / "run.csv")
    assert list(numbers.panel.unique()) == ["learning_curve", "calibration", "roc", "group_auc"]
    [size] = numbers[numbers.panel == "group_auc"].smallest
    assert size == 10


def test_each_label_of_a_run_has_one_colour(tmp_path):
    result, *_ = make_run(tmp_path, ("like", "click"))
    figure = result.plot()
    colors = [
        [to_hex(axis.lines[index].get_color()) for index in places]
        for axis, places in zip(figure.axes, [(0, 2), (0, 2), (0, 3), (0, 1)], strict=False)
    ]
    assert len(set(colors[0])) == 2
    assert colors[1] == colors[3] == colors[0]
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["like", "click"]


def test_a_run_without_its_rows_or_its_end_is_named(tmp_path):
    result, *_ = make_run(tmp_path)
    with raises_value_error("`data`", "rows"):
        plot_run(result.folder)
    np.save(result.folder / "logits.npy", np.zeros((61, 1), "float32"))
    with raises_value_error("61 test rows", "Received: 60"):
        result.plot()
    (result.folder / "result.json").unlink()
    with raises_value_error("finished run"):
        result.plot()


def compared(names, changes, seeds=3):
    def model(name, change):
        values = {metric: [change + seed / 100 for seed in range(seeds)] for metric in METRICS}
        low, high = change - 0.01, change + 0.01
        auc = ke.runs.Interval(change, low, high)
        return ke.runs.ComparedModel(name, {}, "test", values, {"auc": auc, "logloss": auc})

    models = [model(*pair) for pair in zip(names, changes, strict=True)]
    return ke.runs.Comparison("nowhere", models)


METRICS = ("auc", "logloss")


def test_a_comparison_shows_means_and_what_is_no_chance(tmp_path):
    comparison = compared(["base", "good", "same", "bad"], [0.0, 0.05, 0.005, -0.05])
    figure = comparison.plot(tmp_path / "comparison.svg")
    means, gains, _, losses = figure.axes
    assert means.containers[0].lines[0].get_xdata() == pytest.approx([0.01, 0.06, 0.015, -0.04])
    colors = [to_hex(container.lines[0].get_color()) for container in gains.containers]
    assert len(set(colors)) == 3
    # What is good for AUC is bad for logloss.
    reversed_colors = [to_hex(container.lines[0].get_color()) for container in losses.containers]
    assert reversed_colors == [colors[2], colors[1], colors[0]]
    assert "3 seeds" in means.get_title()
    assert "base" in gains.get_xlabel()
    numbers = pd.read_csv(tmp_path / "comparison.csv")
    good = numbers[(numbers.model == "good") & (numbers.metric == "auc")].iloc[0]
    assert (good["mean"], good.difference_low) == pytest.approx((0.06, 0.04))
    assert good.high - good["mean"] == pytest.approx(4.3027 * 0.01 / 3**0.5, abs=1e-6)


def test_a_comparison_of_one_seed_has_no_interval_and_many_models_have_room():
    figure = compared(["only"], [0.1], seeds=1).plot()
    assert "no interval" in figure.axes[0].get_title()
    names = [f"a model with a name that is much too long for a picture, {i}" for i in range(20)]
    many = compared(names, np.linspace(0, 1, 20)).plot()
    assert many.get_size_inches()[1] > 2 * figure.get_size_inches()[1]
    assert all(len(text.get_text()) < 30 for text in many.axes[0].get_yticklabels())
