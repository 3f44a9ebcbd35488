"""A report as one HTML page that needs nothing from elsewhere."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keras_elastor.utils.optional import import_optional

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 46rem; padding: 1rem; color: #1a1a1a; background: #fff;
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #ddd; }
ul { padding-left: 1.2rem; }
figure { margin: 1rem 0; }
figure img { display: block; width: 100%; max-width: 40rem; height: auto; margin: 0 auto; }
figcaption { color: #555; font-size: .9rem; }
summary { cursor: pointer; color: #0050a0; font-size: .9rem; }
.wide { overflow-x: auto; }
table { overflow-wrap: normal; border-collapse: collapse; font-size: .8rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem .2rem 0; text-align: right; vertical-align: top;
  border-bottom: 1px solid #eee; }
th:first-child, td:first-child { text-align: left; }
dl { display: grid; grid-template-columns: minmax(4rem, 7.5rem) 1fr; gap: .2rem .8rem;
  font-size: .9rem; margin: 0 0 .4rem; }
dt { color: #555; }
dd { margin: 0; }
h3 { font-size: 1rem; margin: 1rem 0 .2rem; }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  figure, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  summary { display: none; }
}
"""


def render_page(title: str, sections: Iterable[str]) -> str:
    """The whole page."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # Browsers ask for an icon otherwise.
        '<link rel="icon" href="data:,">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{html.escape(title)}</h1>\n" + "".join(sections) + "</body>\n</html>\n"
    )


def section(title: str, *parts: str) -> str:
    """A heading and what stands below."""
    return f"<section>\n<h2>{html.escape(title)}</h2>\n{''.join(parts)}</section>\n"


def sentences(texts: Sequence[str]) -> str:
    """A list of sentences."""
    items = "".join(f"<li>{html.escape(text)}</li>\n" for text in texts)
    return f"<ul>\n{items}</ul>\n"


def facts(name: str, values: Mapping[str, str], first: Sequence[str]) -> str:
    """Names and values, one below the other; all but the first ones folded."""
    shown = {key: values[key] for key in first if key in values}
    folded = {key: value for key, value in values.items() if key not in shown}
    return (
        f"<h3>{html.escape(name)}</h3>\n{_pairs(shown)}"
        f"<details>\n<summary>all settings</summary>\n{_pairs(folded)}</details>\n"
    )


def _pairs(values: Mapping[str, str]) -> str:
    items = "".join(
        f"<dt>{html.escape(key)}</dt><dd>{html.escape(value)}</dd>\n"
        for key, value in values.items()
    )
    return f"<dl>\n{items}</dl>\n"


def picture(figure: Any, caption: str, numbers: Any) -> str:
    """A figure as an image inside of the page, and the frame behind it, folded."""
    matplotlib = import_optional("matplotlib", "analysis")
    buffer = io.BytesIO()
    # Equal figures give equal pages.
    with matplotlib.rc_context({"svg.hashsalt": "keras_elastor"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    text = html.escape(caption)
    return (
        f'<figure>\n<img alt="{text}" src="data:image/svg+xml;base64,{data}">\n'
        f"<figcaption>{text}</figcaption>\n</figure>\n{_numbers(numbers)}"
    )


def _numbers(frame: Any) -> str:
    table = frame.to_html(index=False, border=0, na_rep="", float_format=lambda v: f"{v:.4g}")
    return (
        f"<details>\n<summary>{len(frame)} lines of numbers</summary>\n"
        f'<div class="wide">\n{table}\n</div>\n</details>\n'
    )
