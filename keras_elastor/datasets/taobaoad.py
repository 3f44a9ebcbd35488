"""TaobaoAd: 25 million impressions of display ads of eight days in 2017, with histories."""

from __future__ import annotations

from keras_elastor.data import CategoricalColumn, NumericColumn, Recipe, SequenceColumn
from keras_elastor.datasets.public_dataset import PublicDataset

_CATEGORIES = (
    *("userid", "cms_segid", "cms_group_id", "final_gender_code", "age_level", "pvalue_level"),
    *("shopping_level", "occupation", "new_user_class_level", "adgroup_id", "cate_id"),
    *("campaign_id", "customer", "brand", "pid", "btag"),
)
_HISTORIES = {"cate_his": "cate_id", "brand_his": "brand", "btag_his": "btag"}


def taobaoad_x1_recipe(min_count: int = 10) -> Recipe:
    """16 categories, the price and three histories of 50 actions.

    Args:
        min_count: Of every category.

    Example:

    >>> from keras_elastor.datasets.taobaoad import taobaoad_x1_recipe
    >>> len(taobaoad_x1_recipe().columns)
    20
    """
    return Recipe(
        (
            *(CategoricalColumn(name, min_count=min_count) for name in _CATEGORIES),
            NumericColumn("price"),
            *(
                SequenceColumn(name, 50, table=table, min_count=min_count, padding="pre")
                for name, table in _HISTORIES.items()
            ),
        ),
        label="clk",
        group="userid",
    )


TAOBAOAD_X1 = PublicDataset(
    name="taobaoad_x1",
    recipe=taobaoad_x1_recipe(),
    files={"train": "train.csv", "test": "test.csv"},
    rows={"train": 21_929_911, "test": 3_099_515},
    md5={
        "train": "eaabfc8629f23519b04593e26c7522fc",
        "test": "f5ae6197e52385496d46e2867c1c8da1",
    },
    description=(
        "Impressions of display ads on eight days of 2017 with the user's actions before, the last "
        "day to test. It has no validation split; published results validate on the test split."
    ),
    homepage="https://huggingface.co/datasets/reczoo/TaobaoAd_x1",
    licence="the terms of its origin, https://tianchi.aliyun.com/dataset/56",
    citation=(
        "Lyu et al., Deep Match to Rank Model for Personalized Click-Through Rate Prediction, "
        "AAAI 2020; Zhu et al., BARS: Towards Open Benchmarking for Recommender Systems, SIGIR 2022"
    ),
)
