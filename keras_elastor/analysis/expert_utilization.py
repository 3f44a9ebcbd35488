"""How much the experts of a model are used."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_elastor.keras_compat.layer_state import inner_layers
from keras_elastor.layers import PerTokenMoE
from keras_elastor.utils.optional import import_optional

DEAD = 0.01
"""An expert that is active for a smaller share of the rows is as good as never used."""


def expert_utilization(model: Any) -> Any:
    """For each expert of each token the share of rows that it is active in.

    The shares are the `utilization` of every `PerTokenMoE`: moving averages over the last training
    batches, saved with the model.

    Args:
        model: A model with `ke.layers.PerTokenMoE` layers.

    Returns:
        A pandas frame with one line for each expert: `layer` (the model's layer that holds it, such
        as "ffn_0"), `token`, `expert`, `active`.

    Example:

    >>> experts = ke.layers.PerTokenMoE(ke.layers.PerTokenFFN([16]), num_experts=2)
    >>> block = ke.layers.MixerBlock(ke.layers.TokenMixing(), ke.layers.Residual(experts))
    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Categorical("item", 50)])
    >>> model = ke.models.RankMixer(schema, embedding_dim=8, num_blocks=2, block=block)
    >>> frame = ke.analysis.expert_utilization(model)
    >>> frame.groupby("layer").active.mean().to_dict()
    {'ffn_0': 1.0, 'ffn_1': 1.0}

    Raises:
        ValueError: If the model has no such layer.
        ImportError: If pandas is not installed.
    """
    pandas = import_optional("pandas", "analysis")
    lines = [
        {"layer": name, "token": token, "expert": expert, "active": float(share)}
        for name, layer in _mixtures(model)
        for (token, expert), share in np.ndenumerate(_values(layer.utilization))
    ]
    return pandas.DataFrame(lines)


class ExpertCallback(keras.callbacks.Callback):
    """Reports how much experts are used, and notices routers that do not learn.

    At the end of each epoch it adds the mean share of active experts of each layer to the logs, as
    `active_ffn_0`. It warns, once for each layer and cause,

    - of tokens none of whose experts is active for 1 % of the rows: a closed gate has no gradient,
      so it stays closed, and the layer gives next to nothing for such a token;
    - of a router that is what it was when training began: its experts are a fixed sum.

    Weights and random numbers of the training do not change by it.

    Example:

    >>> experts = ke.layers.PerTokenMoE(ke.layers.PerTokenFFN([16]), num_experts=2)
    >>> block = ke.layers.MixerBlock(ke.layers.TokenMixing(), ke.layers.Residual(experts))
    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Categorical("item", 50)])
    >>> model = ke.models.RankMixer(schema, embedding_dim=8, num_blocks=1, block=block)
    >>> model.compile()
    >>> rows = {"user": np.arange(1, 33), "item": np.arange(1, 33)}
    >>> watch = ke.analysis.ExpertCallback()
    >>> history = model.fit(rows, np.arange(32) % 2, callbacks=[watch], verbose=0)
    >>> history.history["active_ffn_0"]
    [1.0]

    Raises:
        ValueError: If the model has no `ke.layers.PerTokenMoE`.
    """

    def on_train_begin(self, logs: Any = None) -> None:
        """Note the routers."""
        self._synchronize()
        self._routers = {
            name: _values(layer.router.kernel).copy() for name, layer in _mixtures(self.model)
        }
        self._warned: set[tuple[str, str]] = set()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Add the shares to the logs; warn of routers that do not learn."""
        self._synchronize()
        for name, layer in _mixtures(self.model):
            shares = _values(layer.utilization)
            if logs is not None:
                logs[f"active_{name}"] = float(shares.mean())
            dead = np.flatnonzero(shares.max(axis=1) < DEAD).tolist()
            if dead:
                self._warn(
                    name,
                    f"no expert of the tokens {dead} is active for {DEAD:.0%} of the rows, and "
                    "closed gates have no gradient. Begin again with a smaller `initial_penalty`, "
                    "`penalty_factor` or upper end of `penalty_range`",
                )
            if np.array_equal(_values(layer.router.kernel), self._routers[name]):
                self._warn(
                    name,
                    "the kernel of the serving router is what it was when training began, so "
                    "all rows get one sum of experts. Is the layer, or the router, frozen?",
                )

    def _warn(self, name: str, text: str) -> None:
        key = (name, text[:20])
        if key not in self._warned:
            self._warned.add(key)
            warnings.warn(f"PerTokenMoE in '{name}': {text}", stacklevel=3)

    def _synchronize(self) -> None:
        # On JAX the weights live outside of the model while it trains.
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()


def _mixtures(model: Any) -> Iterator[tuple[str, PerTokenMoE]]:
    """The mixtures of experts of a model, each with the name of the model's layer around it.

    Raises:
        ValueError: If there is none.
    """
    found = False
    for outer in model.layers:
        for layer in (outer, *inner_layers(outer)):
            if isinstance(layer, PerTokenMoE):
                found = True
                yield outer.name, layer
    if not found:
        raise ValueError(
            "Expected a model with ke.layers.PerTokenMoE layers. "
            f"Received: {type(model).__name__} '{getattr(model, 'name', '')}' without"
        )


def _values(variable: Any) -> np.ndarray:
    values: np.ndarray = ops.convert_to_numpy(variable.value)
    return values
