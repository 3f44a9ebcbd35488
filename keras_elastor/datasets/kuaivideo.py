"""KuaiVideo: 13.7 million impressions of short videos with histories of clicks and passes."""

from __future__ import annotations

from keras_elastor.data import CategoricalColumn, Recipe, SequenceColumn
from keras_elastor.datasets.public_dataset import PublicDataset


def kuaivideo_x1_recipe(min_count: int = 10) -> Recipe:
    """User, video, histories of 100 videos, and the same once more for the visual vectors.

    The fields `*_emb` have a table of their own with every video, for the frozen visual vectors of
    64 dimensions that come with the dataset: `ke.datasets.prepare` also makes those videos known
    that only have a vector, 3,242,315 in all. FuxiCTR does so, too, but leaves the id for unknown
    videos before theirs. Where a model does not load the vectors, leave these fields out.

    Args:
        min_count: Of users and videos.

    Example:

    >>> from keras_elastor.datasets.kuaivideo import kuaivideo_x1_recipe
    >>> list(kuaivideo_x1_recipe().tables)
    ['user_id', 'item_id', 'item_emb']
    """

    def history(name: str, source: str, table: str, count: int) -> SequenceColumn:
        return SequenceColumn(name, 100, source=source, table=table, min_count=count, padding="pre")

    return Recipe(
        (
            CategoricalColumn("user_id", min_count=min_count),
            CategoricalColumn("item_id", min_count=min_count),
            CategoricalColumn("item_emb", source="item_id"),
            history("pos_items", "pos_items", "item_id", min_count),
            history("neg_items", "neg_items", "item_id", min_count),
            history("pos_items_emb", "pos_items", "item_emb", 1),
            history("neg_items_emb", "neg_items", "item_emb", 1),
        ),
        label="is_click",
        group="user_id",
    )


KUAIVIDEO_X1 = PublicDataset(
    name="kuaivideo_x1",
    recipe=kuaivideo_x1_recipe(),
    files={"train": "train.csv", "test": "test.csv"},
    rows={"train": 10_931_092, "test": 2_730_291},
    md5={
        "train": "16f13734411532cc313caf2180bfcd56",
        "test": "ba26c01caaf6c65c272af11aa451fc7a",
    },
    vectors={"item_emb": "item_visual_emb_dim64.h5"},
    description=(
        "Impressions of short videos with the user's clicks and passes before. It has no "
        "validation split; published results validate on the test split."
    ),
    homepage="https://huggingface.co/datasets/reczoo/KuaiVideo_x1",
    licence="none is published; the data are of the Kuaishou Competition, China MM 2018",
    citation=(
        "Li et al., Routing Micro-videos via A Temporal Graph-guided Recommendation System, "
        "MM 2019; Zhu et al., BARS: Towards Open Benchmarking for Recommender Systems, SIGIR 2022"
    ),
)
