"""The report: one page that says what its figures show, and needs nothing from elsewhere."""

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import keras_elastor as ke
import keras_elastor_command
from keras_elastor.analysis.findings import Findings
from keras_elastor.analysis.predictions import Predictions, auc_by_group_size, calibration_curve
from keras_elastor.analysis.report import _make_report
from keras_elastor.analysis.sentences import describe
from tests.assertions import raises_value_error
from tests.backends import slow_but_on_pytorch
from tests.checks import random_batch
from tests.models.test_models import SCHEMA, make
from tests.runs.runs import make_config

pytest.importorskip("matplotlib")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def ranks(stages, means, view="tokens", error=0.1):
    lines = [
        (stage, kind, view, mean, error, mean - 1, mean, mean + 1, 100)
        for kind in ("stable", "entropy")
        for stage, mean in zip(stages, means, strict=True)
    ]
    columns = "stage kind view mean standard_error q10 q50 q90 rows"
    return pd.DataFrame(lines, columns=columns.split())


def made_up(means=(2.0, 3.0, 2.5, 4.0, 4.1), long="a" * 300):
    """Findings of numbers that nobody measured, with names that are too long for a line."""
    stages = ["encoder", "mixing_0", "ffn_0", "mixing_1", "ffn_1"]
    predictions = Predictions(
        ["click"], np.tile([[0], [1]], (40, 1)), np.linspace(-1, 1, 80)[:, None], np.arange(80) // 6
    )
    tables = pd.DataFrame(
        {
            **{"encoder": "encoder", "field": ["user", long], "table": ["user", long]},
            **{"embedding_dim": 8, "information_abundance": [2.0, 5.0]},
        }
    )
    evaluations = pd.DataFrame(
        {"step": [10, 20], "auc": [0.6, 0.7], "logloss": [0.5, 0.4], "gain": [True, True]}
    )
    over_time = ranks(stages, means).assign(step=0, epoch=0)
    return Findings(
        facts={"model": "RankMixer", "dataset": "<b>&" + long, "model arguments": long},
        ranks=pd.concat([ranks(stages, means), ranks([*stages, "head"], [*means, 9], "batch")]),
        spectra={stage: np.array([[4.0, 2.0, 1.0], [0, 0, 0]]) for stage in stages},
        tables=tables,
        calibration=calibration_curve(predictions),
        groups=auc_by_group_size(predictions),
        evaluations=evaluations,
        ranks_over_time=pd.concat([over_time, over_time.assign(step=10)]),
    )


def cross(first, last, error=0.1):
    """Findings of a model without tokens."""
    frame = ranks(["encoder", "cross_0"], [first, last], "batch", error)
    return Findings({"model": "DCNv2"}, frame, {"encoder": np.ones((1, 3))})


@pytest.mark.backend_free
def test_sentences_say_what_the_numbers_say():
    told = describe({"A": made_up(), "B": made_up((2.0, 1.0, 1.05, 1.0, 1.1)), "C": cross(3, 2)})
    assert told[0] == (
        "A, stable rank of the tokens of a row: mixing layers expand it (2.00 to 3.00, 2.50 to "
        "4.00); per-token networks contract it in 1 and leave it within the error in 1 of 2 places "
        "(3.00 to 2.50, 4.00 to 4.10)."
    )
    assert "mixing layers contract it in 1 and leave it within the error in 1" in told[1]
    assert "networks change it by no more than the error (1.00 to 1.05, 1.00 to 1.10)" in told[1]
    assert told[2] == (
        "C: the stable rank of a window of rows falls from 3.00 at the stage encoder to 2.00 at "
        "cross_0."
    )
    assert told[3] == (
        "After its last stage A has the highest stable rank of the tokens of a row, 4.10, and B "
        "the lowest, 1.10; the difference is beyond the error of these rows."
    )
    assert told[4].startswith("A: embedding tables use 3.5 of 8 directions on average")
    assert "from 2.0 of user to 5.0 of aaa" in told[4]
    (inside,) = describe({"C": cross(3, 3.1)})
    assert "stays within its error from 3.00" in inside
    rises, falls, compared = describe({"C": cross(3, 4), "D": cross(3, 3.9, error=0.09)})
    assert "rises from 3.00" in rises
    assert "rises from 3.00" in falls
    assert "inside the error of these rows" in compared


