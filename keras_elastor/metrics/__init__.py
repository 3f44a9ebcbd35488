"""Metrics of click-through-rate prediction: one for `fit`, exact ones for evaluation."""

from keras_elastor.metrics.auc import AUC
from keras_elastor.metrics.exact import exact_auc, group_auc, log_loss_from_logits

__all__ = ["AUC", "exact_auc", "group_auc", "log_loss_from_logits"]
