"""Avazu's click-through rate challenge: 40.4 million impressions of ten days in 2014."""

from __future__ import annotations

from keras_elastor.data import CategoricalColumn, Recipe
from keras_elastor.datasets.public_dataset import PublicDataset

_CATEGORIES = (
    *("C1", "banner_pos", "site_id", "site_domain", "site_category"),
    *("app_id", "app_domain", "app_category", "device_id", "device_ip"),
    *("device_model", "device_type", "device_conn_type"),
    *(f"C{i}" for i in range(14, 22)),
)
_DAY = "STRPTIME(SUBSTR(hour, 1, 6), '%y%m%d')"


def avazu_x4_recipe(min_count: int = 2) -> Recipe:
    """24 categories; the time, written YYMMDDHH, becomes hour, weekday and weekend.

    Args:
        min_count: 2 for the setting Avazu_x4_001 (default), 1 for Avazu_x4_002.

    Example:

    >>> from keras_elastor.datasets.avazu import avazu_x4_recipe
    >>> [column.name for column in avazu_x4_recipe().columns[-3:]]
    ['hour', 'weekday', 'weekend']
    """
    times = {
        "hour": "CAST(SUBSTR(hour, 7, 2) AS BIGINT)",
        # Sunday is 0, Saturday 6.
        "weekday": f"EXTRACT(ISODOW FROM {_DAY}) % 7",
        "weekend": f"CASE WHEN EXTRACT(ISODOW FROM {_DAY}) >= 6 THEN 1 ELSE 0 END",
    }
    return Recipe(
        (
            *(CategoricalColumn(name, min_count=min_count) for name in _CATEGORIES),
            *(
                CategoricalColumn(name, min_count=min_count, source="hour", expression=expression)
                for name, expression in times.items()
            ),
        ),
        label="click",
    )


AVAZU_X4 = PublicDataset(
    name="avazu_x4",
    recipe=avazu_x4_recipe(),
    files={"train": "train.csv", "valid": "valid.csv", "test": "test.csv"},
    rows={"train": 32_343_172, "valid": 4_042_897, "test": 4_042_898},
    md5={
        "train": "de3a27264cdabf66adf09df82328ccaa",
        "valid": "33232931d84d6452d3f956e936cab2c9",
        "test": "3ebb774a9ca74d05919b84a3d402986d",
    },
    description="Impressions of mobile ads on ten days of 2014, split 8:1:1 at random.",
    homepage="https://huggingface.co/datasets/reczoo/Avazu_x4",
    licence="the rules of Kaggle's competition avazu-ctr-prediction",
    citation=(
        "Avazu, Click-Through Rate Prediction, Kaggle 2014; Zhu et al., BARS-CTR: Open "
        "Benchmarking for Click-Through Rate Prediction, CIKM 2021"
    ),
)
