"""Scaling grids: the same model at growing width, depth or both, and the official steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_elastor.models.registry import list_presets
from keras_elastor.runs.config import RunConfig
from keras_elastor.schema import FeatureSchema
from keras_elastor.tuning.default_spaces import model_arguments, scaled_arguments
from keras_elastor.tuning.trial import check_points

# The seven scaling steps of RankElastor's official code, by the dataset they are made for.
_OFFICIAL = {
    "criteo": "rank_elastor_criteo_dim20_v[1-7]",
    "avazu": "rank_elastor_avazu_dim64_v[1-7]",
}
GRIDS = ("width", "depth", "joint", *_OFFICIAL)

_DEPTHS = (1, 2, 3, 4)
_ATTENTION_WIDTHS = (8, 16, 32, 64)
_TOWER_WIDTHS = (100, 200, 400, 800)


def grid_points(
    grid: str,
    models: Sequence[str],
    run: RunConfig,
    schema: FeatureSchema,
    widths: Sequence[int] = (),
    depths: Sequence[int] = (),
) -> list[dict[str, Any]]:
    """The trials of a scaling grid, for `points` of a `ke.tuning.Search`.

    | grid | trials of each model |
    |---|---|
    | "width" | one for each width, at one depth |
    | "depth" | one for each depth, at one width |
    | "joint" | one for each pair: first width and first depth, second and second, ... |
    | "criteo", "avazu" | the official steps v1 to v7, whatever the models |

    What depth and width are of a model is told by `scaled_arguments`. A width that a model cannot
    have, such as tokens whose width its number of tokens does not divide, is left out of the
    default ones, and refused where it is asked for.

    Args:
        grid: One of the names above.
        models: Registered models.
        run: What all trials have in common; its model's name does not matter.
        schema: A `FeatureSchema`.
        widths: Widths of a layer or a token. Default: of tokens the number of tokens times 1, 2, 3
            and 4, of attention 8, 16, 32 and 64, of towers 100, 200, 400 and 800; in the grid
            "depth" the model's own.
        depths: Numbers of blocks or layers. Default: 1, 2, 3 and 4; in the grid "width" the model's
            own.

    Example:

    >>> schema = ke.FeatureSchema([ke.Categorical("user", 100), ke.Categorical("item", 50)])
    >>> run = ke.runs.RunConfig.from_dict(
    ...     {"dataset": {"name": "synthetic"}, "model": {"name": "rank_mixer"}}
    ... )
    >>> ke.tuning.grid_points("joint", ["rank_mixer"], run, schema, widths=[4, 8], depths=[1, 2])
    [{'model': 'rank_mixer', 'num_blocks': 1, 'token_dim': 4}, {'model': 'rank_mixer', 'num_blocks': 2, 'token_dim': 8}]
    >>> points = ke.tuning.grid_points("criteo", [], run, schema)
    >>> [point["model"] for point in points][::6]
    ['rank_elastor_criteo_dim20_v1', 'rank_elastor_criteo_dim20_v7']

    Raises:
        ValueError: If there is no such grid or model, the model has nothing to scale, or it cannot
            have a width or depth that is asked for.
    """  # noqa: E501 - an output is one line
    if grid in _OFFICIAL:
        if widths or depths:
            raise ValueError(
                f"Expected the grid '{grid}' alone, whose widths and depths are the official ones. "
                f"Received: widths={list(widths)}, depths={list(depths)}"
            )
        return [{"model": name} for name in list_presets(_OFFICIAL[grid])]
    if grid not in GRIDS:
        raise ValueError(f"Expected a grid: {', '.join(GRIDS)}. Received: {grid!r}")
    if not models:
        raise ValueError(f"Expected at least one model for the grid '{grid}'. Received: none")
    points = []
    for model in models:
        own_widths = list(widths)
        if grid != "depth" and not widths:
            own_widths = _possible_widths(model, run, schema)
        own_depths = list(depths or (() if grid == "width" else _DEPTHS))
        points += [
            {"model": model, **scaled_arguments(model, depth, width)}
            for depth, width in _pairs(grid, own_depths, own_widths, bool(widths and depths))
        ]
    check_points(points, run, schema)
    return points


def _pairs(
    grid: str, depths: Sequence[int], widths: Sequence[int], both_are_given: bool
) -> list[tuple[int | None, int | None]]:
    """Depth and width of each trial of a model; None is the model's own."""
    if grid == "joint":
        if both_are_given and len(depths) != len(widths):
            raise ValueError(
                "The grid 'joint' takes pairs: expected as many widths as depths. Received: "
                f"widths={list(widths)}, depths={list(depths)}"
            )
        return list(zip(depths, widths, strict=False))
    fixed, name = (depths, "depth") if grid == "width" else (widths, "width")
    if len(fixed) > 1:
        raise ValueError(
            f"The grid '{grid}' has one {name}: expected one or none. Received: {list(fixed)}"
        )
    alone = fixed[0] if fixed else None
    if grid == "width":
        return [(alone, width) for width in widths]
    return [(depth, alone) for depth in depths]


def _possible_widths(model: str, run: RunConfig, schema: FeatureSchema) -> list[int]:
    """The default widths that a model can have."""
    names = model_arguments(model)
    widths: Sequence[int] = _TOWER_WIDTHS
    if "token_dim" in names:
        tokens = run.model.arguments.get("num_tokens") or len(schema.features)
        widths = [tokens * factor for factor in (1, 2, 3, 4)]
    elif "attention_dim" in names:
        widths = _ATTENTION_WIDTHS
    problem = None
    possible = []
    for width in widths:
        try:
            check_points([{"model": model, **scaled_arguments(model, width=width)}], run, schema)
            possible.append(width)
        except ValueError as error:
            problem = error
    if not possible and problem is not None:
        raise problem
    return possible
