"""FuxiCTR's judgement of a sequence of evaluations: go on, slow down or stop."""

from __future__ import annotations

import dataclasses
import math


@dataclasses.dataclass
class Plateau:
    """Remembers the best evaluation and counts those without gain since.

    An evaluation gains if its value reaches `best + min_delta`. Every other one multiplies the
    learning rate by `factor`, and the last of `patience` such in a row ends the training.

    Args:
        patience: Evaluations without gain in a row that end the training.
        min_delta: Smallest gain.
        factor: What the learning rate is multiplied by.
        min_learning_rate: The learning rate never falls below it.
        best: Value of the best evaluation so far; None before the first.
        waited: Evaluations without gain since the best one.

    Example:

    >>> plateau = ke.training.Plateau(patience=2)
    >>> [plateau.gains(value) for value in (0.70, 0.72, 0.71, 0.72)]
    [True, True, False, False]
    >>> plateau.best, plateau.is_over
    (0.72, True)
    >>> plateau.lower(1e-3) == 1e-4
    True

    Reference: FuxiCTR, `fuxictr/pytorch/models/rank_model.py`, `checkpoint_and_earlystop` and
    `lr_decay`.
    """

    patience: int = 2
    min_delta: float = 1e-6
    factor: float = 0.1
    min_learning_rate: float = 1e-6
    best: float | None = None
    waited: int = 0

    def gains(self, value: float) -> bool:
        """Take note of an evaluation; higher is better, NaN never gains."""
        gained = not math.isnan(value) and (
            self.best is None or value >= self.best + self.min_delta
        )
        if gained:
            self.best = value
            self.waited = 0
        else:
            self.waited += 1
        return gained

    @property
    def is_over(self) -> bool:
        """Whether the training should end."""
        return self.waited >= self.patience

    def lower(self, learning_rate: float) -> float:
        """The learning rate after an evaluation without gain."""
        return max(learning_rate * self.factor, self.min_learning_rate)