@pytest.mark.backend_free
def test_calibration_by_hand():
    # Bins of two rows each: probabilities 0.25, 0.25 and then 0.75, 0.5.
    logits = np.log([1.0, 1 / 3, 1 / 3, 3.0])
    predictions = Predictions(["click"], np.array([[0], [1], [0], [1]]), logits[:, None], None)
    assert auc_by_group_size(predictions) is None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_elastor.analysis.predictions._BINS", 2)
        curve = calibration_curve(predictions)
    assert curve.predicted.tolist() == pytest.approx([0.25, 0.625])
    assert curve.observed.tolist() == [0.5, 0.5]
    assert curve.rows.tolist() == [2, 2]
    error = [(0.1875 / 2) ** 0.5, ((0.1875 + 0.25) / 2 / 2) ** 0.5]
    assert curve.standard_error.tolist() == pytest.approx(error)


@pytest.mark.backend_free
def test_auc_by_group_size_by_hand():
    # Users 1 and 2 have two rows each, user 3 five, user 4 one.
    groups = np.array([1, 2, 1, 2, 3, 3, 3, 3, 3, 4])
    labels = np.array([0, 1, 1, 0, 0, 0, 1, 1, 0, 1])[:, None]
    scores = np.array([0, 5, 1, 9, 1, 2, 3, 0, 0.5, 1.0])[:, None]
    frame = auc_by_group_size(Predictions(["click"], labels, scores, groups))
    assert frame.smallest.tolist() == [1, 5]
    assert frame.largest.tolist() == [2, 5]
    assert frame.groups.tolist() == [3, 1]
    assert frame.rows.tolist() == [5, 5]
    # User 1 is right, user 2 wrong, user 4 has one class; of user 3's six pairs three are right.
    assert frame.gauc.tolist() == pytest.approx([0.5, 0.5])


class Page(HTMLParser):
    """What a page refers to, and what is folded."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.headings, self.alternatives, self.tags = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        found = dict(attributes)
        self.addresses += [found[key] for key in ("src", "href", "srcset") if key in found]
        if tag == "img":
            self.alternatives.append(found["alt"])

    def handle_data(self, data):
        if self.tags and self.tags[-1] == "h2" and data.strip():
            self.headings.append(data)


@pytest.fixture(scope="module")
def made():
    return _make_report({"A <i>": made_up(), "b" * 200: made_up(), "C": cross(3, 2)}, None)


@pytest.mark.backend_free
def test_the_page_needs_nothing_from_elsewhere(made):
    page = Page(made.html)
    assert all(address.startswith("data:") for address in page.addresses)
    assert "script" not in page.tags
    assert "url(" not in made.html
    assert page.headings == [
        *("What the figures show", "Configuration", "Learning curves", "Rank through the layers"),
        *("Rank while the models train", "Spectra", "Embedding tables", "Calibration"),
        "gAUC by the size of the group",
    ]
    # Behind each picture its numbers, and the settings of each model, folded.
    pictures = page.tags.count("img")
    assert pictures == 13
    assert page.tags.count("table") == pictures
    assert page.tags.count("details") == pictures + 3
    assert all(page.alternatives)
    assert "A &lt;i&gt;" in made.html
    assert "<b>" not in made.html
    for sentence in made.sentences:
        assert html.escape(sentence) in made.html
    again = _make_report(made.findings, None)
    assert again.html == made.html
    assert html.escape(made.html) in made._repr_html_()


LOOK = """
<body><iframe srcdoc="{page}" style="border:0;width:380px;height:800px"></iframe>
<pre id="seen"></pre><script>
const frame = document.querySelector("iframe");
frame.onload = () => {{
  const page = frame.contentDocument;
  page.querySelectorAll("details").forEach((folded) => (folded.open = OPEN));
  document.querySelector("#seen").textContent = JSON.stringify({{
    inner: page.documentElement.clientWidth,
    needed: page.documentElement.scrollWidth,
    broken: [...page.images].filter((image) => !image.naturalWidth).length,
    pictures: page.images.length,
    loaded: frame.contentWindow.performance.getEntriesByType("resource")
      .map((entry) => entry.name).filter((name) => !name.startsWith("data:")),
  }});
}};
</script></body>
"""


@pytest.mark.backend_free
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize("unfolded", ["false", "true"])
def test_the_page_fits_a_telephone(made, tmp_path, unfolded):
    look = LOOK.format(page=html.escape(made.html)).replace("OPEN", unfolded)
    (tmp_path / "look.html").write_text(look)
    found = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *(f"--user-data-dir={tmp_path}", "--virtual-time-budget=20000", "--dump-dom"),
            f"file://{tmp_path}/look.html",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    seen = re.search(r'<pre id="seen">(.*?)</pre>', found.stdout, re.DOTALL)[1]
    seen = json.loads(html.unescape(seen))
    assert seen["inner"] in range(360, 381)
    assert seen["needed"] == seen["inner"]
    assert seen["broken"] == 0
    assert seen["pictures"] == 13
    assert seen["loaded"] == []


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs, one of them watched."""
    folder = tmp_path_factory.mktemp("runs")
    mixer = {"name": "rank_mixer", "arguments": {"embedding_dim": 4, "num_blocks": 1}}
    watch = {"window": 64, "kinds": ["stable"]}
    configs = [make_config(folder), make_config(folder, model=mixer, analysis=watch, epochs=1)]
    return [ke.runs.run(config).folder for config in configs]


