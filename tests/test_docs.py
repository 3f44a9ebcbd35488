"""The pages of `docs/` do what they say."""

import contextlib
import io
import pathlib
import re
import shlex

import pytest

import keras_elastor as ke
from keras_elastor.models import registry
from keras_elastor.runs.config_files import read_file
from keras_elastor.tuning.space import read_space
from keras_elastor_command import make_parser
from tests.backends import slow_but_on_pytorch
from tests.checks import run_model_test

pytestmark = pytest.mark.usefixtures("traced_only")
DOCS = pathlib.Path(__file__).parents[1] / "docs"
SCHEMA = ke.FeatureSchema(
    [ke.Categorical("user", 12), ke.Sequence("history", 9, 5), ke.Numeric("price")],
    label="click",
    group="user",
)


@pytest.fixture
def page_of_a_model(monkeypatch):
    """The code of the page; what it registers is forgotten afterwards."""
    monkeypatch.setattr(registry, "_MODELS", dict(registry._MODELS))
    page = (DOCS / "adding_a_model.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)


def test_adding_a_model(page_of_a_model, tmp_path):
    model_file, usage = page_of_a_model
    assert len(model_file.splitlines()) < 80
    names = {"__name__": "pnn"}
    exec(compile(model_file, "adding_a_model.md", "exec"), names)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(usage, "adding_a_model.md", "exec"), names)
    assert output.getvalue() == "(3, 1)\n"
    assert "pnn" in ke.models.list_models()
    run_model_test(
        lambda **kwargs: ke.models.create(
            "pnn", SCHEMA, embedding_dim=4, hidden_units=(8,), **kwargs
        ),
        SCHEMA,
        tmp_path,
    )


@slow_but_on_pytorch
def test_models():
    page = (DOCS / "models.md").read_text(encoding="utf-8")
    names = {"__name__": "models"}
    with contextlib.redirect_stdout(io.StringIO()) as output:
        for code in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL):
            exec(compile(code, "models.md", "exec"), names)
    assert "ffn_1" in output.getvalue()


def test_runs(tmp_path, monkeypatch):
    pytest.importorskip("yaml")
    pytest.importorskip("pandas")
    page = (DOCS / "runs.md").read_text(encoding="utf-8")
    config, code, other, pictures = re.findall(
        r"```(?:yaml|python)\n(.*?)```", page, flags=re.DOTALL
    )
    monkeypatch.chdir(tmp_path)
    without = "".join(line for line in config.splitlines(True) if not line.startswith("protocol"))
    pathlib.Path("other.yaml").write_text(without + other)
    keras_config = ke.runs.RunConfig.from_file("other.yaml")
    assert isinstance(keras_config.protocol, ke.training.KerasProtocol)
    pathlib.Path("run.yaml").write_text(config)
    names = {}
    exec(compile(code + pictures, "runs.md", "exec"), names)
    assert {path.name for path in pathlib.Path("pictures").glob("*.svg")} == {
        "dnn.svg",
        "worth.svg",
    }
    assert re.fullmatch("runs/dnn_synthetic-[0-9a-f]{10}", str(names["result"].folder))
    promised = re.findall(r"^\| (`.*?) \|", page.split("## Folder")[1], flags=re.MULTILINE)
    promised = {name for cell in promised for name in re.findall("`([a-z5._]+)/?`", cell)}
    present = {path.name for path in names["result"].folder.iterdir()}
    # A dataset of ids has no raw values, and a finished run no checkpoints.
    assert promised - present <= {"preprocessor", "checkpoints", "tensorboard"}
    assert present - promised <= {".lock"}
    commands = [
        line
        for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
        for line in block.splitlines()
    ]
    assert len(commands) == 8
    for line in commands:
        program, *arguments = shlex.split(line)
        assert program == "keras-elastor"
        make_parser().parse_args(arguments)


@slow_but_on_pytorch
def test_performance(tmp_path, monkeypatch):
    pytest.importorskip("yaml")
    page = (DOCS / "performance.md").read_text(encoding="utf-8")
    code, config, settings = re.findall(r"```(?:yaml|python)\n(.*?)```", page, flags=re.DOTALL)
    names = {}
    exec(compile(code, "performance.md", "exec"), names)
    exec(compile(settings, "performance.md", "exec"), {})
    assert isinstance(names["model"].optimizer.tables, ke.optimizers.LazyAdam)
    path = tmp_path / "run.yaml"
    path.write_text("dataset: {name: synthetic}\nmodel: {name: dnn}\n" + config)
    protocol = ke.runs.RunConfig.from_file(path).protocol
    assert isinstance(protocol.make_optimizer(), ke.optimizers.Split)


def test_analysis(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    page = (DOCS / "analysis.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, "analysis.md", "exec"), {})
    assert "information_abundance" in output.getvalue()
    written = {path.name for path in pathlib.Path("ranks").rglob("*.*")}
    names = ("trajectories", "shift", "time", "spectra", "tables")
    pictures = {f"{name}.{end}" for name in names for end in ("svg", "png", "csv")}
    assert written == {*pictures, "ranks.jsonl"}
    [line] = re.findall(r"```sh\n(.*?)\n```", page, flags=re.DOTALL)
    make_parser().parse_args(shlex.split(line)[1:])


def test_tuning(tmp_path, monkeypatch):
    pytest.importorskip("yaml")
    page = (DOCS / "tuning.md").read_text(encoding="utf-8")
    [space] = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    run, keras_tuner = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    pathlib.Path("space.yaml").write_text(space)
    assert len(read_space(read_file("space.yaml"))) == 4
    names = {}
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(run, "tuning.md", "exec"), names)
    assert output.getvalue().count("num_blocks") == 3
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    commands = [line for line in lines if not line.startswith("export")]
    assert len(commands) == 13
    for line in commands:
        _, _, arguments = line.partition("tune " if "-elastor" in line else ".py ")
        grid = re.findall(r"tuning/(width|depth|joint)\.py", line)
        given = ["--grid", *grid] if grid else []
        make_parser().parse_args(["tune", *given, *shlex.split(arguments)])
    pytest.importorskip("keras_tuner")
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(keras_tuner, "tuning.md", "exec"), names)
    assert len(names["tuner"].oracle.trials) == 2


