"""Criteo's display advertising challenge: 45.8 million impressions of a week in 2014."""

from __future__ import annotations

from keras_elastor.data import CategoricalColumn, NumericColumn, Recipe
from keras_elastor.datasets.public_dataset import PublicDataset

_NUMBERS = tuple(f"I{i}" for i in range(1, 14))
_CATEGORIES = tuple(f"C{i}" for i in range(1, 27))
_FILES = {"train": "train.csv", "valid": "valid.csv", "test": "test.csv"}
_CITATION = (
    "Criteo, Display Advertising Challenge, Kaggle 2014; Zhu et al., BARS-CTR: Open Benchmarking "
    "for Click-Through Rate Prediction, CIKM 2021"
)
_DESCRIPTION = "Impressions of display ads of a week in 2014, split {} at random."
_LICENCE = "for research only, under Criteo's terms of use"


def criteo_x1_recipe() -> Recipe:
    """13 numbers as they are, 26 categories, every value known that training rows hold.

    A missing number or category counts as 0, which is known, as in FuxiCTR.

    Example:

    >>> from keras_elastor.datasets.criteo import criteo_x1_recipe
    >>> len(criteo_x1_recipe().columns)
    39
    """
    return Recipe(
        (
            *(NumericColumn(name) for name in _NUMBERS),
            *(
                CategoricalColumn(name, dtype="float", fill=0, fill_is_known=True)
                for name in _CATEGORIES
            ),
        ),
        label="label",
    )


def criteo_x4_recipe(min_count: int = 10, kaggle: bool = False) -> Recipe:
    """13 numbers in buckets and 26 categories.

    A number v becomes the category v (v <= 2) or floor(ln(v)^2) (v > 2), with the natural
    logarithm. A missing number counts as 0, and 0 is out-of-vocabulary.

    Args:
        min_count: 10 for the setting Criteo_x4_001 (default), 2 for Criteo_x4_002.
        kaggle: Whether to read Kaggle's own `train.txt`: 40 columns without a header, separated by
            tabs. Split it first, by lines.

    Example:

    >>> from keras_elastor.datasets.criteo import criteo_x4_recipe
    >>> criteo_x4_recipe(kaggle=True).file_columns[:3]
    ('Label', 'I1', 'I2')
    """
    buckets = "CASE WHEN {0} > 2 THEN FLOOR(POWER(LN({0}), 2)) ELSE FLOOR({0}) END"
    return Recipe(
        (
            *(
                CategoricalColumn(
                    name,
                    dtype="float",
                    fill=0,
                    expression=buckets.format(name),
                    min_count=min_count,
                )
                for name in _NUMBERS
            ),
            *(CategoricalColumn(name, min_count=min_count) for name in _CATEGORIES),
        ),
        label="Label",
        separator="\t" if kaggle else ",",
        file_columns=("Label", *_NUMBERS, *_CATEGORIES) if kaggle else None,
    )


CRITEO_X1 = PublicDataset(
    name="criteo_x1",
    recipe=criteo_x1_recipe(),
    files=_FILES,
    rows={"train": 33_003_326, "valid": 8_250_124, "test": 4_587_167},
    md5={
        "train": "30b89c1c7213013b92df52ec44f52dc5",
        "valid": "f73c71fb3c4f66b6ebdfa032646bea72",
        "test": "2c48b26e84c04a69b948082edae46f8c",
    },
    description=_DESCRIPTION.format("72:18:10"),
    homepage="https://huggingface.co/datasets/reczoo/Criteo_x1",
    licence=_LICENCE,
    citation=_CITATION,
)

CRITEO_X4 = PublicDataset(
    name="criteo_x4",
    recipe=criteo_x4_recipe(),
    files=_FILES,
    rows={"train": 36_672_493, "valid": 4_584_062, "test": 4_584_062},
    md5={
        "train": "4a53bb7cbc0e4ee25f9d6a73ed824b1a",
        "valid": "fba5428b22895016e790e2dec623cb56",
        "test": "cfc37da0d75c4d2d8778e76997df2976",
    },
    description=_DESCRIPTION.format("8:1:1"),
    homepage="https://huggingface.co/datasets/reczoo/Criteo_x4",
    licence=_LICENCE,
    citation=_CITATION,
)
