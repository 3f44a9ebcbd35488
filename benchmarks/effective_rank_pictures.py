"""Pictures and tables of what `benchmarks/effective_rank.py` has measured.

python benchmarks/effective_rank_pictures.py

Reads results/effective_rank/, writes there `shifts.csv` (what mixing layers and per-token networks
do to the mean rank: mean over the seeds, its standard error, and a verdict at two of these) and
`summary.csv` (final rank and AUC), and into docs/pictures/ the pictures of docs/effective_rank.md.
"""

import argparse
import itertools
import pathlib
from typing import Any

import pandas as pd

from keras_elastor.analysis.plots.ranks import plot_rank_trajectories
from keras_elastor.analysis.plots.style import finish, new_figure, open_axis, styles_of
from keras_elastor.analysis.shifts import shift_of

ROOT = pathlib.Path(__file__).parents[1]
NAMES = ["DCNv2", "xDeepFM", "RankMixer", "RankElastor"]
KEYS = ["dataset", "model", "moment", "stage", "kind", "view"]


def over_seeds(ranks: pd.DataFrame) -> pd.DataFrame:
    """Mean rank of each stage over the seeds, with the standard error of that mean."""
    groups = ranks.groupby(KEYS, sort=False)["mean"]
    return groups.agg(mean="mean", standard_error="sem", seeds="count").reset_index()


def shifts(ranks: pd.DataFrame) -> pd.DataFrame:
    """What each mixing layer and each per-token network does, paired by seed."""
    lines = []
    keys = ["dataset", "model", "moment", "kind", "view"]
    # Branches of the other models do not come one after the other.
    tokens = ranks[ranks.model.isin(NAMES[2:])]
    for names, runs in tokens.groupby(keys, sort=False):
        by_stage = runs.pivot(index="seed", columns="stage", values="mean")
        for before, after in itertools.pairwise(dict.fromkeys(runs.stage)):
            change = by_stage[after] - by_stage[before]
            nothing = {"mean": 0.0, "standard_error": 0.0}
            found = {"mean": change.mean(), "standard_error": change.sem()}
            verdict = shift_of(nothing, found)
            lines.append(
                {
                    **dict(zip(keys, names, strict=True)),
                    "stage": after,
                    "before": by_stage[before].mean(),
                    "after": by_stage[after].mean(),
                    "change": found["mean"],
                    "standard_error": found["standard_error"],
                    "verdict": verdict,
                    "seeds": len(change),
                }
            )
    return pd.DataFrame(lines)


def final_ranks(ranks: pd.DataFrame, scores: pd.DataFrame, view: str) -> pd.DataFrame:
    """Rank of the last stage at the best weights beside the AUC, a line for each run."""
    chosen = ranks[(ranks.moment == "best") & (ranks.kind == "stable") & (ranks["view"] == view)]
    last = chosen.groupby(["dataset", "model", "seed"], sort=False).tail(1)
    columns = ["dataset", "model", "seed", "stage", "mean"]
    return scores.merge(last[columns].rename(columns={"mean": "rank"}))


def plot_rank_and_auc(finals: pd.DataFrame, path: pathlib.Path) -> Any:
    """A mark for each run, a panel for each dataset."""
    datasets = list(dict.fromkeys(finals.dataset))
    figure = new_figure(0.8 + 2.8 * len(datasets))
    axes = figure.subplots(len(datasets), 1, squeeze=False)[:, 0]
    for axis, dataset in zip(axes, datasets, strict=True):
        for name, style in styles_of(NAMES).items():
            runs = finals[(finals.dataset == dataset) & (finals.model == name)]
            marks = {**style, "linestyle": "none"}
            axis.plot(runs["rank"], runs.auc, label=name, **marks)
        open_axis(axis, grid="both")
        axis.set_title(dataset, fontsize=10)
        axis.set_ylabel("AUC")
    axes[-1].set_xlabel("stable rank of a window of rows after the last stage")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, ncols=2, loc="outside lower center")
    return finish(figure, path, finals)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "results/effective_rank")
    parser.add_argument("--pictures", type=pathlib.Path, default=ROOT / "docs/pictures")
    options = parser.parse_args()
    scores = pd.read_csv(options.results / "scores.csv")
    # A run that was stopped between the two files is measured again.
    ranks = pd.read_csv(options.results / "ranks.csv").drop_duplicates([*KEYS, "seed"], keep="last")
    means = over_seeds(ranks[ranks.moment == "best"])
    shifts(ranks).round(4).to_csv(options.results / "shifts.csv", index=False)
    finals = final_ranks(ranks, scores, "batch")
    for dataset, view in itertools.product(dict.fromkeys(means.dataset), ("tokens", "batch")):
        # Of models without tokens only the encoder has the view "tokens".
        names = NAMES if view == "batch" else NAMES[2:]
        of_dataset = means[means.dataset == dataset]
        frames = {name: of_dataset[of_dataset.model == name] for name in names}
        path = options.pictures / f"effective_rank_{dataset}_{view}"
        plot_rank_trajectories(frames, "stable", view, path, names=NAMES)
    plot_rank_and_auc(finals, options.pictures / "effective_rank_auc")
    summary = finals.groupby(["dataset", "model"], sort=False)[["rank", "auc", "logloss"]]
    flat = summary.agg(["mean", "std"]).round(6)
    flat.columns = ["_".join(column) for column in flat.columns]
    flat.to_csv(options.results / "summary.csv")
    print(flat.to_string())
    for dataset, runs in finals.groupby("dataset", sort=False):
        within = runs[["rank", "auc"]] - runs.groupby("model")[["rank", "auc"]].transform("mean")
        print(
            f"{dataset}: Spearman's correlation of rank and AUC over {len(runs)} runs "
            f"{runs['rank'].rank().corr(runs.auc.rank()):+.2f}, within models "
            f"{within['rank'].corr(within.auc):+.2f} (Pearson)"
        )


if __name__ == "__main__":
    main()
