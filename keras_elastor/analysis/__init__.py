"""What representations and embedding tables use of their width: effective ranks."""

from keras_elastor.analysis.effective_rank import effective_rank, information_abundance
from keras_elastor.analysis.expert_utilization import ExpertCallback, expert_utilization
from keras_elastor.analysis.feature_importance import feature_importance
from keras_elastor.analysis.layer_ranks import layer_ranks
from keras_elastor.analysis.layer_spectra import layer_spectra
from keras_elastor.analysis.plots.importance import plot_feature_importance
from keras_elastor.analysis.plots.ranks import (
    plot_rank_over_time,
    plot_rank_shift,
    plot_rank_trajectories,
)
from keras_elastor.analysis.plots.runs import plot_comparison, plot_run
from keras_elastor.analysis.plots.spectra import plot_information_abundance, plot_spectra
from keras_elastor.analysis.rank_callback import RankCallback
from keras_elastor.analysis.report import Report, report, report_runs
from keras_elastor.analysis.run_ranks import RankAnalysis
from keras_elastor.analysis.singular_values import spectrum
from keras_elastor.analysis.table_ranks import table_ranks

__all__ = [
    "ExpertCallback",
    "RankAnalysis",
    "RankCallback",
    "Report",
    "effective_rank",
    "expert_utilization",
    "feature_importance",
    "information_abundance",
    "layer_ranks",
    "layer_spectra",
    "plot_comparison",
    "plot_feature_importance",
    "plot_information_abundance",
    "plot_rank_over_time",
    "plot_rank_shift",
    "plot_rank_trajectories",
    "plot_run",
    "plot_spectra",
    "report",
    "report_runs",
    "spectrum",
    "table_ranks",
]
