"""Metrics of click-through-rate prediction: for `fit`, and exact ones for evaluation."""

from keras_elastor.metrics.auc import AUC
from keras_elastor.metrics.calibration import Calibration
from keras_elastor.metrics.exact import exact_auc, group_auc, log_loss_from_logits
from keras_elastor.metrics.gauc import GroupAUC
from keras_elastor.metrics.improvement import RelativeImprovement, relative_improvement
from keras_elastor.metrics.log_loss import LogLoss
from keras_elastor.metrics.normalized_entropy import NormalizedEntropy
from keras_elastor.metrics.poisson_deviance import PoissonDeviance
from keras_elastor.metrics.task_metric import TaskMetric

__all__ = [
    "AUC",
    "Calibration",
    "GroupAUC",
    "LogLoss",
    "NormalizedEntropy",
    "PoissonDeviance",
    "RelativeImprovement",
    "TaskMetric",
    "exact_auc",
    "group_auc",
    "log_loss_from_logits",
    "relative_improvement",
]
