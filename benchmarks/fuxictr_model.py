"""A step of a model of FuxiCTR or of RankElastor's official code; train.py and inference.py run it.

It needs an environment of its own: `fuxictr==2.3.10 polars==1.31.0` and the torch that is measured.
Models come from a copy of their repository, which is run and never copied. Prints one line of JSON.
"""

import importlib
import json
import sys
import tempfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
from measuring import CLIP_NORM, DIM, FIELDS, L2_LAMBDA, NUMBERS, Clock, make_columns

# FuxiCTR's options, of which `measuring.OPTIONS` are ours.
ZOO = {
    "dnn": ("DNN/DNN_torch", "DNN", {"hidden_units": [400, 400, 400]}),
    "dcn_v2": (
        "DCNv2",
        "DCNv2",
        {"num_cross_layers": 3, "parallel_dnn_hidden_units": [400, 400, 400]},
    ),
    "autoint": (
        "AutoInt",
        "AutoInt",
        {"attention_layers": 3, "num_heads": 2, "attention_dim": 40, "dnn_hidden_units": [400] * 3},
    ),
    "xdeepfm": (
        "xDeepFM",
        "xDeepFM",
        {"cin_hidden_units": [64, 64, 64], "dnn_hidden_units": [400, 400, 400]},
    ),
}
# Experiments of the official code, by our presets.
OFFICIAL = {
    "rank_elastor_criteo_dim20": "UniMixer_criteo_dim_20",
    "rank_mixer_criteo_dim20_base": "UniMixer_criteo_dim_20_base",
}
TRAINING = {
    "embedding_dim": DIM,
    "embedding_regularizer": L2_LAMBDA,
    "learning_rate": 1e-3,
    "optimizer": "adam",
    "loss": "binary_crossentropy",
    "metrics": ["AUC"],
    "verbose": 0,
    "gpu": -1,
}


def feature_map(rows: int, folder: str):
    from fuxictr.features import FeatureMap

    features = FeatureMap("benchmark", folder)
    numbers = {f"I{number}": {"source": "", "type": "numeric"} for number in range(NUMBERS)}
    field = {"source": "", "type": "categorical", "padding_idx": 0, "vocab_size": rows // FIELDS}
    ids = {f"C{number}": dict(field) for number in range(FIELDS)}
    features.features = OrderedDict({**numbers, **ids})
    features.labels = ["label"]
    features.total_features = rows
    features.default_emb_dim = DIM
    features.num_fields = features.get_num_fields()
    features.set_column_index()
    return features


def make_model(name: str, rows: int, fuxictr: str | None, official: str | None):
    with tempfile.TemporaryDirectory() as folder:
        features = feature_map(rows, folder)
        if name in ZOO:
            path, kind, options = ZOO[name]
            sys.path.insert(0, str(Path(str(fuxictr)) / "model_zoo" / path))
            module = importlib.import_module(f"src.{kind}")
        else:
            import yaml

            sys.path.insert(0, str(official))
            experiments = Path(str(official)) / "config" / "model_config.yaml"
            options = yaml.safe_load(experiments.read_text())[OFFICIAL[name]]
            kind, module = "UniMixer", importlib.import_module("src.UniMixer")
        model = getattr(module, kind)(features, **{**options, **TRAINING, "model_root": folder})
    model._max_gradient_norm = CLIP_NORM
    return model


def main(task: dict) -> None:
    import torch

    model = make_model(task["model"], task["rows"], task["fuxictr"], task["official"])
    size, count = task["batch_size"], task["steps"] + task["warm_up"]
    columns, labels = make_columns(task["rows"], size * count)
    columns = {name: np.asarray(values) for name, values in columns.items()}
    columns["label"] = labels
    is_training = task["kind"] == "train"
    model.train(is_training)
    clock = Clock()
    for step in range(count):
        part = slice(step * size, (step + 1) * size)
        # As its loader does: one tensor per column.
        batch = {name: torch.from_numpy(values[part]) for name, values in columns.items()}
        if is_training:
            float(model.train_step(batch).detach())
        else:
            with torch.no_grad():
                model.forward(batch)["y_pred"].numpy()
        clock.tick()
    print(json.dumps({**clock.summary(task["steps"]), "backend_version": torch.__version__}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
