"""MovieLens Latest as personalised tag recommendation: 2 million records of user, film, tag."""

from __future__ import annotations

from keras_elastor.data import CategoricalColumn, Recipe
from keras_elastor.datasets.public_dataset import PublicDataset


def movielens_latest_recipe() -> Recipe:
    """Three categories, every value known that training rows hold.

    Example:

    >>> from keras_elastor.datasets.movielens import movielens_latest_recipe
    >>> movielens_latest_recipe().sources
    ('label', 'user_id', 'item_id', 'tag_id')
    """
    return Recipe(
        tuple(CategoricalColumn(name) for name in ("user_id", "item_id", "tag_id")), label="label"
    )


MOVIELENS_LATEST = PublicDataset(
    name="movielens_latest",
    recipe=movielens_latest_recipe(),
    files={"train": "train.csv", "valid": "valid.csv", "test": "test.csv"},
    # The published table says 401,373 validation rows, one more than its total allows.
    rows={"train": 1_404_801, "valid": 401_372, "test": 200_686},
    md5={
        "train": "efc8bceeaa0e895d566470fc99f3f271",
        "valid": "e1930223a5026e910ed5a48687de8af1",
        "test": "54e8c6baff2e059fe067fb9b69e692d0",
    },
    description="Records of a user, a film and a tag, split 7:2:1 at random.",
    homepage="https://huggingface.co/datasets/reczoo/MovielensLatest_x1",
    licence="for research, not for commerce; origin: https://grouplens.org/datasets/movielens",
    citation=(
        "Harper and Konstan, The MovieLens Datasets: History and Context, TiiS 2015; Cheng et al., "
        "Adaptive Factorization Network, AAAI 2020"
    ),
    archive=(
        "https://huggingface.co/datasets/reczoo/MovielensLatest_x1/resolve/main/"
        "MovielensLatest_x1.zip"
    ),
)
