"""Our models as a `HyperModel` of KerasTuner.

It is the one module that cannot be imported without KerasTuner; `keras_elastor.tuning` says when it
is.
"""

from __future__ import annotations

import collections
from collections.abc import Mapping
from typing import Any

import keras
import keras_tuner

from keras_elastor.runs.build import build_model
from keras_elastor.runs.config import Named, RunConfig
from keras_elastor.schema import FeatureSchema
from keras_elastor.training.fuxictr_protocol import FuxiCTRProtocol
from keras_elastor.training.protocol import Protocol
from keras_elastor.tuning.default_spaces import default_space
from keras_elastor.tuning.hyperparameters import declare
from keras_elastor.tuning.space import encode, read_space
from keras_elastor.tuning.trial import check_space, trial_config
from keras_elastor.utils.seeds import derive_seed
from keras_elastor.utils.tensorflow import import_tensorflow, without_autograph


class RankingHyperModel(keras_tuner.HyperModel):
    """Any registered model for the tuners of KerasTuner.

    `search` takes as training rows a `Split`, batches of `tf.data`, or arrays `x` and `y`; their
    batches become those of the trial's `batch_size`, where the space has one. Validation is exact:
    after each epoch the logs hold `val_auc`, `val_logloss` and, where the schema has a group,
    `val_gauc` of `keras_elastor.evaluate`. The protocol decides optimizer, loss, learning rate
    after an epoch without gain and early stopping, and restores the best weights.

    Executions of a trial (`executions_per_trial`) differ in their weights and dropout, by seeds
    that follow from `seed`.

    Args:
        model_name: A model or a preset, such as "rank_elastor".
        schema: A `FeatureSchema`.
        space: What to choose from, as a dict that YAML can hold; see `ke.tuning.Search`. Names are
            arguments of the model, fields of the protocol, `batch_size`, and `tokens`, pairs of
            number and width. What it leaves out stays as it is by default. Default: None,
            `ke.tuning.default_space(model_name, schema)`.
        arguments: Arguments of the model that every trial has. Default: None.
        protocol: How to train. Default: None, `ke.training.FuxiCTRProtocol()`.
        seed: Of weights and dropout. Default: 0.

    Attributes:
        objective: What tuners should look for, the exact AUC:
            `keras_tuner.Objective("val_auc", "max")`.

    Example:

    >>> import keras_tuner, tempfile
    >>> data = ke.data.synthetic(num_categorical=3, num_numeric=1)
    >>> rows = [ke.data.Split(*data.arrays(256, split)) for split in ("train", "valid")]
    >>> space = {"hidden_units": [[4], [8, 8]], "learning_rate": {"min": 1e-3, "max": 1e-1}}
    >>> hyper_model = ke.tuning.RankingHyperModel("dnn", data.schema, space)
    >>> tuner = keras_tuner.RandomSearch(
    ...     hyper_model, hyper_model.objective, max_trials=1, directory=tempfile.mkdtemp()
    ... )
    >>> tuner.search(rows[0], validation_data=rows[1], epochs=1, verbose=0)
    >>> sorted(tuner.get_best_hyperparameters()[0].values)
    ['hidden_units', 'learning_rate']

    Raises:
        ValueError: If the space has a name that the model lacks, or a value that it cannot take.
    """

    def __init__(
        self,
        model_name: str,
        schema: FeatureSchema,
        space: Mapping[str, Any] | None = None,
        *,
        arguments: Mapping[str, Any] | None = None,
        protocol: Protocol | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(name=model_name)
        self.schema = schema
        self.space = read_space(default_space(model_name, schema) if space is None else space)
        self.base = RunConfig(
            Named("", {}),
            Named(model_name, dict(arguments or {})),
            protocol or FuxiCTRProtocol(),
            seed=seed,
        )
        self.objective = keras_tuner.Objective("val_auc", "max")
        check_space(self.space, self.base, schema)
        self._executions: collections.Counter[str] = collections.Counter()

    def build(self, hp: Any) -> keras.Model:
        """The compiled model of a trial.

        Args:
            hp: KerasTuner's `HyperParameters`, to which the space is added.
        """
        config = self.config(hp)
        execution = self._executions[encode(hp.values)]
        keras.utils.set_random_seed(derive_seed(self.base.seed, "execution", execution))
        model = build_model(config, self.schema)
        config.protocol.compile(model)
        return model

    def config(self, hp: Any) -> RunConfig:
        """What a trial would be as a run; of its dataset nothing is known.

        Args:
            hp: KerasTuner's `HyperParameters`.
        """
        return trial_config(self.base, declare(self.space, hp))

    def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        """Train the model of a trial by the protocol.

        Args:
            hp: KerasTuner's `HyperParameters`.
            model: What `build` gave.
            args: As for `model.fit`.
            kwargs: As for `model.fit`; without `validation_data` there would be no AUC.
        """
        config = self.config(hp)
        self._executions[encode(hp.values)] += 1
        valid = kwargs.pop("validation_data", None)
        if valid is None:
            raise keras_tuner.errors.FatalValueError(
                "Expected `validation_data` in `search`, whose AUC is the objective. Received: none"
            )
        size = config.batch_size if "batch_size" in self.space else kwargs.pop("batch_size", None)
        kwargs.pop("batch_size", None)
        exact = config.protocol.callback(_batches(valid, size, is_trained=False), size or 4096)
        # Before those of the tuner, which read `val_auc` in the logs.
        kwargs["callbacks"] = [exact, *kwargs.get("callbacks", ())]
        rows, *others = (args[0], *args[1:]) if args else (kwargs.pop("x", None),)
        if not others and kwargs.get("y") is None:
            rows = _batches(rows, size)
        elif size is not None:
            kwargs["batch_size"] = size
        return model.fit(rows, *others, **kwargs)


def _batches(rows: Any, batch_size: int | None, is_trained: bool = True) -> Any:
    """Rows of any kind in batches of this size; None leaves those of a dataset as they are."""
    if isinstance(rows, tuple):
        return rows
    if hasattr(rows, "rebatch"):
        return rows if batch_size is None else _rebatched(rows, batch_size)
    if hasattr(rows, "dataset"):
        size = batch_size or 4096
        return rows.dataset(size, shuffle=is_trained, with_group=not is_trained)
    if batch_size is not None and is_trained:
        raise keras_tuner.errors.FatalValueError(
            "'batch_size': expected a space without it, or rows whose batches can be made anew: a "
            f"Split, a tf.data.Dataset, or arrays. Received: {type(rows).__name__}"
        )
    return rows


def _rebatched(batches: Any, batch_size: int) -> Any:
    """The rows of a `tf.data.Dataset` in other batches, whose number Keras wants to know."""
    tf = import_tensorflow()
    made = batches.rebatch(batch_size)
    number = made.reduce(0, without_autograph(lambda count, *batch: count + 1))
    return made.apply(tf.data.experimental.assert_cardinality(tf.cast(number, "int64")))
