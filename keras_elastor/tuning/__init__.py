"""Searches for width, depth and training: what to try, trials that are runs, scaling curves."""

from typing import TYPE_CHECKING, Any

from keras_elastor.tuning.counting import count, count_flops
from keras_elastor.tuning.default_spaces import default_space, scaled_arguments
from keras_elastor.tuning.equal_budget import equal_searches
from keras_elastor.tuning.execution import Execution
from keras_elastor.tuning.grids import grid_points
from keras_elastor.tuning.power_law import fit_power_law
from keras_elastor.tuning.result import SearchResult, Trial
from keras_elastor.tuning.runner import PlannedTrial, plan, search
from keras_elastor.tuning.search import Search
from keras_elastor.utils.optional import import_optional

if TYPE_CHECKING:
    from keras_elastor.tuning.hyper_model import RankingHyperModel

__all__ = [
    "Execution",
    "PlannedTrial",
    "RankingHyperModel",
    "Search",
    "SearchResult",
    "Trial",
    "count",
    "count_flops",
    "default_space",
    "equal_searches",
    "fit_power_law",
    "grid_points",
    "plan",
    "scaled_arguments",
    "search",
]


def __getattr__(name: str) -> Any:
    if name == "RankingHyperModel":
        import_optional("keras_tuner", extra="tuning")
        from keras_elastor.tuning.hyper_model import RankingHyperModel

        return RankingHyperModel
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
