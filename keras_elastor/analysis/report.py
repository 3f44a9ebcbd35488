"""Reports on models: everything that this room measures, as one page."""

from __future__ import annotations

import collections
import dataclasses
import html
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_elastor.analysis import page
from keras_elastor.analysis.findings import Findings, model_findings, run_findings
from keras_elastor.analysis.plots.predictions import (
    plot_calibration,
    plot_group_auc,
    plot_learning_curves,
)
from keras_elastor.analysis.plots.ranks import (
    plot_rank_over_time,
    plot_rank_shift,
    plot_rank_trajectories,
)
from keras_elastor.analysis.plots.spectra import plot_information_abundance, plot_spectra
from keras_elastor.analysis.plots.style import together
from keras_elastor.analysis.sentences import describe
from keras_elastor.analysis.shifts import main_view
from keras_elastor.models.ranking_model import RankingModel
from keras_elastor.runs.build import load_data
from keras_elastor.runs.config import RunConfig
from keras_elastor.runs.runner import read_config
from keras_elastor.utils.files import write_text
from keras_elastor.utils.optional import import_optional

_CURVES = ("auc", "logloss", "gauc")
# The others are folded.
_FIRST_FACTS = ("model", "dense parameters", "dataset", "rows", "state", "valid", "test")


@dataclasses.dataclass(frozen=True, eq=False)
class Report:
    """What `report` and `report_runs` give back; a notebook shows it as it is.

    Args:
        html: One page that needs no network.
        sentences: What its figures show, in words.
        findings: All numbers, by the name of the model.
    """

    html: str
    sentences: list[str]
    findings: Mapping[str, Findings]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page."""
        write_text(Path(path), self.html)

    def _repr_html_(self) -> str:
        """The page inside of a notebook, whose styles it does not touch."""
        page = html.escape(self.html, quote=True)
        return f'<iframe srcdoc="{page}" width="100%" height="800" frameborder="0"></iframe>'


def report(
    models: RankingModel | Mapping[str, RankingModel],
    dataset: Any,
    path: str | os.PathLike[str] | None = None,
    max_rows: int | None = 10_000,
    window: int = 500,
    verbose: bool = False,
) -> Report:
    """Ranks, spectra, tables and predictions of models, as one page and in words.

    Args:
        models: A model of `ke.models`, or several by name.
        dataset: A `tf.data.Dataset` or any other finite iterable of batches that can be read again,
            or the arrays of all rows as one batch; a batch is `(features, label)`. Without labels
            the page has neither calibration nor gAUC.
        path: Where to write the page. Default: None, nowhere.
        max_rows: Rows that the stages are measured on, from the first. Default: 10,000; None for
            all.
        window: As for `layer_ranks`. Default: 500.
        verbose: Whether to show a progress bar. Default: False.

    Returns:
        The page, its sentences and all numbers.

    Raises:
        ValueError: As for `layer_ranks`.
        ImportError: If matplotlib or pandas is not installed.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Categorical("item", 50)])
    >>> rows = {"user": np.arange(1, 41), "item": np.arange(1, 41)}
    >>> model = ke.models.DNN(schema, embedding_dim=4, hidden_units=[4])
    >>> found = ke.analysis.report(model, (rows, np.arange(40) % 2), window=20)
    >>> found.sentences[0].split(" of a window")[0]
    'DNN: the stable rank'
    """
    _require_matplotlib()
    named = models if isinstance(models, Mapping) else {type(models).__name__: models}
    findings = {
        name: model_findings(model, dataset, None, max_rows, window, verbose)
        for name, model in named.items()
    }
    return _make_report(findings, path)


def report_runs(
    folders: Sequence[str | os.PathLike[str]],
    path: str | os.PathLike[str] | None = None,
    data_dir: str | None = None,
    max_rows: int | None = 10_000,
    window: int = 500,
    verbose: bool = False,
) -> Report:
    """The report on the best weights of runs, with their configs and learning curves.

    Stages are measured on a random sample of the rows that runs are compared on, the test rows, or
    the validation rows where there are no such; predictions on all of them.

    Args:
        folders: Folders of runs.
        path: Where to write the page. Default: None, nowhere.
        data_dir: Where the files of the dataset lie now. Default: where they lay.
        max_rows: Rows that the stages are measured on. Default: 10,000; None for all.
        window: As for `layer_ranks`. Default: 500.
        verbose: Whether to show a progress bar. Default: False.

    Returns:
        The page, its sentences and all numbers.

    Raises:
        ValueError: If a folder holds no run, one of another version or a damaged one, or the data
            have changed; otherwise as for `layer_ranks`.
        ImportError: If matplotlib or pandas is not installed.

    Example: see `docs/analysis.md`.
    """
    if not folders:
        raise ValueError("Expected the folder of at least one run. Received: none")
    _require_matplotlib()
    configs = {Path(folder): read_config(Path(folder)) for folder in folders}
    loaded: dict[str, Any] = {}
    findings = {}
    for (folder, config), name in zip(configs.items(), _names(configs), strict=True):
        if data_dir is not None:
            config = config.with_data_dir(data_dir)
        key = repr(config.dataset)
        if key not in loaded:
            loaded[key] = load_data(config)
        findings[name] = run_findings(folder, config, loaded[key], max_rows, window, verbose)
    return _make_report(findings, path)


def _names(configs: Mapping[Path, RunConfig]) -> list[str]:
    """The shortest names that tell runs apart."""
    short = [config.name or config.model.name for config in configs.values()]
    seeded = [
        f"{name}, seed {config.seed}" for name, config in zip(short, configs.values(), strict=True)
    ]
    count, seeded_count = collections.Counter(short), collections.Counter(seeded)
    return [
        name if count[name] == 1 else longer if seeded_count[longer] == 1 else folder.name
        for name, longer, folder in zip(short, seeded, configs, strict=True)
    ]


def _require_matplotlib() -> None:
    """Raise ImportError before anything is measured."""
    import_optional("matplotlib", "analysis")
    import_optional("pandas", "analysis")


def _make_report(findings: Mapping[str, Findings], path: str | os.PathLike[str] | None) -> Report:
    told = describe(findings)
    title = f"Effective ranks of {', '.join(findings)}"
    body = page.render_page(title, _sections(findings, told))
    made = Report(body, told, findings)
    if path is not None:
        made.save(path)
    return made


def _sections(findings: Mapping[str, Findings], told: Sequence[str]) -> Iterator[str]:
    """All sections of the page that there is something for."""
    yield page.section("What the figures show", page.sentences(told))
    names = list(findings)
    facts = (page.facts(name, found.facts, _FIRST_FACTS) for name, found in findings.items())
    yield page.section("Configuration", *facts)
    curves = _present(findings, "evaluations")
    if curves:
        metrics = [name for name in _CURVES if any(name in frame for frame in curves.values())]
        metrics = metrics or ["monitor"]
        figure = plot_learning_curves(curves, metrics, names=names)
        caption = "Exact metrics of the validation rows while the models train."
        yield page.section("Learning curves", page.picture(figure, caption, together(curves)))
    yield page.section("Rank through the layers", *_rank_pictures(findings))
    over_time = _present(findings, "ranks_over_time")
    if over_time:
        yield page.section("Rank while the models train", *_time_pictures(over_time))
    yield page.section("Spectra", *_spectrum_pictures(findings))
    tables = _present(findings, "tables")
    if tables:
        caption = "Sum over maximum of the singular values of the table that each field reads."
        figure = plot_information_abundance(tables, names=names)
        yield page.section("Embedding tables", page.picture(figure, caption, together(tables)))
    bins = _present(findings, "calibration")
    if bins:
        caption = "Mean prediction and observed rate of bins of as many rows each."
        picture = page.picture(plot_calibration(bins, names=names), caption, together(bins))
        yield page.section("Calibration", picture)
    groups = _present(findings, "groups")
    if groups:
        caption = "gAUC of groups, such as users, by their number of rows."
        picture = page.picture(plot_group_auc(groups, names=names), caption, together(groups))
        yield page.section("gAUC by the size of the group", picture)


def _rank_pictures(findings: Mapping[str, Findings]) -> Iterator[str]:
    ranks = _present(findings, "ranks")
    for view, what in (("tokens", "the tokens of a row"), ("batch", "the rows of a window")):
        with_view = {n: f for n, f in ranks.items() if len(set(f[f["view"] == view].stage)) > 1}
        if with_view:
            chosen = {
                name: frame[(frame["view"] == view) & (frame.kind == "stable")]
                for name, frame in with_view.items()
            }
            figure = plot_rank_trajectories(with_view, view=view, names=list(findings))
            caption = f"Mean stable rank of {what} after each stage."
            yield page.picture(figure, caption, together(chosen))
    for name, frame in ranks.items():
        tokens = frame[(frame["view"] == "tokens") & (frame.kind == "stable")]
        if len(tokens) > 1:
            caption = f"{name}: distribution over the rows, and what each layer does to its mean."
            yield page.picture(plot_rank_shift(frame), caption, tokens)


def _time_pictures(over_time: Mapping[str, Any]) -> Iterator[str]:
    for name, frame in over_time.items():
        view = main_view(frame)
        kind = "stable" if (frame.kind == "stable").any() else frame.kind[0]
        chosen = frame[(frame.kind == kind) & (frame["view"] == view)]
        figure = plot_rank_over_time(frame, kind, view)
        yield page.picture(figure, f"{name}: the same rows, measured while it trains.", chosen)


def _spectrum_pictures(findings: Mapping[str, Findings]) -> Iterator[str]:
    pandas = import_optional("pandas", "analysis")
    for name, found in findings.items():
        means = {stage: values.mean(axis=0) for stage, values in found.spectra.items()}
        numbers = pandas.DataFrame(
            [
                {"stage": stage, "index": index, "mean singular value": value}
                for stage, values in means.items()
                for index, value in enumerate(values, start=1)
            ]
        )
        caption = f"{name}: singular values of each stage as shares of the largest one."
        yield page.picture(plot_spectra(found.spectra), caption, numbers)


def _present(findings: Mapping[str, Findings], part: str) -> dict[str, Any]:
    """A part of the findings, of the models that have it."""
    parts = {name: getattr(found, part) for name, found in findings.items()}
    return {name: value for name, value in parts.items() if value is not None}
