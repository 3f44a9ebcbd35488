"""The baselines as tuned by BARS, by name: arguments, batch size and published numbers.

Hyperparameters and numbers were read in the logs of github.com/reczoo/BARS (commit 5b5e61f, CTR
prediction). All runs used Adam with learning rate 1e-3.
"""

from __future__ import annotations

from typing import Any

import keras

from keras_elastor.models.autoint import AutoInt
from keras_elastor.models.dcn_v2 import DCNv2
from keras_elastor.models.deepfm import DeepFM
from keras_elastor.models.dlrm import DLRM
from keras_elastor.models.dnn import DNN
from keras_elastor.models.final_mlp import FinalMLP
from keras_elastor.models.registry import register_preset
from keras_elastor.models.xdeepfm import xDeepFM

_REFERENCE = "BARS (github.com/reczoo/BARS, commit 5b5e61f), CTR prediction, "
_SUFFIXES = {
    "criteo_x1": "Criteo_x1",
    "criteo_x4": "Criteo_x4_001",
    "avazu_x4": "Avazu_x4_001",
    "kuaivideo_x1": "KuaiVideo_x1",
    "taobaoad_x1": "TaobaoAd_x1",
}
# Embedding width and batch size are the same for all models of a data set.
_DATASETS = {
    "criteo_x1": (10, 4096),
    "criteo_x4": (16, 10000),
    "avazu_x4": (16, 10000),
    "kuaivideo_x1": (64, 8192),
    "taobaoad_x1": (32, 8192),
}


def _register(
    name: str,
    model: Any,
    dataset: str,
    embedding_regularizer: float,
    published: dict[str, float],
    **arguments: Any,
) -> None:
    embedding_dim, batch_size = _DATASETS[dataset]

    def make_arguments() -> dict[str, Any]:
        # FuxiCTR's regularizer is half of its strength times the sum of squares.
        strength = embedding_regularizer / 2
        regularizer = keras.regularizers.L2(strength) if strength else None
        common = {"embedding_dim": embedding_dim, "embeddings_regularizer": regularizer}
        return {**common, **arguments}

    register_preset(
        f"{name}_{dataset}",
        model,
        make_arguments,
        _REFERENCE + _SUFFIXES[dataset],
        batch_size=batch_size,
        published=published,
    )


def _scores(auc: float, logloss: float, gauc: float | None = None) -> dict[str, float]:
    scores = {"auc": auc, "logloss": logloss}
    return scores if gauc is None else {**scores, "gauc": gauc}


def _register_criteo_x1() -> None:
    def register(name: str, model: Any, auc: float, logloss: float, **arguments: Any) -> None:
        _register(name, model, "criteo_x1", 1e-5, _scores(auc, logloss), **arguments)

    three = (400, 400, 400)
    attention = {"attention_dim": 256, "use_layer_norm": True, "use_linear": True}
    register("dnn", DNN, 0.813668, 0.438218, hidden_units=three, dropout=0.1)
    register("dcn_v2", DCNv2, 0.814195, 0.437788, parallel_units=(500, 500, 500), dropout=0.1)
    register("xdeepfm", xDeepFM, 0.813901, 0.438018, hidden_units=three, dropout=0.2)
    register("autoint", AutoInt, 0.812593, 0.439238, num_heads=4, use_scale=True, **attention)
    register(
        "autoint_plus",
        AutoInt,
        0.813939,
        0.437892,
        **attention,
        hidden_units=three,
        normalization="batch",
        dropout=0.1,
    )
    register(
        "deepfm", DeepFM, 0.8137, 0.4381, hidden_units=three, normalization="batch", dropout=0.1
    )
    register(
        "dlrm",
        DLRM,
        0.8138,
        0.4382,
        bottom_units=three,
        hidden_units=three,
        normalization="batch",
        dropout=0.2,
    )
    register(
        "final_mlp",
        FinalMLP,
        0.8149,
        0.4370,
        first_units=three,
        second_units=(1000,),
        num_heads=200,
        gate_units=(800,),
        first_context=tuple(f"I{index}" for index in range(1, 14)),
        second_context=("C6",),
        normalization="batch",
        first_dropout=0.2,
        second_dropout=0.3,
    )


