"""What figures show, in words made from their numbers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from keras_elastor.analysis.findings import Findings
from keras_elastor.analysis.shifts import main_view, shift_of

_LAYERS = {"mixing": "mixing layers", "ffn": "per-token networks"}
_ONE = {"mixing": "mixing layer", "ffn": "per-token network"}
_NAMES = {"tokens": "the tokens of a row", "batch": "a window of rows"}


def describe(findings: Mapping[str, Findings]) -> list[str]:
    """Sentences on all models of a report."""
    return [
        *(sentence for name, found in findings.items() for sentence in _layers(name, found)),
        *_comparison(findings),
        *(sentence for name, found in findings.items() for sentence in _tables(name, found)),
        *(sentence for name, found in findings.items() for sentence in _calibration(name, found)),
        *(sentence for name, found in findings.items() for sentence in _groups(name, found)),
    ]


def _layers(name: str, found: Findings) -> Iterator[str]:
    """What each kind of layer does to the rank; for models without such, from end to end."""
    view, lines = _stages(found)
    shifts: dict[str, list[tuple[str, float, float]]] = {}
    for before, after in itertools.pairwise(lines):
        kind = re.sub(r"_\d+$", "", after["stage"])
        shift = (shift_of(before, after), before["mean"], after["mean"])
        shifts.setdefault(kind, []).append(shift)
    parts = [_part(kind, shifts[kind]) for kind in _LAYERS if kind in shifts]
    if parts:
        yield f"{name}, stable rank of {_NAMES[view]}: {'; '.join(parts)}."
        return
    first, last = lines[0], lines[-1]
    change = shift_of(first, last)
    verb = {"expands": "rises", "contracts": "falls", "inside the error": "stays within its error"}
    yield (
        f"{name}: the stable rank of {_NAMES[view]} {verb[change]} from {first['mean']:.2f} at the "
        f"stage {first['stage']} to {last['mean']:.2f} at {last['stage']}."
    )


def _part(kind: str, shifts: list[tuple[str, float, float]]) -> str:
    """Such as "mixing layers expand it in 2 of 2 places, by +1.31 on average (2.0 to 3.3)"."""
    changes = [change for change, *_ in shifts]
    many = len(shifts) > 1
    subject = _LAYERS[kind] if many else f"the {_ONE[kind]}"
    numbers = ", ".join(f"{before:.2f} to {after:.2f}" for _, before, after in shifts)
    if len(set(changes)) == 1:
        verb = {"expands": "expand", "contracts": "contract"}.get(changes[0])
        ending = "" if many else "s"
        if verb is None:
            return f"{subject} change{ending} it by no more than the error ({numbers})"
        return f"{subject} {verb}{ending} it ({numbers})"
    counts = [
        f"{verb} in {changes.count(change)}"
        for change, verb in (
            *(("expands", "expand it"), ("contracts", "contract it")),
            ("inside the error", "leave it within the error"),
        )
        if change in changes
    ]
    return f"{subject} {' and '.join(counts)} of {len(shifts)} places ({numbers})"


def _stages(found: Findings) -> tuple[str, list[dict[str, Any]]]:
    """The stable ranks of a model's stages, of tokens where most stages have them."""
    ranks = found.ranks[found.ranks.kind == "stable"]
    view = main_view(ranks)
    return view, ranks[ranks["view"] == view].to_dict("records")


def _comparison(findings: Mapping[str, Findings]) -> Iterator[str]:
    """Which of several models ends with the highest rank."""
    ends: dict[str, dict[str, dict[str, Any]]] = {}
    for name, found in findings.items():
        view, lines = _stages(found)
        ends.setdefault(view, {})[name] = lines[-1]
    for view, lasts in ends.items():
        if len(lasts) < 2:
            continue
        ordered = sorted(lasts, key=lambda name: -lasts[name]["mean"])
        highest, lowest = lasts[ordered[0]], lasts[ordered[-1]]
        beyond = shift_of(lowest, highest) == "expands"
        yield (
            f"After its last stage {ordered[0]} has the highest stable rank of {_NAMES[view]}, "
            f"{highest['mean']:.2f}, and {ordered[-1]} the lowest, {lowest['mean']:.2f}; the "
            f"difference is {'beyond' if beyond else 'inside'} the error of these rows."
        )


def _tables(name: str, found: Findings) -> Iterator[str]:
    if found.tables is None:
        return
    tables = found.tables.drop_duplicates(["encoder", "table"])
    used = tables.information_abundance
    lowest = tables.loc[used.idxmin()]
    highest = tables.loc[used.idxmax()]
    yield (
        f"{name}: embedding tables use {used.mean():.1f} of {tables.embedding_dim.mean():.0f} "
        f"directions on average (information abundance), from {lowest.information_abundance:.1f} "
        f"of {lowest.field} to {highest.information_abundance:.1f} of {highest.field}."
    )


def _calibration(name: str, found: Findings) -> Iterator[str]:
    if found.calibration is None:
        return
    for label, bins in found.calibration.groupby("label", sort=False):
        predicted = float((bins.predicted * bins.rows).sum())
        observed = float((bins.observed * bins.rows).sum())
        outside = int(((bins.predicted - bins.observed).abs() > 2 * bins.standard_error).sum())
        if not observed:
            yield f"{name}: no row has the label '{label}'."
            continue
        change = predicted / observed - 1
        side = "above" if change > 0 else "below"
        yield (
            f"{name}: the mean prediction of '{label}' is {abs(change):.1%} {side} the observed "
            f"rate; in {outside} of {len(bins)} bins the two lie more than two standard errors "
            "apart."
        )


def _groups(name: str, found: Findings) -> Iterator[str]:
    if found.groups is None:
        return
    for label, sizes in found.groups.dropna().groupby("label", sort=False):
        if len(sizes) < 2:
            continue
        first, last = sizes.iloc[0], sizes.iloc[-1]
        yield (
            f"{name}: gAUC of '{label}' is {first.gauc:.4f} in groups of {first.smallest} to "
            f"{first.largest} rows and {last.gauc:.4f} in those of {last.smallest} to "
            f"{last.largest}."
        )
