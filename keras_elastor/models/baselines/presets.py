"""The baselines as tuned by BARS, by name: arguments, batch size and published numbers.

Hyperparameters and numbers were read in the logs of github.com/reczoo/BARS (commit 5b5e61f, CTR
prediction). All runs used Adam with learning rate 1e-3. GDCN and Wukong are not in BARS; theirs are
the templates of FuxiCTR, not tuned for any data, and nothing is published for them.
"""

from __future__ import annotations

from typing import Any

from keras_elastor.models.baselines.autoint import AutoInt
from keras_elastor.models.baselines.dcn_v2 import DCNv2
from keras_elastor.models.baselines.deepfm import DeepFM
from keras_elastor.models.baselines.din import DIN
from keras_elastor.models.baselines.dlrm import DLRM
from keras_elastor.models.baselines.dnn import DNN
from keras_elastor.models.baselines.final_mlp import FinalMLP
from keras_elastor.models.baselines.fm import FM
from keras_elastor.models.baselines.gdcn import GDCN
from keras_elastor.models.baselines.logistic_regression import LogisticRegression
from keras_elastor.models.baselines.mask_net import MaskNet
from keras_elastor.models.baselines.wide_and_deep import WideAndDeep
from keras_elastor.models.baselines.wukong import Wukong
from keras_elastor.models.baselines.xdeepfm import xDeepFM
from keras_elastor.models.registry import register_preset
from keras_elastor.utils.fuxictr import fuxictr_l2

_REFERENCE = "BARS (github.com/reczoo/BARS, commit 5b5e61f), CTR prediction, "
_TEMPLATES = "FuxiCTR (github.com/reczoo/FuxiCTR, commit 0245987), template of model_zoo/"
_SUFFIXES = {
    "criteo_x1": "Criteo_x1",
    "criteo_x4": "Criteo_x4_001",
    "avazu_x4": "Avazu_x4_001",
    "kuaivideo_x1": "KuaiVideo_x1",
    "taobaoad_x1": "TaobaoAd_x1",
}
# Embedding width and batch size are the same for nearly all models of a data set.
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
    embedding_l2_lambda: float,
    published: dict[str, float],
    batch_size: int | None = None,
    **arguments: Any,
) -> None:
    embedding_dim, usual_batch_size = _DATASETS[dataset]

    def make_arguments() -> dict[str, Any]:
        regularizer = fuxictr_l2(embedding_l2_lambda)
        encoder = {"embeddings_regularizer": regularizer, **arguments.get("encoder", {})}
        common: dict[str, Any] = {}
        if model is not LogisticRegression:
            common["embedding_dim"] = embedding_dim
        return {**common, **arguments, "encoder": encoder}

    register_preset(
        f"{name}_{dataset}",
        model,
        make_arguments,
        _REFERENCE + _SUFFIXES[dataset],
        batch_size=batch_size or usual_batch_size,
        published=published,
    )


def _scores(auc: float, logloss: float, gauc: float | None = None) -> dict[str, float]:
    scores = {"auc": auc, "logloss": logloss}
    return scores if gauc is None else {**scores, "gauc": gauc}


def _register_shallow() -> None:
    def linear(dataset: str, strength: float, auc: float, logloss: float) -> None:
        scores = _scores(auc, logloss)
        _register("logistic_regression", LogisticRegression, dataset, strength, scores)

    linear("criteo_x1", 5e-7, 0.788625, 0.460914)
    linear("criteo_x4", 1e-7, 0.793359, 0.456754)
    linear("avazu_x4", 1e-8, 0.777457, 0.381525)

    def fm(dataset: str, strength: float, *scores: float, batch_size: int | None = None) -> None:
        _register("fm", FM, dataset, strength, _scores(*scores), batch_size)

    fm("criteo_x1", 5e-6, 0.802157, 0.449063)
    fm("criteo_x4", 1e-5, 0.808607, 0.443109)
    fm("avazu_x4", 1e-6, 0.788721, 0.375362)
    fm("kuaivideo_x1", 1e-5, 0.741790, 0.439771, 0.659864, batch_size=4096)
    fm("taobaoad_x1", 5e-7, 0.623407, 0.196925, 0.563808)