def _register_criteo_x4() -> None:
    five = (1000,) * 5

    def register(
        name: str, model: Any, auc: float, logloss: float, strength: float = 1e-5, **arguments: Any
    ) -> None:
        _register(name, model, "criteo_x4", strength, _scores(auc, logloss), **arguments)

    register("dnn", DNN, 0.814042, 0.438015, hidden_units=five, dropout=0.2)
    register(
        "dcn_v2",
        DCNv2,
        0.814514,
        0.437631,
        parallel_units=five,
        normalization="batch",
        dropout=0.1,
    )
    register(
        "xdeepfm",
        xDeepFM,
        0.814331,
        0.437602,
        1e-4,
        cin_units=(64, 64, 64),
        hidden_units=five,
        dropout=0.2,
    )


def _register_avazu_x4() -> None:
    def register(
        name: str, model: Any, strength: float, auc: float, logloss: float, **arguments: Any
    ) -> None:
        _register(name, model, "avazu_x4", strength, _scores(auc, logloss), **arguments)

    attention = {
        "num_attention_layers": 7,
        "attention_dim": 128,
        "num_heads": 1,
        "use_residual": False,
        "use_linear": True,
    }
    four = (2000,) * 4
    register("dnn", DNN, 1e-8, 0.792761, 0.372169, hidden_units=(1000,) * 4)
    register("dcn_v2", DCNv2, 1e-9, 0.793146, 0.371865, num_cross_layers=4, parallel_units=four)
    register("xdeepfm", xDeepFM, 0.0, 0.793283, 0.371780, cin_units=(276,), hidden_units=(500,) * 3)
    register("autoint", AutoInt, 1e-6, 0.789103, 0.374519, **attention)


def _register_kuaivideo_x1() -> None:
    def register(
        name: str, model: Any, strength: float, scores: tuple[float, ...], **arguments: Any
    ) -> None:
        _register(name, model, "kuaivideo_x1", strength, _scores(*scores), **arguments)

    units = (1024, 512, 256)
    register("dnn", DNN, 5e-5, (0.745264, 0.440147, 0.665842), hidden_units=units, dropout=0.1)
    register(
        "dcn_v2",
        DCNv2,
        1e-4,
        (0.746953, 0.437494, 0.667472),
        num_cross_layers=2,
        parallel_units=units,
        normalization="batch",
        dropout=0.1,
    )
    register(
        "xdeepfm",
        xDeepFM,
        5e-4,
        (0.747075, 0.437683, 0.669617),
        cin_units=(64, 64),
        hidden_units=units,
        normalization="batch",
        dropout=0.1,
    )
    register(
        "autoint_plus",
        AutoInt,
        1e-4,
        (0.746899, 0.435692, 0.666719),
        attention_dim=512,
        num_heads=4,
        hidden_units=units,
        dropout=0.3,
    )


def _register_taobaoad_x1() -> None:
    def register(name: str, model: Any, scores: tuple[float, ...], **arguments: Any) -> None:
        _register(name, model, "taobaoad_x1", 5e-6, _scores(*scores), **arguments)

    units = (512, 256, 128)
    register("dnn", DNN, (0.646715, 0.193133, 0.573269), hidden_units=units)
    register(
        "dcn_v2",
        DCNv2,
        (0.649458, 0.192927, 0.574892),
        num_cross_layers=4,
        parallel_units=units,
        dropout=0.1,
    )
    register(
        "xdeepfm",
        xDeepFM,
        (0.639251, 0.195328, 0.572884),
        cin_units=(16,),
        hidden_units=units,
        dropout=0.1,
    )
    register(
        "autoint_plus",
        AutoInt,
        (0.648629, 0.193020, 0.574437),
        attention_dim=128,
        num_heads=1,
        hidden_units=units,
        dropout=0.1,
    )


_register_criteo_x1()
_register_criteo_x4()
_register_avazu_x4()
_register_kuaivideo_x1()
_register_taobaoad_x1()
