"""How much more than chance a model knows, against another model."""

from __future__ import annotations

from typing import Any

from keras_elastor.metrics.auc import AUC
from keras_elastor.utils.saving import register
from keras_elastor.utils.types import Config, Tensor


def relative_improvement(auc: float, baseline_auc: float) -> float:
    """RelaImpr: relative gain of AUC over a baseline, both measured from chance.

        RelaImpr = (AUC - 1/2) / (AUC of the baseline - 1/2) - 1

    Args:
        auc: The model's AUC.
        baseline_auc: The baseline's AUC, above 1/2.

    Returns:
        0.1 for a gain of 10 %; below 0 for a loss.

    Raises:
        ValueError: If the baseline is no better than chance.

    Example:

    >>> round(ke.metrics.relative_improvement(0.72, baseline_auc=0.70), 4)
    0.1

    References:
        Yan et al. (2014), Coupled Group Lasso for Web-Scale CTR Prediction in Display Advertising,
        section 4; Zhou et al. (2018), Deep Interest Network, section 6.3, equation 11.
    """
    if not 0.5 < baseline_auc <= 1:
        raise ValueError(
            "Expected `baseline_auc` to be above 0.5 and at most 1. "
            f"Received: baseline_auc={baseline_auc!r}"
        )
    return (auc - 0.5) / (baseline_auc - 0.5) - 1


@register
class RelativeImprovement(AUC):
    """`relative_improvement` of one task while a model trains; higher is better.

    Args:
        baseline_auc: AUC of the baseline on the same rows, above 1/2.
        num_bins: As for `AUC`.
        from_logits: As for `AUC`.
        name: Name of the metric. Default: "relative_improvement".
        dtype: As for every Keras metric.

    Call arguments, precision and cost are those of `AUC`.

    Raises:
        ValueError: If the baseline is no better than chance; otherwise as for `AUC`.

    Example:

    >>> metric = ke.metrics.RelativeImprovement(baseline_auc=0.625, from_logits=True)
    >>> metric.update_state([0, 0, 1, 1], [-2.0, 0.5, 0.3, 1.0])  # an AUC of 0.75
    >>> float(metric.result())
    1.0
    """

    def __init__(
        self,
        baseline_auc: float,
        num_bins: int = 65536,
        from_logits: bool = False,
        name: str = "relative_improvement",
        dtype: Any = None,
    ) -> None:
        relative_improvement(1.0, baseline_auc)  # Raises where there is no such ratio.
        super().__init__(num_bins, from_logits, name, dtype)
        self.baseline_auc = baseline_auc

    def result(self) -> Tensor:
        """The improvement so far."""
        return (super().result() - 0.5) / (self.baseline_auc - 0.5) - 1

    def get_config(self) -> Config:
        """Arguments of the constructor."""
        return {**super().get_config(), "baseline_auc": self.baseline_auc}