def _register_criteo_x1() -> None:
    def register(name: str, model: Any, auc: float, logloss: float, **arguments: Any) -> None:
        _register(name, model, "criteo_x1", 1e-5, _scores(auc, logloss), **arguments)

    three = (400, 400, 400)
    attention = {"attention_dim": 256, "attention_normalization": "layer", "use_linear": True}
    register(
        "wide_and_deep",
        WideAndDeep,
        0.813860,
        0.438004,
        hidden_units=three,
        normalization="batch",
        dropout=0.1,
    )
    register(
        "mask_net",
        MaskNet,
        0.813909,
        0.438021,
        serial_units=three,
        reduction_ratio=0.2,
        embedding_normalization=None,
        dropout=0.2,
    )
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

    register("wide_and_deep", WideAndDeep, 0.814232, 0.437693, hidden_units=five, dropout=0.2)
    register(
        "mask_net",
        MaskNet,
        0.813420,
        0.438748,
        serial_units=(),
        parallel_units=(500, 500),
        hidden_units=five,
        reduction_ratio=0.1,
        embedding_normalization=None,
        normalization=None,
        dropout=0.3,
    )
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
    register("wide_and_deep", WideAndDeep, 1e-9, 0.792869, 0.371969, hidden_units=four, dropout=0.1)
    register(
        "mask_net",
        MaskNet,
        1e-9,
        0.794382,
        0.371189,
        serial_units=(),
        parallel_units=(500,) * 6,
        hidden_units=(2000,) * 3,
        reduction_ratio=0.8,
        embedding_normalization=None,
        normalization=None,
    )
    register("dnn", DNN, 1e-8, 0.792761, 0.372169, hidden_units=(1000,) * 4)
    register("dcn_v2", DCNv2, 1e-9, 0.793146, 0.371865, num_cross_layers=4, parallel_units=four)
    register("xdeepfm", xDeepFM, 0.0, 0.793283, 0.371780, cin_units=(276,), hidden_units=(500,) * 3)
    register("autoint", AutoInt, 1e-6, 0.789103, 0.374519, **attention)
    # The run had no deep network: `dnn_hidden_units` is empty in its log.
    register("autoint_plus", AutoInt, 1e-7, 0.790215, 0.374625, **attention)


def _register_kuaivideo_x1() -> None:
    def register(
        name: str, model: Any, strength: float, scores: tuple[float, ...], **arguments: Any
    ) -> None:
        _register(name, model, "kuaivideo_x1", strength, _scores(*scores), **arguments)

    units = (1024, 512, 256)
    # Attention over the item ids alone: the visual vectors of a history arrive pooled.
    register(
        "din",
        DIN,
        1e-4,
        (0.749537, 0.432120, 0.669568),
        attention_units=(512, 256),
        attention_activation="relu",
        attention_dropout=0.2,
        hidden_units=units,
        dropout=0.1,
    )
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
    register(
        "din",
        DIN,
        (0.652399, 0.192445, 0.576459),
        attention_units=(512, 256),
        attention_activation="relu",
        attention_dropout=0.4,
        encoder={"joint_histories": (("cate_his", "brand_his", "btag_his"),)},
        hidden_units=units,
        activation="relu",
        dropout=0.1,
    )
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


def _register_templates() -> None:
    def gdcn() -> dict[str, Any]:
        return {"embedding_dim": 32, "parallel_units": (), "stacked_units": (1024, 512, 256)}

    def wukong() -> dict[str, Any]:
        return {"embedding_dim": 64, "hidden_units": (512, 256), "normalization": "batch"}

    register_preset("gdcn_template", GDCN, gdcn, _TEMPLATES + "GDCN", batch_size=10000)
    register_preset("wukong_template", Wukong, wukong, _TEMPLATES + "WuKong", batch_size=10000)


_register_shallow()
_register_criteo_x1()
_register_criteo_x4()
_register_avazu_x4()
_register_kuaivideo_x1()
_register_taobaoad_x1()
_register_templates()