@pytest.mark.backend_free
def test_the_finding_on_effective_ranks_says_what_was_measured():
    pandas = pytest.importorskip("pandas")
    page = (DOCS / "effective_rank.md").read_text(encoding="utf-8")
    measured = pandas.read_csv(DOCS.parent / "results" / "effective_rank" / "shifts.csv")
    chosen = measured[
        (measured.moment == "best") & (measured.kind == "stable") & (measured["view"] == "tokens")
    ]
    expected = [
        (f"{x.before:.2f} to {x.after:.2f} ({x.change:+.2f} ± {x.standard_error:.2f})", x.verdict)
        for dataset in ("kuairand_pure", "synthetic")
        for stage in ("mixing_0", "ffn_0", "mixing_1", "ffn_1")
        for model in ("RankMixer", "RankElastor")
        for x in chosen[
            (chosen.dataset == dataset) & (chosen.stage == stage) & (chosen.model == model)
        ].itertuples()
    ]
    shown = re.findall(r"\| ([\d.]+ to [\d.]+ \(.*?\)) \| ([a-z ]+?) (?=\|)", page)
    assert len(shown) == 16
    assert shown == expected
    summary = pandas.read_csv(DOCS.parent / "results" / "effective_rank" / "summary.csv")
    for x in summary.itertuples():
        assert f"| {x.auc_mean:.4f} ± {x.auc_std:.4f} | {x.rank_mean:.2f} |" in page
    for picture in re.findall(r"\((pictures/.*?)\)", page):
        assert (DOCS / picture).is_file()


@pytest.mark.backend_free
def test_the_study_of_scaling_says_what_was_measured():
    pandas = pytest.importorskip("pandas")
    page = (DOCS / "scaling.md").read_text(encoding="utf-8")
    measured = pandas.read_csv(DOCS / "pictures" / "scaling.csv")
    expected = [
        f"| {x.grid} | {x.model} | {x.values} | {x.dense:,} | {x.auc_mean:.4f} ± {x.auc_std:.4f} | "
        f"{x.logloss_mean:.4f} ± {x.logloss_std:.4f} |"
        for x in measured.itertuples()
    ]
    assert re.findall(r"^\| \w+ \| Rank\w+ \| num_.*$", page, flags=re.MULTILINE) == expected
    pooled = (measured.groupby("grid", sort=False)[["auc_std", "logloss_std"]]).agg(
        lambda deviations: (deviations**2).mean() ** 0.5
    )
    auc, logloss = (pooled[name].loc[["width", "depth", "joint"]] for name in pooled)
    assert "{:.4f} (width), {:.4f} (depth) and {:.4f} (joint)".format(*auc) in page
    assert "of logloss {:.4f}, {:.4f} and {:.4f}".format(*logloss) in " ".join(page.split())
    executions = pandas.read_csv(DOCS.parent / "results" / "scaling" / "scaling_executions.csv")
    means = executions.groupby(["grid", "model", "trial"]).auc.mean()
    assert sorted(means) == pytest.approx(sorted(measured.auc_mean), abs=2e-6)
    fits = pandas.read_csv(DOCS.parent / "results" / "scaling" / "scaling_fits.csv")
    expected = [
        f"| {x.grid} | {x.model} | {x.loss} | {x.change:+.4f} [{x.change_low:+.4f}, "
        f"{x.change_high:+.4f}] | {law(x)} |"
        for x in fits.fillna({"problem": ""}).itertuples()
    ]
    assert re.findall(r"^\| \w+ \| Rank\w+ \| (?:1 -|log).*$", page, flags=re.M) == expected
    for picture in re.findall(r"\((pictures/.*?)\)", page):
        assert (DOCS / picture).is_file()


def law(fit):
    """The law of a line of the fits, or that there is none."""
    if fit.problem:
        return "grows" if "grows" in fit.problem else "none"
    return f"{fit.factor:.3g} N^-{fit.exponent:.3g} + {fit.floor:.4f}"


def test_data(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "data.md").read_text(encoding="utf-8")
    names = {}
    for code in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL):
        exec(compile(code, "data.md", "exec"), names)
    *table, metrics, predictions = capsys.readouterr().out.splitlines()
    assert "```text\n" + "\n".join(table) + "\n```" in page
    assert f"prints `{metrics}`" in page
    assert predictions == "dict_keys(['click', 'stars'])"


@pytest.mark.backend_free
def test_which_model(tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "which_model.md").read_text(encoding="utf-8")
    names = {}
    for code in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL):
        exec(compile(code, "which_model.md", "exec"), names)
    shown = capsys.readouterr().out
    assert re.search(r"\{'auc': 0\.\d+, 'logloss': 0\.\d+\}", shown)
    found = [model.name for model in names["comparison"].models]
    assert found == ["gradient_boosting", "deep_fm", "rank_elastor"]


def test_presets_page_lists_every_published_preset():
    page = (DOCS / "presets.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \| (\S+) \|", page, flags=re.MULTILINE)
    published = {
        name: ke.models.get_preset(name).published
        for name in ke.models.list_presets()
        if ke.models.get_preset(name).published
    }
    expected = {
        (name, f"{scores['auc']:g}", f"{scores['logloss']:g}") for name, scores in published.items()
    }
    assert set(rows) == expected