@slow_but_on_pytorch
def test_analyze_runs(runs, tmp_path, capsys):
    out = tmp_path / "new" / "report.html"
    arguments = ["analyze", *map(str, runs), "--out", str(out), "--window", "32", "--quiet"]
    assert keras_elastor_command.main(arguments) == 0
    printed = capsys.readouterr().out
    assert f"The page is {out}" in printed
    page = out.read_text()
    assert "dnn: the stable rank of a window of rows" in printed
    assert "rank_mixer, stable rank of the tokens of a row: the mixing layer" in printed
    result = json.loads((runs[1] / "result.json").read_text())
    assert f"auc {result['metrics']['test']['auc']:.5f}" in page
    assert page.count("<h2>") == 9


@slow_but_on_pytorch
def test_what_a_run_is_reported_by(runs):
    found = ke.analysis.report_runs(runs[:1], window=32).findings["dnn"]
    logits = np.load(runs[0] / "logits.npy")[:, 0]
    weights = found.calibration.rows
    mean = (found.calibration.predicted * weights).sum() / weights.sum()
    assert mean == pytest.approx((1 / (1 + np.exp(-logits.astype(float)))).mean(), rel=1e-5)
    gauc = json.loads((runs[0] / "result.json").read_text())["metrics"]["test"]["gauc"]
    smallest, largest = found.groups.gauc.min(), found.groups.gauc.max()
    assert smallest <= gauc <= largest
    assert found.ranks.rows.max() == 128
    assert found.ranks_over_time is None
    assert found.evaluations.step.tolist() == [7, 14]


@slow_but_on_pytorch
def test_a_model_and_a_dataset(tmp_path):
    features, labels = random_batch(SCHEMA, batch=40)
    found = ke.analysis.report(
        make("RankMixer"), (features, labels), tmp_path / "a.html", window=20
    )
    assert (tmp_path / "a.html").read_text() == found.html
    (name,) = found.findings
    assert name == "RankMixer"
    assert set(found.findings[name].calibration.label) == set(SCHEMA.labels)
    # Without labels there is no more to say of predictions.
    without = ke.analysis.report({"mine": make("FM")}, features, window=20)
    assert Page(without.html).headings[-1] == "Embedding tables"


@slow_but_on_pytorch
def test_bad_input(runs, tmp_path, monkeypatch):
    with raises_value_error("at least one run"):
        ke.analysis.report_runs([])
    with raises_value_error(str(tmp_path), "config.json"):
        ke.analysis.report_runs([tmp_path])
    config = json.loads((runs[0] / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "version": 0}))
    with raises_value_error(str(tmp_path), "an older version, 0"):
        ke.analysis.report_runs([tmp_path])
    features, labels = random_batch(SCHEMA, batch=1)
    with raises_value_error("at least 2 rows", "1 rows"):
        ke.analysis.report(make("FM"), (features, labels))
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(ImportError, match="keras-elastor\\[analysis\\]"):
        ke.analysis.report(make("FM"), (features, labels))
