"""What all pictures share: size, colours, axes, files."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_elastor.utils.files import atomic_path, make_folder
from keras_elastor.utils.optional import import_optional

# Inches. Letters of this width are read on a telephone, too.
WIDTH = 4.8
# Dots per inch on a screen, where pictures are 800 dots wide.
_SCREEN_DPI = 800 / WIDTH / 2
# Okabe and Ito's colours, told apart by every kind of colour vision; markers for print.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# Letters of a name on a picture.
_LONGEST = 28
GREY = "#767676"
MATRICES = {
    "tokens": "tokens of a row",
    "batch": "rows of a window",
    "token_batch": "one token over a window",
}


def new_figure(height: float, width: float = WIDTH) -> Any:
    """An empty Figure."""
    # Not pyplot's, which would hold every figure until it is closed.
    figure = import_optional("matplotlib.figure", "analysis")

    class Picture(figure.Figure):  # type: ignore[name-defined]
        """A Figure that a notebook shows, whatever backend pyplot has."""

        def _repr_png_(self) -> bytes:
            file = io.BytesIO()
            self.savefig(file, format="png", dpi=_SCREEN_DPI)
            return file.getvalue()

    return Picture(figsize=(width, height), layout="constrained")


def styles_of(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour, marker and line of each name, such as that of a model."""
    styles = [
        {"color": color, "marker": marker, "linestyle": line}
        for line in ("-", "--", ":", "-.")
        for color, marker in zip(COLORS, MARKERS, strict=True)
    ]
    return {name: styles[index % len(styles)] for index, name in enumerate(names)}


def depth_styles(stages: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour and marker of each stage: the deeper the lighter, a marker for each kind of layer."""
    cividis = import_optional("matplotlib", "analysis").colormaps["cividis"]
    kinds = list(dict.fromkeys(stage.rstrip("_0123456789") for stage in stages))
    # The lightest end of the map is hard to see on white.
    return {
        stage: {
            "color": cividis(0.85 * index / max(len(stages) - 1, 1)),
            "marker": MARKERS[kinds.index(stage.rstrip("_0123456789")) % len(MARKERS)],
        }
        for index, stage in enumerate(stages)
    }


def shortened(name: str) -> str:
    """A name that leaves room for the picture."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST // 2]}…{name[-_LONGEST // 3 :]}"


def open_axis(axis: Any, grid: str = "y") -> None:
    """An axis without a box, with faint lines to read values by."""
    axis.grid(axis=grid, alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)


def label_stages(axis: Any, stages: Sequence[str]) -> None:
    """The names of stages below an axis."""
    names = [shortened(stage) for stage in stages]
    axis.set_xticks(range(len(stages)), names, rotation=45, ha="right", rotation_mode="anchor")
    open_axis(axis)


def legend_below(axis: Any, columns: int) -> None:
    """A legend of several columns that hides nothing."""
    axis.legend(
        frameon=False,
        fontsize="small",
        ncols=columns,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.2),
    )


def legend_outside(figure: Any) -> None:
    """One legend below all panels, of the lines of the first one that has any."""
    for axis in figure.axes:
        handles, labels = axis.get_legend_handles_labels()
        if labels:
            figure.legend(
                handles,
                labels,
                frameon=False,
                fontsize="small",
                ncols=min(2, len(labels)),
                loc="outside lower center",
            )
            return


def together(frames: Mapping[str, Any]) -> Any:
    """The frames of several models as one, whose first column is `model`."""
    pandas = import_optional("pandas", "analysis")
    others = {name: frame.drop(columns="model", errors="ignore") for name, frame in frames.items()}
    return pandas.concat(others, names=["model"]).reset_index(0)


def finish(figure: Any, path: str | os.PathLike[str] | None, data: Any) -> Any:
    """Write picture and numbers where a path is given."""
    if path is not None:
        path = Path(path)
        make_folder(path.parent)
        for suffix in (".svg", ".png"):
            with atomic_path(path.with_suffix(suffix)) as temporary:
                figure.savefig(temporary, dpi=150)
        with atomic_path(path.with_suffix(".csv")) as temporary:
            data.to_csv(temporary, index=False)
    return figure
