"""Searches for width, depth and training: what to try, trials that are runs, scaling curves."""

from typing import TYPE_CHECKING, Any

from keras_elastor.tuning.counting import count, count_flops
from keras_elastor.tuning.default_spaces import default_space, scaled_arguments
from keras_elastor.utils.optional import import_optional

if TYPE_CHECKING:
    from keras_elastor.tuning.hyper_model import RankingHyperModel

__all__ = ["RankingHyperModel", "count", "count_flops", "default_space", "scaled_arguments"]


def __getattr__(name: str) -> Any:
    if name == "RankingHyperModel":
        import_optional("keras_tuner", extra="tuning")
        from keras_elastor.tuning.hyper_model import RankingHyperModel

        return RankingHyperModel
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
